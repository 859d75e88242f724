from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytest

from engine.batcher import MicroBatcher
from engine.replies import LONGEST_SENTENCE
from engine.scorer import Explanation, Request, Scorer
from engine.scripted import ScriptedLanguageScorer
from engine.types import Box, Definition, Judgement, ModelInfo, Window
from engine.worker import Judged, ScoringWorker, judge
from tests.unit.engine.frames import window


class FunctionScorer:
    """Answers with whatever the function returns."""

    info = ModelInfo("function", "function")
    frame_size = (2, 2)
    max_batch = 4

    def __init__(self, function: Callable[[Sequence[Window]], Any]) -> None:
        self._function = function

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        answer: Sequence[Judgement] = self._function(windows)
        return answer

    def forget(self, camera: str) -> None: ...

    def close(self) -> None: ...


def fail(_windows: Sequence[Window]) -> Sequence[Judgement]:
    raise ValueError("no tensors today")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (fail, "ValueError: no tensors today"),
        (lambda windows: [], "0 of 2"),
        (lambda windows: [Judgement(0.5)] * 3, "3 of 2"),
        (lambda windows: ["normal"] * 2, "str"),
        (lambda windows: [Judgement(float("nan"))] * 2, "nan"),
        (lambda windows: [Judgement(1.5)] * 2, "1.5"),
        (lambda windows: [Judgement(cast(Any, "0.5"))] * 2, "'0.5'"),
        (lambda windows: [Judgement(0.5, worst=1)] * 2, "frame 1 of 1"),
        (lambda windows: [Judgement(0.5, worst=-2)] * 2, "frame -2 of 1"),
        (lambda windows: [Judgement(0.5, text=cast(Any, 7))] * 2, "AttributeError"),
        (lambda windows: None, "TypeError"),
    ],
)
def test_whatever_a_scorer_does_wrong_makes_its_windows_unknown_with_a_reason(
    answer: Callable[[Sequence[Window]], Any], says: str
) -> None:
    judgements = judge(FunctionScorer(answer), [window(0), window(1)])
    assert [j.score for j in judgements] == [None, None]
    assert all(says in j.reason for j in judgements)


def test_one_bad_answer_does_not_spoil_the_others() -> None:
    scorer = FunctionScorer(lambda windows: [Judgement(0.2), Judgement(-1.0)])
    assert [j.score for j in judge(scorer, [window(0), window(1)])] == [0.2, None]


def test_numpy_scores_and_broken_characters_become_what_can_be_told() -> None:
    scorer = FunctionScorer(lambda windows: [Judgement(np.float64(0.25), text="half \ud83d"), Judgement(None)])
    said, unknown = judge(scorer, [window(0), window(1)])
    assert (type(said.score), said.score, said.text) == (float, 0.25, "half ?")
    assert unknown == Judgement(None)


def test_what_a_scorer_says_is_one_printable_line_wherever_it_stands() -> None:
    nasty = "a\x9b31m man\nruns \u202eaway"
    further = {"theft": Judgement(0.1, text=nasty)}
    answer = Judgement(0.5, text=nasty, boxes=(Box(0, 0, 1, 1, nasty),), reason=nasty, further=further)
    (said,) = judge(FunctionScorer(lambda _windows: [answer]), [window(0)])
    texts = [said.text, said.reason, said.boxes[0].label, said.further["theft"].text]
    assert texts == ["a 31m man runs away"] * 4
    (failed,) = judge(FunctionScorer(lambda _windows: [][nasty]), [window(0)])  # type: ignore[call-overload]
    assert failed.reason.isprintable()
    (long,) = judge(FunctionScorer(lambda _windows: [Judgement(0.5, text="word " * 1000)]), [window(0)])
    assert long.text is not None
    assert len(long.text) <= LONGEST_SENTENCE


class Harness:
    """A worker with its batcher, a clock to move, and what was delivered."""

    def __init__(self, scorer: Scorer) -> None:
        self.now_s = 0.0
        self.batcher = MicroBatcher(max_batch=4, staleness_s=60, monotonic=lambda: self.now_s)
        self.delivered: Judged = []
        self.arrived = threading.Semaphore(0)
        self.worker = ScoringWorker(scorer, self.batcher, self._deliver, timeout_s=30, monotonic=lambda: self.now_s)
        self.worker.start()

    def _deliver(self, judged: Judged, _took_s: float) -> None:
        for pair in judged:
            self.delivered.append(pair)
            pair[0].release()
            self.arrived.release()

    def stop(self) -> None:
        self.batcher.close()
        assert self.worker.join(5)


def test_windows_are_judged_and_settled() -> None:
    harness = Harness(FunctionScorer(lambda windows: [Judgement(0.25) for _ in windows]))
    harness.batcher.offer(window(0))
    assert harness.arrived.acquire(timeout=5)
    harness.stop()
    assert [(w.index, j.score) for w, j in harness.delivered] == [(0, 0.25)]
    assert harness.batcher.counts()["front"].scored == 1


