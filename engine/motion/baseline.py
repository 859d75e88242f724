"""What is usual for one quantity: a histogram of its own past with forgetting. Knows nothing of video.

Most scenes stand still most of the time, so the median of any motion is 0 and its median deviation too: against
those two every walker would be infinitely unusual for ever. A high quantile is as robust (a twentieth of the past
may be wild without moving it) and also learns what happens now and then.
"""

from __future__ import annotations

import math

import numpy as np

QUANTILE = 0.95
BINS_PER_DOUBLING = 6
DOUBLINGS = 12


class Usual:
    """The level that a quantity keeps to for nineteen twentieths of the time, never below `floor`.

    O(1) memory: logarithmic bins from `floor` up, each holding seconds of experience that fade with `memory_s`.
    At first it is as if `prior_s` seconds of stillness had been seen, so that the first mover is not yet usual.
    """

    def __init__(self, floor: float, *, memory_s: float, prior_s: float) -> None:
        self.floor = floor
        self.level = floor
        self._memory_s = memory_s
        self._seconds = np.zeros(1 + BINS_PER_DOUBLING * DOUBLINGS)  # bin 0: at or below the floor
        self._seconds[0] = prior_s

    @property
    def at_floor(self) -> bool:
        """Whether the true level is unknown because it lies at the floor or below."""
        return self.level == self.floor

    def learn(self, value: float, span_s: float, *, trust: float = 1.0) -> None:
        """`value` held for `span_s` seconds; `trust` in [0, 1] says how far it may count as usual."""
        self._seconds *= math.exp(-span_s / self._memory_s)
        self._seconds[self._bin(value)] += span_s * trust
        total = np.cumsum(self._seconds)
        top = int(np.searchsorted(total, QUANTILE * total[-1]))
        self.level = self.floor * 2 ** (top / BINS_PER_DOUBLING)

    def _bin(self, value: float) -> int:
        if value <= self.floor:
            return 0
        return min(math.ceil(BINS_PER_DOUBLING * math.log2(value / self.floor)), len(self._seconds) - 1)
