from __future__ import annotations

import copy
import dataclasses
import gc
import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

import torch

from engine.errors import DeviceLostError, ScorerError, UsageError
from engine.internvl2 import scorer as scorer_module
from engine.internvl2.load import InternVL2
from engine.internvl2.plain import PlainReading
from engine.internvl2.scorer import InternVL2Scorer, InternVL2Settings
from engine.prompts.texts import prompt_text
from engine.replies import sentence_of
from engine.scorer import LanguageScorer, Request
from engine.scoring import USUAL, Question, Scoring, Wording, questions, rest_of_reply, scores
from engine.types import Definition, Judgement, Window
from engine.worker import judge
from tests.unit.engine.internvl2.checkpoints import lively
from tests.unit.engine.internvl2.windows import window

SIDE = 28
ALWAYS = 0.0  # explain above


SMOKE = Definition("smoke", "smoke or fire")
CROWD = Definition("crowd", "many people in one place", ignore="people who wait for a bus")
NO_DOGS = Definition("no dogs", ignore="dogs")


@pytest.fixture(scope="module")
def internvl2(tmp_path_factory: pytest.TempPathFactory) -> InternVL2:
    return lively(tmp_path_factory.mktemp("model"))


@pytest.fixture
def make(internvl2: InternVL2) -> Callable[..., InternVL2Scorer]:
    return lambda **settings: InternVL2Scorer(internvl2, InternVL2Settings(**settings), name="tiny")


