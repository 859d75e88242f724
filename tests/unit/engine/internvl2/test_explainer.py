from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

import torch

from engine.internvl2 import explainer as explainer_module
from engine.internvl2.load import InternVL2
from engine.internvl2.plain import PlainReading
from engine.internvl2.scorer import InternVL2Scorer, InternVL2Settings
from engine.prompts.texts import prompt_text
from engine.replies import sentence_of
from engine.scorer import Explanation, Request
from engine.scoring import USUAL, Question, Wording, rest_of_reply, summary, whereabouts
from engine.types import Box, Definition, Window
from tests.unit.engine.internvl2.checkpoints import lively
from tests.unit.engine.internvl2.windows import window

SIDE = 28
SMOKE = Definition("smoke", "smoke or fire")


@pytest.fixture(scope="module")
def internvl2(tmp_path_factory: pytest.TempPathFactory) -> InternVL2:
    return lively(tmp_path_factory.mktemp("model"))


@pytest.fixture
def make(internvl2: InternVL2) -> Callable[..., InternVL2Scorer]:
    return lambda **settings: InternVL2Scorer(internvl2, InternVL2Settings(**settings), name="tiny")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explainer_module, "SENTENCE_TOKENS", 20)


class Saying:
    """Stands where replies are written: says texts in turn, and remembers what was asked of how many windows."""

    def __init__(self, *texts: str) -> None:
        self._texts = iter(texts)
        self.asked: list[list[Question]] = []

    def __call__(
        self, _seen: Any, rows: Sequence[int], asked: Sequence[Question], _most_tokens: int
    ) -> Iterator[Sequence[str]]:
        self.asked.append(list(asked))
        yield ()
        yield [next(self._texts) for _ in rows]


def together(steps: Iterator[Mapping[int, Explanation]]) -> dict[int, Explanation]:
    """All explanations; each is given once."""
    found: dict[int, Explanation] = {}
    for step in steps:
        assert not found.keys() & step.keys()
        found |= step
    return found


def various() -> list[Request]:
    """By several definitions, of windows of two lengths, with two summaries."""
    return [
        Request(window(SIDE, 0), USUAL, 0.9),
        Request(window(SIDE, 1), SMOKE, 0.2),
        Request(window(SIDE, 2, frames=3), SMOKE, 0.8),
        Request(window(SIDE, 3, camera="yard"), USUAL, 0.6, said=("A bin glows.", "It burns.")),
        Request(window(SIDE, 0, camera="yard", frames=3), USUAL, 0.5, said=("A man.",)),
    ]


def expected(internvl2: InternVL2, request: Request) -> str | None:
    """The sentence of a whole pass for each token."""
    wording = Wording(request.definition)
    asked = summary(wording, request.said) if request.said else None
    asked = asked or rest_of_reply(wording, anomalous=True)
    return sentence_of(PlainReading(internvl2, prompt_text("task")).write(request.window, asked, 20))


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("settings", [{}, {"batch_tokens": 1}, {"kept_frames": 0}])
def test_sentences_are_those_of_whole_passes_however_they_are_batched(
    internvl2: InternVL2, make: Callable[..., InternVL2Scorer], settings: dict[str, int]
) -> None:
    found = together(make(**settings).explain(various()))
    assert {place: each.text for place, each in found.items()} == {
        place: expected(internvl2, request) for place, request in enumerate(various())
    }
    assert all(each.text and not each.reason and not each.boxes for each in found.values())


@pytest.mark.usefixtures("short")
def test_steps_are_short_and_give_what_is_finished(make: Callable[..., InternVL2Scorer]) -> None:
    steps = [sorted(step) for step in make().explain(various())]
    # Of 3 frames and then of 4: one window and another one, then of all together 8 tokens, 8 tokens, and the last 4.
    assert steps == [*[[]] * 2, [], [], [2, 4], *[[]] * 3, [], [], [0, 1, 3]]


@pytest.mark.usefixtures("short")
def test_no_step_reads_more_than_one_window_and_replies_are_written_together(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explainer_module, "BOXES_TOKENS", 12)
    scorer = make()
    forward = scorer._reading._forward
    passes: list[tuple[int, bool]] = []

    def counted(seen: Any, embedded: torch.Tensor, *more: Any) -> torch.Tensor:
        passes.append((len(embedded), embedded.shape[1] == 1))
        return forward(seen, embedded, *more)

    monkeypatch.setattr(scorer._reading, "_forward", counted)
    steps = []
    for _ in scorer.explain([Request(window(SIDE, first), USUAL, 0.9, boxes=True) for first in range(8)]):
        steps.append(list(passes))
        passes.clear()
    one_window, together, token = [(1, False)], (8, False), (8, True)
    sentences = [[together, *[token] * 7], [token] * 8, [token] * 4]
    boxes = [[together, *[token] * 7], [token] * 4]
    assert steps == [*[one_window] * 8, *sentences, *[one_window] * 8, *boxes]


def test_nothing_is_explained_when_nothing_is_asked(make: Callable[..., InternVL2Scorer]) -> None:
    assert list(make().explain([])) == []


