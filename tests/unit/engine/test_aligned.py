from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from engine.aligned import aligned
from engine.cleaning import Cleaner
from engine.errors import DeviceLostError, ScorerError
from engine.lrc import LocalResponseCleaning, LrcSettings
from engine.meaning import Meaning, MeaningSettings, Scenes
from engine.memory import Memory, MemorySettings
from engine.remembering import RememberingEncoder
from engine.scorer import Explanation, LanguageScorer, Request
from engine.scripted import ScriptedScorer
from engine.smoothing import NoSmoothing
from engine.timeline import CameraTimeline, WindowMeta
from engine.types import Box, Definition, Judgement, ModelInfo, Window
from engine.worker import judge
from tests.unit.engine.aligner import FakeAligner
from tests.unit.engine.frames import window
from tests.unit.engine.sentences import WordEncoder

USUAL = Definition()


class Talker(ScriptedScorer):
    """A scripted scorer that takes definitions, and says in two steps what it is told to."""

    def __init__(self, says: Sequence[Explanation]) -> None:
        super().__init__([])
        self.defined: dict[str, Sequence[Definition]] = {}
        self._says = says

    def define(self, camera: str, definitions: Sequence[Definition]) -> None:
        self.defined[camera] = definitions

    def info_for(self, definition: Definition) -> ModelInfo:
        return ModelInfo("talker", definition.name)

    def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
        half = len(requests) // 2
        for places in (range(half), range(half, len(requests))):
            yield {place: self._says[place] for place in places}


def has_vector(judgement: Judgement) -> bool:
    return judgement.vector is not None


SAID = [
    Judgement(0.9, text="a man runs", further={"theft": Judgement(0.1), "fire": Judgement(0.7, text="smoke rises")}),
    Judgement(0.2),
    Judgement.unknown("dark"),
    Judgement(0.1, further={"fire": Judgement(0.7, text="smoke rises")}),
]


def test_judgements_with_a_sentence_get_a_vector_and_are_otherwise_as_they_were() -> None:
    aligner = FakeAligner()
    scorer = aligned(ScriptedScorer(SAID), aligner, aligner)
    found = scorer.score([window(slot) for slot in range(4)])
    assert [has_vector(each) for each in found] == [True, False, False, False]
    assert [{name: has_vector(other) for name, other in each.further.items()} for each in found] == [
        {"theft": False, "fire": True},
        {},
        {},
        {"fire": True},
    ]
    assert found[0].vector is not None
    assert found[0].vector.tolist() == [1, 0]
    fire = found[3].further["fire"]
    assert fire.vector is not None
    assert fire.vector.tolist() == [1, 3]
    assert [(each.score, each.text, each.reason, list(each.further)) for each in found] == [
        (each.score, each.text, each.reason, list(each.further)) for each in SAID
    ]


def test_a_call_asks_once_for_windows_and_once_for_sentences_and_not_at_all_for_neither() -> None:
    aligner = FakeAligner()
    scorer = aligned(ScriptedScorer([*SAID, Judgement(0.3)]), aligner, RememberingEncoder(aligner))
    scorer.score([window(slot) for slot in range(4)])
    assert aligner.looked == [2]
    both = ["a man runs", "Anomalous scenes. a man runs", "smoke rises", "Anomalous scenes. smoke rises"]
    assert aligner.texts == [both]  # the sentence for memory, the whole response for its neighbours
    scorer.score([window(4)])
    assert scorer.score([]) == []
    assert aligner.looked == [2]


def test_every_window_with_a_score_gets_a_vector_when_asked_for() -> None:
    aligner = FakeAligner()
    found = aligned(ScriptedScorer(SAID), aligner, aligner, every_window=True).score(
        [window(slot) for slot in range(4)]
    )
    assert [has_vector(each) for each in found] == [True, True, False, True]
    assert all(has_vector(other) for each in found for other in each.further.values())


def test_cleaning_finds_the_sentences_remembered() -> None:
    aligner = FakeAligner()
    sentences = RememberingEncoder(aligner)
    aligned(ScriptedScorer(SAID), aligner, sentences).score([window(slot) for slot in range(4)])
    asked = len(aligner.texts)
    sentences.embed(["a man runs", "smoke rises"])
    assert len(aligner.texts) == asked


