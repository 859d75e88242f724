"""Identifiers that sort by the time they were made (the ULID layout). Knows no clock: time and chance come in."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: hard to misread
_RANDOM_BITS = 80
_LENGTH = 26


class Ids:
    """Makes identifiers of 26 characters: 48 bits of milliseconds since the Unix epoch, then 80 of chance.

    Each sorts after the one before it, also within a millisecond and when the clock was set back.
    Any thread may ask.
    """

    def __init__(self, now: Callable[[], float], random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._now = now
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> str:
        with self._lock:
            fresh = int(self._now() * 1000) << _RANDOM_BITS | int.from_bytes(self._random_bytes(_RANDOM_BITS // 8))
            same_or_older_ms = fresh >> _RANDOM_BITS <= self._last >> _RANDOM_BITS
            self._last = self._last + 1 if same_or_older_ms else fresh
            return _encode(self._last)


def _encode(value: int) -> str:
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
