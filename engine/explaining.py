"""Requests for explanations, on their way to the scorer's thread and back. Knows no window's score and no event.

Explaining takes seconds, and scoring must not wait for it: it is done in the short steps of `LanguageScorer.explain`,
one after each batch of windows. So a busy scorer explains slowly, but it does explain.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError

from engine.errors import DeviceLostError, VigilError
from engine.scorer import Explanation, LanguageScorer, Request

log = logging.getLogger(__name__)

MOST_WAITING = 64
MOST_AT_ONCE = 8


class Explaining:
    """Anybody asks; the scorer's thread calls `step`. Every future gets an explanation, if only why there is none."""

    def __init__(self, scorer: LanguageScorer, wake: Callable[[], None]) -> None:
        self._scorer = scorer
        self._wake = wake  # called when there is something to do
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Request, Future[Explanation]]] = deque()
        self._asked: list[Future[Explanation]] = []  # what `_work` is about
        self._work: Iterator[Mapping[int, Explanation]] | None = None
        self._closed = ""  # why, once it is

    def ask(self, request: Request) -> Future[Explanation]:
        """Never waits. When too many wait already, the one that waits longest is given up for this one."""
        future: Future[Explanation] = Future()
        future.set_running_or_notify_cancel()  # who asked may stop waiting; the work goes on
        given_up: Future[Explanation] | None = None
        with self._lock:
            if not self._closed:
                if len(self._waiting) == MOST_WAITING:
                    given_up = self._waiting.popleft()[1]
                self._waiting.append((request, future))
        if self._closed:
            _settle(future, Explanation(None, reason=self._closed))
        if given_up is not None:
            _settle(given_up, Explanation(None, reason="too many explanations were asked for at once"))
        self._wake()
        return future

    @property
    def busy(self) -> bool:
        with self._lock:
            return bool(self._waiting) or self._work is not None

    def step(self) -> None:
        """Do a little of it, if there is any. Raises DeviceLostError only."""
        if self._work is None and not self._begin():
            return
        try:
            done = next(self._work, None) if self._work else None
        except DeviceLostError:
            raise
        except Exception as error:  # whatever a scorer raises becomes a reason here
            reason = error.message if isinstance(error, VigilError) else f"{type(error).__name__}: {error}"
            log.error("explaining failed: %s", reason, exc_info=log.isEnabledFor(logging.DEBUG))
            self._finish(f"the scorer failed: {reason}")
            return
        if done is None:
            self._finish("the scorer had nothing to say")
            return
        for place, explanation in done.items():
            _settle(self._asked[place], explanation)

    def give_up(self, reason: str) -> None:
        """What is waited for will not come. From any thread."""
        with self._lock:
            waiting = [future for _, future in self._waiting]
            self._waiting.clear()
        for future in [*waiting, *self._asked]:
            _settle(future, Explanation(None, reason=reason))

    def close(self, reason: str) -> None:
        """Take nothing more, and give up what there is."""
        with self._lock:
            self._closed = reason
        self.give_up(reason)

    def _begin(self) -> bool:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
        if not batch:
            return False
        self._asked = [future for _, future in batch]
        self._work = iter(self._scorer.explain([request for request, _ in batch]))
        return True

    def _finish(self, reason: str) -> None:
        """The work is over: those that got nothing will not."""
        for future in self._asked:
            _settle(future, Explanation(None, reason=reason))
        self._work, self._asked = None, []


def _settle(future: Future[Explanation], explanation: Explanation) -> None:
    """The first answer counts."""
    with contextlib.suppress(InvalidStateError):
        future.set_result(explanation)