def test_windows_that_come_while_an_explanation_is_made_are_judged_before_its_next_step() -> None:
    order: list[str] = []

    def judged(window: Window) -> float:
        order.append(f"window {window.index}")
        return 0.5

    class InSteps(ScriptedLanguageScorer):
        def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
            for number in range(3):
                order.append(f"step {number}")
                harness.batcher.offer(window(number))
                yield {}
            yield {0: Explanation("A man climbs.")}

    harness = Harness(InSteps(judged, lambda _request: Explanation(None)))
    assert harness.worker.explain is not None
    said = harness.worker.explain(Request(window(9), Definition(), 0.9))
    assert said.result(5).text == "A man climbs."
    harness.stop()
    assert order == ["step 0", "window 0", "step 1", "window 1", "step 2", "window 2"]


def test_a_hung_call_is_given_up_and_scoring_resumes_when_it_returns() -> None:
    entered, let_go = threading.Event(), threading.Event()
    released: list[int] = []

    def hang_once(windows: Sequence[Window]) -> list[Judgement]:
        if windows[0].index == 0:
            entered.set()
            assert let_go.wait(5)
        return [Judgement(0.9) for _ in windows]

    harness = Harness(FunctionScorer(hang_once))
    harness.batcher.offer(window(0, release=lambda: released.append(0)))
    assert entered.wait(5)
    for second in range(31):
        harness.now_s = float(second)
        assert harness.worker.give_up_hung() == []
    harness.now_s = 31.0
    (given_up,) = harness.worker.give_up_hung()
    assert given_up[1].score is None
    assert "30 s" in given_up[1].reason
    assert harness.worker.give_up_hung() == []  # once
    assert harness.worker.hung_for_s == 31.0
    given_up[0].release()
    assert released == []  # the hung call may still read its pixels
    harness.batcher.offer(window(1))
    let_go.set()
    assert harness.arrived.acquire(timeout=5)
    assert [(w.index, j.score) for w, j in harness.delivered] == [(1, 0.9)]  # the late answer is thrown away
    assert released == [0]
    assert harness.worker.hung_for_s == 0.0
    harness.stop()
    counts = harness.batcher.counts()["front"]
    assert (counts.captured, counts.scored, counts.unknown) == (2, 2, 1)


def test_a_process_that_was_stopped_for_a_while_does_not_blame_its_scorer() -> None:
    entered, let_go = threading.Event(), threading.Event()

    def hang(windows: Sequence[Window]) -> list[Judgement]:
        entered.set()
        assert let_go.wait(5)
        return [Judgement(0.9) for _ in windows]

    harness = Harness(FunctionScorer(hang))
    harness.batcher.offer(window(0))
    assert entered.wait(5)
    harness.now_s = 100.0  # Ctrl-Z, and the shell's fg
    assert harness.worker.give_up_hung() == []
    for second in range(31):
        harness.now_s = 100.0 + second
        assert harness.worker.give_up_hung() == []
    harness.now_s = 131.0
    assert len(harness.worker.give_up_hung()) == 1
    let_go.set()
    harness.stop()


def test_a_camera_that_the_scorer_could_not_be_told_of_is_unknown_until_it_can() -> None:
    def refuse(_scorer: object) -> None:
        raise ValueError("no such prompt")

    harness = Harness(FunctionScorer(lambda windows: [Judgement(0.5) for _ in windows]))
    harness.worker.tell(refuse, "front")
    harness.batcher.offer(window(0))
    harness.batcher.offer(window(0, camera="back"))
    for _ in range(2):
        assert harness.arrived.acquire(timeout=5)
    harness.worker.tell(lambda _scorer: None, "front")
    harness.batcher.offer(window(1))
    assert harness.arrived.acquire(timeout=5)
    harness.stop()
    scores = {(w.camera, w.index): j.score for w, j in harness.delivered}
    assert scores == {("front", 0): None, ("back", 0): 0.5, ("front", 1): 0.5}
    (reason,) = [j.reason for _, j in harness.delivered if j.reason]
    assert reason == "the scorer could not be told of this camera: ValueError: no such prompt"


def test_what_the_scorer_is_told_counts_as_hung_when_it_does_not_come_back() -> None:
    entered, let_go = threading.Event(), threading.Event()

    def hang(_scorer: object) -> None:
        entered.set()
        assert let_go.wait(5)

    harness = Harness(FunctionScorer(lambda windows: [Judgement(0.5) for _ in windows]))
    harness.worker.tell(hang)
    assert entered.wait(5)
    for second in range(32):
        harness.now_s = float(second)
        assert harness.worker.give_up_hung() == []
    assert harness.worker.hung_for_s == 31.0
    harness.batcher.offer(window(0))
    let_go.set()
    assert harness.arrived.acquire(timeout=5)
    assert harness.worker.hung_for_s == 0.0
    harness.stop()