def test_a_sentence_says_what_is_abnormal_whatever_score_opens_an_event_and_a_summary_what_was_said(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make(questions=("Who?",))
    says = Saying("A man falls.\n```", "A man runs.", "A fire.")
    monkeypatch.setattr(scorer._reading, "writing", says)
    requests = [
        Request(window(SIDE), SMOKE, 0.5),
        Request(window(SIDE), USUAL, 0.31),
        Request(window(SIDE), SMOKE, 0.1, said=("It glows.",)),
    ]
    found = together(scorer.explain(requests))
    assert [found[place].text for place in range(3)] == ["A man falls.", "A man runs.", "A fire."]
    smoke, usual = Wording(SMOKE, ("Who?",)), Wording(USUAL, ("Who?",))
    assert says.asked == [
        [rest_of_reply(smoke, anomalous=True), rest_of_reply(usual, anomalous=True), summary(smoke, ("It glows.",))]
    ]


def test_boxes_are_asked_for_in_the_worst_frame_alone(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()
    says = Saying("A fire.", "A man.", "A dog.", "[[100,200,300,400]]</box>", "[[5,5,1,1]]")
    monkeypatch.setattr(scorer._reading, "writing", says)
    features, looked = scorer._features.of, []

    def remembered(windows: Sequence[Window], *, keep: bool = True) -> torch.Tensor:
        looked.append([[frame.slot for frame in each.frames] for each in windows])
        return features(windows, keep=keep)

    monkeypatch.setattr(scorer._features, "of", remembered)
    requests = [
        Request(window(SIDE, 0), SMOKE, 0.9, worst=2, boxes=True),
        Request(window(SIDE, 4), SMOKE, 0.9),
        Request(window(SIDE, 8), SMOKE, 0.9, boxes=True),
    ]
    steps = [dict(step) for step in scorer.explain(requests)]
    assert [sorted(step) for step in steps if step] == [[1], [0, 2]]
    found = together(iter(steps))
    assert (found[0].text, found[0].boxes) == ("A fire.", (Box(0.1, 0.2, 0.3, 0.4),))
    assert (found[2].text, found[2].boxes) == ("A dog.", ())
    assert says.asked[1] == [whereabouts("A fire."), whereabouts("A dog.")]
    assert looked == [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9, 10, 11]], [[2]], [[11]]]


def test_where_the_sentence_is_known_only_its_place_is_asked_for(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()
    says = Saying("[[100,200,300,400]]</box>")
    monkeypatch.setattr(scorer._reading, "writing", says)
    found = together(scorer.explain([Request(window(SIDE), SMOKE, 0.9, boxes=True, sentence="A fire.")]))
    assert (found[0].text, found[0].boxes) == ("A fire.", (Box(0.1, 0.2, 0.3, 0.4),))
    assert says.asked == [[whereabouts("A fire.")]]


@pytest.mark.usefixtures("short")
def test_a_model_that_gives_no_boxes_has_still_said_its_sentence(
    internvl2: InternVL2, make: Callable[..., InternVL2Scorer]
) -> None:
    request = Request(window(SIDE), USUAL, 0.9, boxes=True)
    found = together(make().explain([request]))
    assert found[0].text == expected(internvl2, request)
    assert found[0].boxes == ()


def test_a_reply_without_a_sentence_says_so_and_no_place_is_asked_for(
    make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()
    says = Saying(" \n```")
    monkeypatch.setattr(scorer._reading, "writing", says)
    found = together(scorer.explain([Request(window(SIDE), USUAL, 0.9, boxes=True)]))
    assert (found[0].text, found[0].reason) == (None, "the model wrote no sentence")
    assert len(says.asked) == 1


@pytest.mark.usefixtures("short")
def test_out_of_memory_loses_no_explanation(
    internvl2: InternVL2, make: Callable[..., InternVL2Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make()
    forward, failed = scorer._reading._forward, []

    def sometimes(seen: Any, embedded: torch.Tensor, *more: Any) -> torch.Tensor:
        if len(embedded) > 2 and embedded.shape[1] == 1:  # while it writes
            failed.append(len(embedded))
            raise torch.OutOfMemoryError("tried to allocate too much")
        return forward(seen, embedded, *more)

    monkeypatch.setattr(scorer._reading, "_forward", sometimes)
    requests = [Request(window(SIDE, first), USUAL, 0.9) for first in range(5)]
    found = together(scorer.explain(requests))
    assert failed == [5]
    assert [found[place].text for place in range(5)] == [expected(internvl2, request) for request in requests]


@pytest.mark.usefixtures("short")
def test_frames_that_are_remembered_serve_and_nothing_stays_behind(make: Callable[..., InternVL2Scorer]) -> None:
    scorer = make()
    scorer.score([window(SIDE, 4)])
    computed = scorer._features.computed
    together(scorer.explain([Request(window(SIDE, 2).copy(), USUAL, 0.9, boxes=True)]))
    assert scorer._features.computed == computed + 2
    scorer.score([window(SIDE, 5)])
    assert scorer._features.computed == computed + 3


@pytest.mark.usefixtures("short")
def test_explaining_can_be_left_off_in_the_middle(make: Callable[..., InternVL2Scorer]) -> None:
    scorer = make()
    before = scorer.score([window(SIDE)])
    steps = scorer.explain(various())
    for _ in range(3):
        next(steps)
    del steps
    assert scorer.score([window(SIDE)]) == before
    assert not torch.is_inference_mode_enabled()
