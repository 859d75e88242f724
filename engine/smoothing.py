"""Turns a camera's scores into smoothed ones as they come. Knows times and values only, and never the future.

Each smoother is a weighted mean of the values so far, divided by the weights that are really there, so the
start is not pulled towards zero. Weights follow time, not position: windows that were dropped leave a hole
in time, and a value from before the hole counts for less. Between resets time does not run back.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from typing import Protocol, Self

from engine.errors import UsageError

MAX_POINTS = 1024
"""Values that a kernel keeps at most, however close together they come."""


class Smoother(Protocol):
    """One camera's causal smoothing."""

    def push(self, time_s: float, value: float | None) -> float | None:
        """The smoothed value at `time_s`. Unknown (None) holds the last one, and is None before the first."""
        ...

    def reset(self) -> None:
        """Forget every value."""
        ...

    def copy(self) -> Self:
        """One in the same state, to go back to."""
        ...


class NoSmoothing:
    """Each value as it is."""

    def __init__(self) -> None:
        self._last: float | None = None

    def push(self, time_s: float, value: float | None) -> float | None:  # noqa: ARG002 - the seam's
        if value is not None:
            self._last = value
        return self._last

    def reset(self) -> None:
        self._last = None

    def copy(self) -> Self:
        return copy.copy(self)


class Ewma:
    """Exponentially weighted mean: a value that is `age` seconds old weighs exp(-age / time_constant_s).

    At a fixed stride this is the usual `s += alpha * (value - s)` with alpha = 1 - exp(-stride / time_constant),
    corrected for its start; so time_constant = -stride / ln(1 - alpha): alpha 0.3 each second is 2.8 s.
    """

    def __init__(self, time_constant_s: float) -> None:
        self._time_constant_s = _positive("time constant", time_constant_s)
        self._mean: float | None = None
        self._weight = 0.0
        self._time_s = 0.0

    def push(self, time_s: float, value: float | None) -> float | None:
        if value is None:
            return self._mean
        if self._mean is None:
            self._mean, self._weight = value, 1.0
        else:
            self._weight = self._weight * math.exp(-(time_s - self._time_s) / self._time_constant_s) + 1
            self._mean += (value - self._mean) / self._weight  # this form keeps a constant exactly
        self._time_s = time_s
        return self._mean

    def reset(self) -> None:
        self._mean = None

    def copy(self) -> Self:
        return copy.copy(self)


class OneSidedGaussian:
    """The past half of a Gaussian: a value `age` seconds old weighs exp(-(age / sigma_s)^2 / 2), up to `length_s`."""

    def __init__(self, sigma_s: float, length_s: float) -> None:
        self._sigma_s = _positive("sigma", sigma_s)
        self._length_s = _positive("length", length_s)
        self._points: deque[tuple[float, float]] = deque(maxlen=MAX_POINTS)  # (time_s, value), oldest first
        self._last: float | None = None

    def push(self, time_s: float, value: float | None) -> float | None:
        if value is None:
            return self._last
        self._points.append((time_s, value))
        while time_s - self._points[0][0] >= self._length_s:
            self._points.popleft()
        weights = [math.exp(-(((time_s - then_s) / self._sigma_s) ** 2) / 2) for then_s, _ in self._points]
        # The mean is taken of distances from the newest value, which keeps a constant exactly.
        lean = sum(weight * (old - value) for weight, (_, old) in zip(weights, self._points, strict=True))
        self._last = value + lean / sum(weights)
        return self._last

    def reset(self) -> None:
        self._points.clear()
        self._last = None

    def copy(self) -> Self:
        same = copy.copy(self)
        same._points = self._points.copy()
        return same


def _positive(what: str, seconds: float) -> float:
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"smoothing: {what} is {seconds:g} s", advice="it must be above 0; for none, use NoSmoothing")
    return seconds
