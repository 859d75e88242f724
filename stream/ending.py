"""The few seconds that the end may take, and what each part has of them. Knows no part.

They count from the signal. Each part has a moment by which it is over, so whatever hangs takes no time from those
after it, and what one leaves over the next ones have. What is not over by then is left behind.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

# By when, in seconds from the signal:
CAPTURED_S = 3.0  # cameras have stopped, and the scorer has finished what it was at
CLIPS_S = 4.5  # clips are finished
TOLD_S = 5.5  # the ends of events are told
SERVED_S = 7.5  # bridges, catch-up, health and console are closed
STORED_S = 8.5  # the outbox has written what it had in memory
SENT_S = 9.5  # subscribers have fetched what they will
STOP_S = 10.0  # the process is over


class Ending:
    """Begun once, from any thread; until then there is no hurry."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began_s: float | None = None

    def begin(self) -> None:
        """The seconds count from here, if they don't yet."""
        if self._began_s is None:
            self._began_s = self._monotonic()

    def left_s(self, by_s: float) -> float:
        """How long something may take that is to be over by then."""
        return math.inf if self._began_s is None else max(0.0, self._began_s + by_s - self._monotonic())

    async def close(self, by_s: float, parts: Mapping[str, Callable[[], object]]) -> None:
        """Close these parts at the same time, each from a thread of its own."""
        self.begin()
        # Daemons: what hangs must not hold up the end of the process.
        threads = {
            name: threading.Thread(target=_close, args=(name, close), name=f"vigil-end-of-{name}", daemon=True)
            for name, close in parts.items()
        }
        for thread in threads.values():
            thread.start()
        for name, thread in threads.items():
            await asyncio.to_thread(thread.join, self.left_s(by_s))
            if thread.is_alive():
                log.error("%s does not end: it is left behind", name)


def force_end(after_s: float = STOP_S) -> None:
    """End the process with exit code 1 in that time, if it is not over by then, and tell where each thread hangs.

    The start itself may hang; so may threads of libraries, which Python waits for at its end, and that end.
    """
    faulthandler.dump_traceback_later(after_s, exit=True)


def _close(name: str, close: Callable[[], object]) -> None:
    try:
        close()
    except Exception:  # the others end all the same
        log.exception("%s did not end as it should", name)
