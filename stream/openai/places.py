"""How many requests may be under way at once, and who goes first. Knows no request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

_PATIENT_SHARE = 4  # one in so many places, at most, is for what is slow


class Places:
    """`count` places, each line served in order. What can wait has one only where nobody else waits for it.

    Used on one event loop only.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._patient: deque[asyncio.Future[None]] = deque()
        self._for_patient = asyncio.Semaphore(max(1, count // _PATIENT_SHARE))

    def place(self) -> AbstractAsyncContextManager[None]:
        return self._in(self._urgent)

    def spare_place(self) -> AbstractAsyncContextManager[None]:
        """For what can wait and is rare."""
        return self._in(self._patient)

    @asynccontextmanager
    async def patient_place(self) -> AsyncIterator[None]:
        """For what can wait and is slow: it has only a part of all places."""
        async with self._for_patient, self._in(self._patient):
            yield

    @asynccontextmanager
    async def _in(self, line: deque[asyncio.Future[None]]) -> AsyncIterator[None]:
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        self._serve()
        try:
            await turn
            yield
        finally:
            if not turn.cancelled():  # else who waited was cancelled, and had no place
                self._free += 1
                self._serve()

    def _serve(self) -> None:
        while self._free and (line := self._urgent or self._patient):
            turn = line.popleft()
            if not turn.cancelled():
                turn.set_result(None)
                self._free -= 1
