"""How long to wait before something is tried again: exponential with full jitter, without end, or as it is told."""

from __future__ import annotations

import email.utils
import random
import time

FIRST_S = 1.0
LONGEST_S = 30.0  # a camera that is back is found within this and one attempt, however long it was away
STEADY_S = 10.0  # a connection that lasted this long was a good one: the next wait starts from the beginning


class Backoff:
    """The wait is drawn evenly between `FIRST_S` and a ceiling that doubles with every failure up to `LONGEST_S`.

    The jitter keeps cameras that went down together from coming back together.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0

    def next_s(self, *, lasted_s: float = 0.0) -> float:
        """The wait after an attempt whose stream lasted `lasted_s`."""
        self._failures = 1 if lasted_s >= STEADY_S else self._failures + 1
        ceiling_s = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures, 10))
        return self._rng.uniform(FIRST_S, ceiling_s)


def told_wait_s(retry_after: str, longest_s: float) -> float | None:
    """What HTTP's `Retry-After` asks for, in seconds or as a date, `longest_s` at most; None when it says nothing."""
    try:
        if retry_after.isdecimal():
            wait_s = float(retry_after)
        else:
            wait_s = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wait_s), longest_s)
