"""Cameras that go on whether or not the scorer keeps up, through Vigil's own batcher and scoring thread.

A camera gives a window at fixed times, and a newer one takes the place of one that still waits. The time from a
window's end to its score is what a person waits; decoding comes on top of it (`live.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from benchmarks.vlm_ways import Film
from engine.batcher import MicroBatcher
from engine.internvl2.scorer import InternVL2Scorer
from engine.scorer import Explanation, Request
from engine.scoring import USUAL
from engine.worker import Judged, ScoringWorker

STALENESS_S = 2.0  # as `vigil watch` has it by default
REAL_TIME_S = 1.0  # a window is scored before its camera gives the next one
LONGEST_S = 120.0  # for what is under way when the last window has come
_GOLDEN = 0.618034  # spreads any number of cameras over the interval


@dataclass(slots=True)
class Seen:
    """What became of the windows, and of the explanations asked for meanwhile."""

    waited_s: list[float] = field(default_factory=list)  # from a window's end to its score
    explained_s: list[float] = field(default_factory=list)  # from asking to the sentence
    unknown: int = 0
    dropped: int = 0

    def percentile_s(self, share: float) -> float:
        return float(np.percentile(self.waited_s, share))

    @property
    def share_dropped(self) -> float:
        return self.dropped / (self.dropped + len(self.waited_s))

    @property
    def in_real_time(self) -> bool:
        return self.dropped == 0 and self.percentile_s(95) <= REAL_TIME_S


def watch(
    scorer: InternVL2Scorer, film: Film, cameras: int, interval_s: float, seconds: float, *, explaining: int = 0
) -> Seen:
    """So many cameras, each with a window every `interval_s`; all the while `explaining` events wait for a sentence.

    Raises RuntimeError when the scorer does not come back, or judges a window unknown.
    """
    found = Seen()

    def deliver(judged: Judged, _took_s: float) -> None:
        now_s = time.monotonic()
        for window, judgement in judged:
            found.waited_s.append(now_s - window.end.arrival_s)
            found.unknown += judgement.score is None

    batcher = MicroBatcher(max_batch=scorer.max_batch, staleness_s=STALENESS_S, monotonic=time.monotonic)
    worker = ScoringWorker(scorer, batcher, deliver, timeout_s=60.0, monotonic=time.monotonic)
    worker.start()
    assert worker.explain is not None
    events = [_Event(worker.explain, film, number, found.explained_s) for number in range(explaining)]
    start_s = time.monotonic()
    for due_s, number, index in _schedule(cameras, interval_s, seconds):
        for event in events:
            event.ask_again()
        time.sleep(max(0.0, start_s + due_s - time.monotonic()))
        batcher.offer(film.window(f"watched{number}", index, arrival_s=start_s + due_s))
    for event in events:
        event.wait()
    batcher.close(drain=True)
    if not worker.join(LONGEST_S) or found.unknown:
        raise RuntimeError(f"{found.unknown} of {len(found.waited_s)} windows are unknown, or the scorer hangs")
    found.dropped = sum(sum(counts.dropped.values()) for counts in batcher.counts().values())
    for number in range(cameras):
        scorer.forget(f"watched{number}")
    return found


def most_in_real_time(tried: dict[int, bool], holds: Callable[[int], bool], limit: int) -> int:
    """The most cameras that are watched in real time, to about a tenth, beyond what was `tried` already."""
    most = max((number for number, held in tried.items() if held), default=0)
    least_too_many = min((number for number, held in tried.items() if not held and number > most), default=limit + 1)
    while least_too_many - most > max(1, most // 10):
        number = min(2 * most or 1, (most + least_too_many) // 2)
        if holds(number):
            most = number
        else:
            least_too_many = number
    return most


class _Event:
    """Wants a sentence, and when it has got one, another."""

    def __init__(
        self, explain: Callable[[Request], Future[Explanation]], film: Film, number: int, took_s: list[float]
    ) -> None:
        self._explain = explain
        self._film = film
        self._camera = f"event{number}"
        self._took_s = took_s
        self._asked = 0
        self._waited_for: Future[Explanation] | None = None

    def ask_again(self) -> None:
        if self._waited_for is not None and not self._waited_for.done():
            return
        asked_s = time.monotonic()

        def note(future: Future[Explanation]) -> None:
            if future.result().text:
                self._took_s.append(time.monotonic() - asked_s)

        self._waited_for = self._explain(Request(self._film.window(self._camera, self._asked), USUAL, 0.8))
        self._waited_for.add_done_callback(note)
        self._asked += 1

    def wait(self) -> None:
        """For the sentence that was asked for last."""
        if self._waited_for is not None:
            self._waited_for.result(LONGEST_S)


def _schedule(cameras: int, interval_s: float, seconds: float) -> list[tuple[float, int, int]]:
    """When which camera's which window ends. No two cameras began at the same moment."""
    due = [
        ((number * _GOLDEN) % 1.0 * interval_s + index * interval_s, number, index)
        for number in range(cameras)
        for index in range(max(1, round(seconds / interval_s)))
    ]
    return sorted(due)
