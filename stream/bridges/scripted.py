"""A sink that is told how to fare: for tests of bridges. Reaches nobody."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from stream.bridges.sink import DeliveryFault, Letter
from stream.feed.catch_up import History


class ScriptedSink:
    """Raises these faults in turn, None for none, one for each session's start (`opening`) and each letter.

    Afterwards all goes well. `delivered` has the letters, oldest first.
    """

    def __init__(
        self, faults: Iterable[Exception | None] = (), *, opening: Iterable[DeliveryFault | None] = ()
    ) -> None:
        self._faults = iter(faults)
        self._opening = iter(opening)
        self._changed = threading.Condition()
        self.delivered: list[Letter] = []
        self.attempts = self.sessions = 0

    @asynccontextmanager
    async def session(self, _history: History) -> AsyncIterator[ScriptedSink]:
        self.sessions += 1
        if fault := next(self._opening, None):
            raise fault
        yield self

    async def deliver(self, letter: Letter) -> None:
        self.attempts += 1
        if fault := next(self._faults, None):
            raise fault
        with self._changed:
            self.delivered.append(letter)
            self._changed.notify_all()

    async def idle(self) -> None:
        pass

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """From another thread: whether `count` letters came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.delivered) >= count, timeout_s)