def tensor_bytes() -> int:
    """Of everything that tensors hold which Python knows of."""
    gc.collect()
    held = [each.untyped_storage() for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
    return sum({storage.data_ptr(): storage.nbytes() for storage in held}.values())


def test_wordings_that_come_and_go_take_no_more_memory(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer_module, "KEPT_EXAMS", 3)
    scorer, held = make(), []
    for number in range(9):
        camera = f"front/{number}"
        scorer.define(camera, (Definition("old"), Definition("new", f"a person with {number} bags")))
        scorer.score([window(SIDE, 0, camera=camera)])
        scorer.forget(camera)
        held.append(tensor_bytes())
    assert held[0] < held[2]  # what is remembered is seen
    assert len(set(held[2:])) == 1


def mixed() -> list[Window]:
    """Windows of two cameras and of three lengths, some of which share frames."""
    return [
        window(SIDE, 0),
        window(SIDE, 0, camera="yard", frames=3),
        window(SIDE, 2),
        window(SIDE, 0, frames=1),
        window(SIDE, 3, camera="yard"),
        window(SIDE, 4),
    ]


@pytest.mark.parametrize("scoring", [Scoring.LIKELIHOOD, Scoring.SCALE, Scoring.THRESHOLDS])
def test_scores_and_sentences_are_those_of_whole_passes(
    internvl2: InternVL2, make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch, scoring: Scoring
) -> None:
    monkeypatch.setattr(scorer_module, "SENTENCE_TOKENS", 8)
    judgements = make(scoring=scoring, explain_above=ALWAYS).score(mixed())
    plain = PlainReading(internvl2, prompt_text("task"))
    asked = questions(scoring, Wording())
    for judged, judgement in list(zip(mixed(), judgements, strict=True))[:3]:
        expected = scores(scoring, plain.weigh(judged, asked)[None])[0]
        assert judgement.score == pytest.approx(expected, abs=2e-5)
        text = plain.write(judged, rest_of_reply(Wording(), anomalous=expected >= 0.5), 8)
        assert judgement.text == sentence_of(text)


def test_batches_of_any_size_give_the_same(make: Callable[..., InternVL2Scorer]) -> None:
    at_once = make(explain_above=ALWAYS).score(mixed())
    one_by_one = [make(explain_above=ALWAYS, batch_tokens=1).score([each])[0] for each in mixed()]
    cut = make(explain_above=ALWAYS, batch_tokens=1, kept_frames=0).score(mixed())
    for judgements in (one_by_one, cut):
        assert [each.score for each in judgements] == pytest.approx([each.score for each in at_once], abs=2e-5)
        assert [each.text for each in judgements] == [each.text for each in at_once]


def test_only_windows_that_score_enough_get_a_sentence(make: Callable[..., InternVL2Scorer]) -> None:
    found = sorted(float(each.score or 0) for each in make(scoring=Scoring.SCALE).score(mixed()))
    bound = (found[2] + found[3]) / 2
    judgements = make(scoring=Scoring.SCALE, explain_above=bound).score(mixed())
    assert [each.text is not None for each in judgements] == [(each.score or 0) >= bound for each in judgements]
    assert sum(each.text is not None for each in judgements) == 3


class Saying:
    """Stands where replies are written, and remembers what was asked for."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.openings: list[tuple[list[str], list[int]]] = []

    def __call__(self, _seen: Any, rows: Sequence[int], asked: Sequence[Question], _most_tokens: int) -> list[str]:
        self.openings.append(([question.opening for question in asked], list(rows)))
        return [self.texts[row] for row in rows]


def test_faithful_takes_the_written_verdict_and_nothing_else(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make(scoring=Scoring.FAITHFUL)
    says = Saying("```\nAnomalous scenes.\nA man falls.\n```", "Normal scenes. A car parks.", "It is normal.", "")
    monkeypatch.setattr(scorer._reading, "write", says)
    judgements = scorer.score([window(SIDE, first) for first in range(4)])
    assert [each.score for each in judgements] == [1.0, 0.0, None, None]
    assert [each.text for each in judgements] == ["A man falls.", "A car parks.", None, None]
    assert judgements[2].reason == "the model's reply has no verdict"
    assert says.openings == [([""] * 4, [0, 1, 2, 3])]


def test_a_sentence_is_written_after_the_verdict_that_the_score_means(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make(explain_above=0.2)
    likelihoods = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.3, 0.7], [0.5, 0.5]]).log()[:, None]
    says = Saying("A man falls.\n```", "", "A car parks.", "  ")
    monkeypatch.setattr(scorer._reading, "weigh", lambda _seen, _exam: likelihoods)
    monkeypatch.setattr(scorer._reading, "write", says)
    judgements = scorer.score([window(SIDE, first) for first in range(4)])
    assert [each.score for each in judgements] == pytest.approx([0.9, 0.1, 0.3, 0.5])
    assert [each.text for each in judgements] == ["A man falls.", None, "A car parks.", None]
    anomalous, normal = (f"```\n{word} scenes.\n" for word in ("Anomalous", "Normal"))
    assert says.openings == [([anomalous, normal, anomalous], [0, 2, 3])]


def test_numbers_that_are_none_make_a_window_unknown_and_leave_the_others(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()
    likelihoods = torch.tensor([[[math.nan, -1.0]], [[-1.0, -1.0]]])
    monkeypatch.setattr(scorer._reading, "weigh", lambda _seen, _exam: likelihoods)
    first, second = scorer.score([window(SIDE, 0), window(SIDE, 1)])
    assert (first.score, first.reason) == (None, "the model's numbers are not finite")
    assert second.score == pytest.approx(0.5)


def test_out_of_memory_loses_no_window_and_changes_no_score(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    windows = [window(SIDE, first) for first in range(5)]
    expected = [each.score for each in make().score(windows)]
    scorer = make()
    see, failed = scorer._reading.see, []

    def sometimes(features: torch.Tensor, frames: int) -> Any:
        if len(features) > 2:
            failed.append(len(features))
            raise torch.OutOfMemoryError("tried to allocate too much")
        return see(features, frames)

    monkeypatch.setattr(scorer._reading, "see", sometimes)
    assert [each.score for each in scorer.score(windows)] == pytest.approx(expected, abs=2e-5)
    assert failed == [5, 5]  # at first only what is remembered of frames is given up
    assert "out of memory with 5 windows at once: going on with 2" in caplog.text


def test_no_memory_for_the_beginning_of_a_prompt_is_one_clear_line_and_a_lost_device_too(
    internvl2: InternVL2, monkeypatch: pytest.MonkeyPatch
) -> None:
    error: RuntimeError

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(InternVL2, "embed", fails)
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(ScorerError, match="tiny leaves too little memory on cpu to work with: use a smaller"):
        InternVL2Scorer(internvl2, InternVL2Settings(), name="tiny")
    error = RuntimeError("CUDA error: unspecified launch failure")
    with pytest.raises(DeviceLostError):
        InternVL2Scorer(internvl2, InternVL2Settings(), name="tiny")


def test_out_of_memory_on_a_single_window_makes_it_unknown_with_the_reason(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()

    def never(_features: torch.Tensor, _frames: int) -> Any:
        raise torch.OutOfMemoryError("tried to allocate too much")

    monkeypatch.setattr(scorer._reading, "see", never)
    with pytest.raises(ScorerError, match="out of memory on a single window"):
        scorer.score([window(SIDE)])
    (judgement,) = judge(scorer, [window(SIDE)])
    assert judgement.score is None
    assert "out of memory on a single window" in judgement.reason


def test_frames_are_computed_once_for_all_windows_that_they_are_in(make: Callable[..., InternVL2Scorer]) -> None:
    scorer = make()
    for first in range(6):
        scorer.score([window(SIDE, first)])
    assert scorer._features.computed == 9
    scorer.forget("front")
    scorer.score([window(SIDE, 5)])
    assert scorer._features.computed == 9 + 4


# ---- definitions ----


def near(score: float | None) -> Any:
    """Equal in its logarithm: the tiny model's scores may be tiny themselves."""
    return pytest.approx(score, rel=2e-4, abs=0)


def own_scores(scorer: InternVL2Scorer, windows: Sequence[Window]) -> list[dict[str, float | None]]:
    """The scores of each window by its definitions' names; the first one's is called "first"."""
    judgements = scorer.score(windows)
    return [
        {"first": each.score} | {name: further.score for name, further in each.further.items()} for each in judgements
    ]


@pytest.mark.parametrize("scoring", [Scoring.LIKELIHOOD, Scoring.SCALE, Scoring.THRESHOLDS])
def test_every_definition_has_the_score_of_whole_passes_also_where_cameras_have_others(
    internvl2: InternVL2, make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch, scoring: Scoring
) -> None:
    scorer = make(scoring=scoring)
    scorer.define("front", [SMOKE, CROWD, USUAL])
    scorer.define("yard", [NO_DOGS])
    scorer.define("door", [SMOKE, CROWD, USUAL])
    windows = [window(SIDE, first, camera=name) for first in (0, 2) for name in ("front", "yard", "gate", "door")]
    see, seen = scorer._reading.see, []

    def counted(features: torch.Tensor, frames: int) -> Any:
        seen.append(len(features))
        return see(features, frames)

    monkeypatch.setattr(scorer._reading, "see", counted)
    found = own_scores(scorer, windows)
    assert seen == [8], "all windows are read in one batch, once"
    assert [list(each) for each in found] == [["first", "crowd", "default"], ["first"], ["first"], [*found[0]]] * 2
    plain = PlainReading(internvl2, prompt_text("task"))
    expected: list[float] = []
    asked = [(SMOKE, CROWD, USUAL), (NO_DOGS,), (USUAL,)]
    for judged, own, definitions in zip(windows[:3], found, asked, strict=False):
        for value, definition in zip(own.values(), definitions, strict=True):
            likelihoods = plain.weigh(judged, questions(scoring, Wording(definition)))
            expected.append(float(scores(scoring, likelihoods[None])[0]))
            assert value == near(expected[-1])
    expected.sort()
    assert all(high != near(low) for low, high in itertools.pairwise(expected)), "all must be told apart"


def test_a_definition_has_the_same_score_alone_and_among_others(make: Callable[..., InternVL2Scorer]) -> None:
    among, alone = make(), make()
    among.define("front", [USUAL, CROWD, SMOKE])
    alone.define("front", [SMOKE])
    for first in range(3):
        (together,), (single,) = (own_scores(scorer, [window(SIDE, first)]) for scorer in (among, alone))
        assert together["smoke"] == near(single["first"])


def test_guiding_questions_are_asked_whatever_the_definition(
    internvl2: InternVL2, make: Callable[..., InternVL2Scorer]
) -> None:
    scorer = make(questions=("Who is there?",))
    scorer.define("front", [USUAL, SMOKE])
    (judgement,) = scorer.score([window(SIDE)])
    plain = PlainReading(internvl2, prompt_text("task"))
    for judged, definition in ((judgement, USUAL), (judgement.further["smoke"], SMOKE)):
        asked = questions(Scoring.LIKELIHOOD, Wording(definition, ("Who is there?",)))
        assert judged.score == near(float(scores(Scoring.LIKELIHOOD, plain.weigh(window(SIDE), asked)[None])[0]))


def test_definitions_count_from_the_next_window_on_and_are_laid_out_once(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()
    exam, laid_out = scorer._reading.exam, []

    def counted(asked: Sequence[Question]) -> Any:
        laid_out.append(len(asked))
        return exam(asked)

    monkeypatch.setattr(scorer._reading, "exam", counted)
    names = []
    for definitions in ([USUAL], [SMOKE, CROWD], [SMOKE], [SMOKE, CROWD]):
        scorer.define("front", definitions)
        names += [list(each) for each in own_scores(scorer, [window(SIDE), window(SIDE, 1)])]
    assert names[::2] == names[1::2] == [["first"], ["first", "crowd"], ["first"], ["first", "crowd"]]
    assert laid_out == [1, 2, 1]
    usual = make().score([window(SIDE)])[0].score
    assert scorer.score([window(SIDE)])[0].score != near(usual)
    scorer.forget("front")
    assert scorer.score([window(SIDE)])[0].score == near(usual)


def test_what_is_kept_of_definitions_is_bounded(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer_module, "KEPT_EXAMS", 3)
    scorer = make()
    for number in range(6):
        scorer.define("front", [Definition(text=f"number {number}")])
        scorer.score([window(SIDE)])
        scorer.info_for(Definition(text=f"number {number}"))
    assert scorer._exam.cache_info().currsize == scorer._info.cache_info().currsize == 3
    scorer.close()
    assert scorer._exam.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("definitions", "problem"),
    [
        ([], "camera front needs a definition"),
        ([SMOKE, Definition("smoke", "steam")], "no two of one name"),
        ([Definition(text="see <image>")], "takes for a command"),
    ],
)
def test_definitions_that_make_no_sense_are_refused_and_leave_those_before(
    make: Callable[..., InternVL2Scorer], definitions: list[Definition], problem: str
) -> None:
    scorer = make()
    scorer.define("front", [USUAL, CROWD])
    with pytest.raises(UsageError, match=problem):
        scorer.define("front", definitions)
    assert list(own_scores(scorer, [window(SIDE)])[0]) == ["first", "crowd"]


def test_definitions_may_change_in_other_threads_while_windows_are_scored(make: Callable[..., InternVL2Scorer]) -> None:
    scorer = make()
    choices = [[USUAL], [SMOKE, CROWD], [CROWD, USUAL, SMOKE]]
    expected = {1: set[str](), 2: {"crowd"}, 3: {"default", "smoke"}}

    def change(turn: int) -> None:
        scorer.define("front", choices[turn % 3])
        assert scorer.info_for(choices[turn % 3][0]).scorer == "internvl2"

    with ThreadPoolExecutor(2) as pool:
        changes = pool.map(change, range(300))
        for first in range(20):
            for judgement in scorer.score([window(SIDE, first), window(SIDE, first + 1)]):
                assert set(judgement.further) == expected[1 + len(judgement.further)]
        list(changes)


def test_numbers_that_are_none_make_one_definition_unknown_and_leave_the_others(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make(explain_above=ALWAYS)
    scorer.define("front", [SMOKE, CROWD])
    halves, none = [-1.0, -1.0], [-1.0, math.nan]
    likelihoods = torch.tensor([[none, halves], [halves, none], [halves, halves]])
    monkeypatch.setattr(scorer._reading, "weigh", lambda _seen, _exam: likelihoods)
    judgements = scorer.score([window(SIDE, first) for first in range(3)])
    assert [(each.score, each.further["crowd"].score) for each in judgements] == [(None, 0.5), (0.5, None), (0.5, 0.5)]
    for unknown in (judgements[0], judgements[1].further["crowd"]):
        assert (unknown.reason, unknown.text) == ("the model's numbers are not finite", None)
    assert judgements[0].further["crowd"].text


def test_faithful_has_a_reply_written_by_each_definition(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make(scoring=Scoring.FAITHFUL)
    scorer.define("front", [SMOKE, CROWD])
    replies = {
        "smoke": "Normal scenes. A car parks.",
        "people": "Anomalous scenes. A queue.",
        "usual": "No.",
    }
    asked_of: list[int] = []

    def write(_seen: Any, rows: Sequence[int], asked: Sequence[Question], _most_tokens: int) -> list[str]:
        asked_of.append(len(rows))
        about = [question.text.partition("abnormal:")[2] for question in asked]
        return [next((replies[word] for word in ("smoke", "people") if word in text[:20]), "No.") for text in about]

    monkeypatch.setattr(scorer._reading, "write", write)
    first, second = scorer.score([window(SIDE), window(SIDE, camera="yard")])
    assert (first.score, first.text) == (0.0, "A car parks.")
    assert (first.further["crowd"].score, first.further["crowd"].text) == (1.0, "A queue.")
    assert (second.score, second.reason, dict(second.further)) == (None, "the model's reply has no verdict", {})
    assert asked_of == [2, 1]


def test_without_a_bound_no_window_gets_a_sentence_and_with_one_each_definition_its_own(
    internvl2: InternVL2, make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer_module, "SENTENCE_TOKENS", 8)
    quiet, telling = make(), make(explain_above=ALWAYS)
    plain = PlainReading(internvl2, prompt_text("task"))
    for scorer in (quiet, telling):
        scorer.define("front", [SMOKE, CROWD])
    (silent,), (judgement,) = (scorer.score([window(SIDE)]) for scorer in (quiet, telling))
    assert (silent.text, silent.further["crowd"].text) == (None, None)
    for judged, definition in ((judgement, SMOKE), (judgement.further["crowd"], CROWD)):
        asked = rest_of_reply(Wording(definition), anomalous=(judged.score or 0) >= 0.5)
        assert judged.text == sentence_of(plain.write(window(SIDE), asked, 8))
        assert judged.text


def test_explaining_in_between_leaves_scores_as_they_are(make: Callable[..., InternVL2Scorer]) -> None:
    def scored(scorer: InternVL2Scorer, first: int) -> list[Judgement]:
        return list(scorer.score([window(SIDE, first), window(SIDE, first, camera="yard")]))

    undisturbed, disturbed = make(kept_frames=10), make(kept_frames=10)
    for scorer in (undisturbed, disturbed):
        scorer.define("yard", [CROWD, SMOKE])
    expected = [scored(undisturbed, first) for first in range(0, 12, 2)]
    found = [scored(disturbed, 0)]
    old = window(SIDE, 0).copy()
    requests = [
        Request(old, USUAL, 0.9, boxes=True),
        Request(window(SIDE, 0, camera="yard", frames=3).copy(), CROWD, 0.1),
        Request(old, USUAL, 0.7, said=("It burns.", "It burns more.")),
    ]
    steps = disturbed.explain(requests)
    told: set[int] = set()
    for first in range(2, 12, 2):
        told |= set(next(steps, {}))
        found.append(scored(disturbed, first))
    told |= {place for step in steps for place in step}
    assert found == expected, "to the bit"
    assert told == {0, 1, 2}


# ---- the device ----


def test_a_lost_device_is_told_apart_from_other_faults(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()

    def lost(*_: Any) -> Any:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    requests = [Request(window(SIDE), USUAL, 0.9)]
    steps = scorer.explain(requests)
    next(steps)
    monkeypatch.setattr(scorer._reading, "_forward", lost)
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        next(steps)
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        next(scorer.explain(requests))
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        scorer.score([window(SIDE)])


def test_it_takes_definitions_and_writes_sentences(make: Callable[..., InternVL2Scorer]) -> None:
    assert isinstance(make(), LanguageScorer)


def test_alerts_can_be_traced_to_the_model_and_every_word_of_the_prompt(make: Callable[..., InternVL2Scorer]) -> None:
    scorer = make()
    assert (scorer.info.scorer, scorer.info.name) == ("internvl2", "tiny")
    assert scorer.info == scorer.info_for(USUAL)
    others = [
        *(scorer.info_for(definition) for definition in (SMOKE, CROWD, NO_DOGS)),
        make(questions=("What moves?",)).info,
        make(questions=("What moves?",)).info_for(SMOKE),
        *(make(scoring=scoring).info for scoring in Scoring if scoring is not Scoring.LIKELIHOOD),
    ]
    hashes = [scorer.info.prompt_sha256, *(other.prompt_sha256 for other in others)]
    assert len(set(hashes)) == len(hashes)
    assert all(len(each or "") == 64 for each in hashes)
    assert make(explain_above=0.9).info == scorer.info
    assert scorer.info_for(Definition("another name", SMOKE.text)) == scorer.info_for(SMOKE)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="batch_tokens"):
        InternVL2Settings(batch_tokens=0)
    with pytest.raises(UsageError, match="takes for a command"):
        InternVL2Settings(questions=("Is there <image>?",))


def test_half_precision_gives_scores_too(internvl2: InternVL2, make: Callable[..., InternVL2Scorer]) -> None:
    exact = [each.score for each in make(scoring=Scoring.SCALE).score(mixed())]
    model = copy.deepcopy(internvl2.model)
    model.bfloat16()
    half = dataclasses.replace(internvl2, model=model)
    scorer = InternVL2Scorer(half, InternVL2Settings(scoring=Scoring.SCALE, explain_above=ALWAYS), name="half")
    rough = scorer.score(mixed())
    assert [each.score for each in rough] == pytest.approx(exact, abs=0.1)
