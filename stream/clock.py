"""The two clocks of a running system, injected everywhere so that tests move time without waiting."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that never jump, from an arbitrary start."""
        ...

    def time(self) -> float:
        """UTC seconds since the Unix epoch; may jump when the machine's clock is set."""
        ...

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until `stop` is set or `seconds` have passed; True when `stop` is set."""
        ...


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.wait(max(0.0, seconds))


class ManualClock:
    """Shows the time it is told; a wait passes at once and moves it."""

    def __init__(self, time_s: float = 1_700_000_000.0, monotonic_s: float = 1000.0) -> None:
        self._time_s = time_s
        self._monotonic_s = monotonic_s

    def monotonic(self) -> float:
        return self._monotonic_s

    def time(self) -> float:
        return self._time_s

    def advance(self, seconds: float) -> None:
        self._time_s += seconds
        self._monotonic_s += seconds

    def set_back(self, seconds: float) -> None:
        """As when somebody sets the machine's clock."""
        self._time_s -= seconds

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.advance(max(0.0, seconds))
        return stop.is_set()