@pytest.mark.parametrize("error", [ScorerError("no memory"), RuntimeError("an index is out of range")])
def test_without_an_aligner_judgements_stay_as_they_are_and_one_line_says_why(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    aligner = FakeAligner()
    scorer = aligned(ScriptedScorer(lambda _: SAID[0]), aligner, aligner)
    caplog.set_level(logging.INFO)
    aligner.error = error
    for slot in range(3):
        assert scorer.score([window(slot), window(slot + 1)]) == [SAID[0]] * 2
    assert [str(error) in record.getMessage() for record in caplog.records] == [True]
    assert len(aligner.looked) == 3  # it is tried each time
    aligner.error = None
    assert has_vector(scorer.score([window(4)])[0])
    scorer.score([window(5)])
    assert len(caplog.records) == 2  # and one that it works again
    aligner.error = error
    scorer.score([window(6)])
    assert len(caplog.records) == 3


@pytest.mark.parametrize("error", [ScorerError("CLIP's numbers are not finite"), RuntimeError("an index")])
@pytest.mark.parametrize("fails", ["error", "text_error"])
@pytest.mark.parametrize("made", [LocalResponseCleaning, Memory, Meaning])
def test_where_pictures_or_sentences_have_no_vectors_every_judgement_still_becomes_a_score(
    made: type[Cleaner], fails: str, error: Exception
) -> None:
    aligner = FakeAligner()
    sentences = RememberingEncoder(aligner)
    cleaners: dict[type[Cleaner], Cleaner] = {
        LocalResponseCleaning: LocalResponseCleaning(sentences, LrcSettings(look_ahead=1)),
        Memory: Memory(sentences, MemorySettings()),
        Meaning: Meaning(sentences, Scenes.of(sentences), MeaningSettings()),
    }
    scorer = aligned(ScriptedScorer(lambda _: SAID[0]), aligner, sentences)
    timeline = CameraTimeline("front", cleaners[made], NoSmoothing(), 5)
    setattr(aligner, fails, error)
    for slot in range(3):
        judged = scorer.score([window(slot)])[0]
        aligner.texts.clear()
        point = timeline.push(WindowMeta.of(window(slot)), judged)
        assert (point.raw, point.text, point.score is None) == (0.9, "a man runs", False)
        if made is not Meaning:
            assert point.score == 0.9
        if made is not Meaning or fails == "error":
            assert not aligner.texts  # the model is run by the scorer's thread, never from a timeline


def test_a_sentence_that_has_no_vector_after_all_is_no_answer_to_compare_with() -> None:
    encoder = FakeAligner()
    cleaner = LocalResponseCleaning(encoder, LrcSettings())
    known = Judgement(0.1, text="a dog", vector=encoder.embed(["a dog"])[0])
    lost = Judgement(0.9, text="a man", vector=known.vector)
    assert cleaner.push(known).now is known
    encoder.text_error = ScorerError("no memory")
    assert cleaner.push(lost).now is lost


def test_a_lost_device_ends_the_call() -> None:
    aligner = FakeAligner()
    aligner.error = DeviceLostError("gone")
    with pytest.raises(DeviceLostError):
        aligned(ScriptedScorer(SAID), aligner, aligner).score([window()])


def test_what_a_scorer_does_wrong_is_found_out_as_without_it() -> None:
    class Wrong(ScriptedScorer):
        def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
            return ["normal", Judgement(0.5, text="a man runs"), Judgement(0.1)]  # type: ignore[list-item]

    aligner = FakeAligner()
    scorer = aligned(Wrong([]), aligner, aligner)
    assert [each.score for each in judge(scorer, [window(0), window(1), window(2)])] == [None, 0.5, 0.1]
    assert [each.reason for each in judge(scorer, [window(0), window(1)])] == [
        "scorer failed: scorer scripted answered 3 of 2 windows"
    ] * 2


def test_it_stands_for_the_scorer_in_everything_else() -> None:
    aligner, inner = FakeAligner(), ScriptedScorer(SAID, name="inner", frame_size=(20, 10), max_batch=3)
    scorer = aligned(inner, aligner, aligner)
    assert (scorer.info, scorer.frame_size, scorer.max_batch) == (inner.info, (20, 10), 3)
    assert not isinstance(scorer, LanguageScorer)
    first = scorer.score([window(0)])[0]
    scorer.forget("front")
    assert scorer.score([window(0)])[0].score == first.score  # the script begins anew
    assert aligner.forgotten == ["front"]
    scorer.close()
    assert inner.closed
    assert aligner.closed


def test_one_that_understands_words_still_does() -> None:
    aligner, inner = FakeAligner(), Talker([])
    scorer = aligned(inner, aligner, aligner)
    assert isinstance(scorer, LanguageScorer)
    scorer.define("front", [USUAL])
    assert inner.defined == {"front": [USUAL]}
    assert scorer.info_for(Definition("fire")).name == "fire"


def test_explanations_get_the_vectors_of_their_window_and_sentence_in_the_same_steps() -> None:
    says = [
        Explanation("a man runs", boxes=(Box(0, 0, 1, 1),)),
        Explanation(None, reason="no words"),
        Explanation("smoke rises"),
    ]
    aligner = FakeAligner()
    scorer = aligned(Talker(says), aligner, aligner)
    assert isinstance(scorer, LanguageScorer)
    requests = [Request(window(slot), USUAL, 0.9) for slot in range(3)]
    steps = list(scorer.explain(requests))
    assert [list(step) for step in steps] == [[0], [1, 2]]
    found = {place: each for step in steps for place, each in step.items()}
    assert [(each.text, each.boxes, each.reason) for each in found.values()] == [
        (each.text, each.boxes, each.reason) for each in says
    ]
    assert found[1].vector is None
    for place, text in ((0, "a man runs"), (2, "smoke rises")):
        vector, text_vector = found[place].vector, found[place].text_vector
        assert vector is not None
        assert text_vector is not None
        assert vector.tolist() == [1, place]
        assert np.array_equal(text_vector, WordEncoder().embed([text])[0])


def test_explanations_come_without_vectors_when_the_aligner_fails() -> None:
    aligner = FakeAligner()
    aligner.error = ScorerError("no memory")
    scorer = aligned(Talker([Explanation("a man runs")]), aligner, aligner)
    assert isinstance(scorer, LanguageScorer)
    found = {place: each for step in scorer.explain([Request(window(), USUAL, 0.9)]) for place, each in step.items()}
    assert found[0].text == "a man runs"
    assert found[0].vector is None
