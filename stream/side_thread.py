"""A thread for what may take its time, such as a disk, so that an event loop need not wait for it. Knows no job."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from engine.errors import RuntimeFault

ANSWER_WITHIN_S = 10.0
CLOSE_WITHIN_S = 2.0

_Result = TypeVar("_Result")


class SideThread:
    """Does jobs one after another, for coroutines of any loop. A daemon: a disk that hangs must not hold up the end."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, job: Callable[[], _Result], within_s: float = ANSWER_WITHIN_S) -> _Result:
        """What the job returns or raises. Raises RuntimeFault when that takes too long; it may still be done then."""
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.wrap_future(self.begin(job))
        except TimeoutError as error:
            raise RuntimeFault(f"no answer within {within_s:g} s", advice="check the disk") from error

    def begin(self, job: Callable[[], _Result]) -> Future[_Result]:
        future: Future[_Result] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(job())
            except Exception as error:  # noqa: BLE001 - it is for who asked
                future.set_exception(error)

        self._jobs.put(run)
        return future

    def close(self, within_s: float = CLOSE_WITHIN_S) -> None:
        """Finish what was asked for and end; wait for that so long at most."""
        self._jobs.put(None)
        self._thread.join(within_s)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
