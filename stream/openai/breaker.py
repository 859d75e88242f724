"""Leaves a server alone that fails time and again, and lets a single request find out whether it is back. Pure."""

from __future__ import annotations

import random

from stream.backoff import Backoff

FAILURES = 5  # in a row


class Breaker:
    """Closed at first. Who asks a server says `begin`, and then how it went; times are of one monotonic clock."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._backoff = Backoff(rng)
        self._failures = 0
        self._rests_until_s: float | None = None
        self._trying = False

    def lets_through(self, now_s: float) -> bool:
        return self._rests_until_s is None or (now_s >= self._rests_until_s and not self._trying)

    @property
    def rests(self) -> bool:
        """Whether it has opened, and no request has succeeded since."""
        return self._rests_until_s is not None

    def begin(self) -> bool:
        """A request is made; whether it is the one that tries if the server is back. Tell the end of it that."""
        trial = self.rests
        self._trying = self._trying or trial
        return trial

    def succeeded(self) -> bool:
        """Whether the server was left alone until now."""
        rested = self.rests
        self._failures, self._rests_until_s, self._trying = 0, None, False
        self._backoff = Backoff(self._rng)
        return rested

    def failed(self, now_s: float, *, trial: bool) -> float:
        """For how long the server is left alone from now on, when this failure is the one too many; else 0."""
        self._failures += 1
        if trial:
            self._trying = False
        elif self.rests or self._failures < FAILURES:
            return 0.0
        rest_s = self._backoff.next_s()
        self._rests_until_s = now_s + rest_s
        return rest_s

    def gave_up(self, *, trial: bool) -> None:
        """Nobody waited for the answer, or not long enough: that says nothing of the server."""
        if trial:
            self._trying = False
