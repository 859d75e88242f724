"""Gathers windows of all cameras into batches for the one scorer: bounded, fair, and every window accounted for.

Per camera either the newest window waits (`KEEP_LATEST`, live: a newer one replaces it) or a few wait and
the camera is held back (`BLOCK`, replay: nothing is lost). Always: captured = scored + dropped + pending + in hand.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from engine.types import Window


class Overflow(StrEnum):
    """What happens to a window when its camera already has one waiting."""

    KEEP_LATEST = "keep_latest"
    BLOCK = "block"


class Drop(StrEnum):
    """Why a window was never scored."""

    SUPERSEDED = "superseded"  # a newer window of its camera came first
    STALE = "stale"  # when its turn came it was older than its camera's windows are apart, and than the budget
    REMOVED = "removed"  # its camera was removed
    SHUTDOWN = "shutdown"


@dataclass(slots=True)
class Counts:
    """One camera's windows so far."""

    captured: int = 0
    scored: int = 0  # judged, known or unknown
    unknown: int = 0  # of those, judged unknown
    dropped: Counter[str] = field(default_factory=Counter)


class MicroBatcher:
    """Thread-safe. Cameras offer, one worker takes and settles; `on_drop` hears of every drop.

    `on_drop` is called with the lock released, before the dropped window's pixels are.
    """

    def __init__(
        self,
        *,
        max_batch: int,
        staleness_s: float,
        monotonic: Callable[[], float],
        on_drop: Callable[[Window, Drop], None] = lambda _window, _reason: None,
        block_depth: int = 2,
    ) -> None:
        self._max_batch = max_batch
        self._staleness_s = staleness_s
        self._monotonic = monotonic
        self._on_drop = on_drop
        self._block_depth = block_depth
        self._waiting: dict[str, deque[tuple[Window, float]]] = {}  # with the time from which each is stale
        self._newest_s: dict[str, float] = {}  # when each camera's newest window ended
        self._order: deque[str] = deque()  # cameras, least recently served first
        self._counts: dict[str, Counts] = {}
        self._closed = False
        self._woken = False
        self._changed = threading.Condition()

    def offer(self, window: Window, overflow: Overflow = Overflow.KEEP_LATEST) -> bool:
        """Hand a window over; False when it was dropped at once because the batcher is closed."""
        drops: list[tuple[Window, Drop]] = []
        with self._changed:
            self._count(window.camera).captured += 1
            if overflow is Overflow.BLOCK:
                self._changed.wait_for(lambda: self._closed or len(self._queue(window.camera)) < self._block_depth)
            queue = self._queue(window.camera)
            if overflow is Overflow.KEEP_LATEST:
                while queue:
                    drops.append((queue.popleft()[0], Drop.SUPERSEDED))
            accepted = not self._closed
            if accepted:
                queue.append((window, self._stale_from_s(window) if overflow is Overflow.KEEP_LATEST else math.inf))
            else:
                drops.append((window, Drop.SHUTDOWN))
            self._record(drops)
            self._changed.notify_all()
        self._let_go(drops)
        return accepted

    def take(self, timeout_s: float | None = None) -> list[Window]:
        """The next batch, oldest-served camera first; empty after `timeout_s`, `wake`, or when closed and drained."""
        drops: list[tuple[Window, Drop]] = []
        batch: list[Window] = []
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._woken or any(self._waiting.values()), timeout_s)
            self._woken = False
            now = self._monotonic()
            while len(batch) < self._max_batch and any(self._waiting.values()):
                for camera in list(self._order):
                    queue = self._waiting.get(camera)
                    if not queue:
                        continue
                    window, stale_from_s = queue.popleft()
                    if now > stale_from_s:
                        drops.append((window, Drop.STALE))
                        continue
                    batch.append(window)
                    self._order.remove(camera)
                    self._order.append(camera)
                    if len(batch) == self._max_batch:
                        break
            self._record(drops)
            self._changed.notify_all()
        self._let_go(drops)
        return batch

    def wake(self) -> None:
        """Have `take` return, even without windows: who takes has something else to do."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def settle(self, window: Window, *, unknown: bool) -> None:
        """A taken window has been judged."""
        with self._changed:
            count = self._count(window.camera)
            count.scored += 1
            count.unknown += unknown

    def forget(self, camera: str) -> None:
        """Drop what waits for a camera that was removed; its counts stay until the process ends."""
        with self._changed:
            drops = [(window, Drop.REMOVED) for window, _ in self._waiting.pop(camera, ())]
            self._newest_s.pop(camera, None)
            if camera in self._order:
                self._order.remove(camera)
            self._record(drops)
            self._changed.notify_all()
        self._let_go(drops)

    def close(self, *, drain: bool = False) -> None:
        """Accept nothing more. What waits is dropped, or with `drain` still handed out by `take`."""
        drops: list[tuple[Window, Drop]] = []
        with self._changed:
            self._closed = True
            if not drain:
                for queue in self._waiting.values():
                    drops += [(window, Drop.SHUTDOWN) for window, _ in queue]
                    queue.clear()
            self._record(drops)
            self._changed.notify_all()
        self._let_go(drops)

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def waiting_s(self) -> float:
        """The age of the oldest window that waits; 0 when none does."""
        return max(self.ages_s().values(), default=0.0)

    def ages_s(self) -> dict[str, float]:
        """Of each camera of which windows wait: the age of the oldest one."""
        with self._changed:
            now_s = self._monotonic()
            return {
                camera: max(0.0, now_s - queue[0][0].end.arrival_s) for camera, queue in self._waiting.items() if queue
            }

    def pending(self, camera: str) -> int:
        with self._changed:
            return len(self._waiting.get(camera, ()))

    def counts(self) -> dict[str, Counts]:
        """A copy of every camera's counts."""
        with self._changed:
            return {
                camera: Counts(count.captured, count.scored, count.unknown, Counter(count.dropped))
                for camera, count in self._counts.items()
            }

    def _queue(self, camera: str) -> deque[tuple[Window, float]]:
        if camera not in self._waiting:
            self._waiting[camera] = deque()
            self._order.append(camera)
        return self._waiting[camera]

    def _stale_from_s(self, window: Window) -> float:
        """Not before its camera's next is due: else a camera whose windows are far apart may never be seen."""
        ended_s = window.end.arrival_s
        apart_s = ended_s - self._newest_s.get(window.camera, ended_s)
        self._newest_s[window.camera] = ended_s
        return ended_s + max(self._staleness_s, apart_s)

    def _count(self, camera: str) -> Counts:
        return self._counts.setdefault(camera, Counts())

    def _record(self, drops: list[tuple[Window, Drop]]) -> None:
        for window, reason in drops:
            self._count(window.camera).dropped[reason] += 1

    def _let_go(self, drops: list[tuple[Window, Drop]]) -> None:
        for window, reason in drops:
            self._on_drop(window, reason)
            window.release()
