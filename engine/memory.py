"""What a camera's earlier windows were like, as unit vectors: bounded, causal. Knows no text, frame or threshold.

Both parts keep a fixed number of values however long the camera runs, and `reset` empties them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError

Floats = NDArray[np.floating]


class Habit:
    """The mean of earlier vectors, older ones counting less: what this scene is usually like.

    One vector stands for the whole past, because the mean distance to unit vectors is the distance to their mean.
    It is the causal, running form of an anchor of normality (NOVA, arXiv 2609.06360, takes it from the scene's
    first samples): scenes change with the hour, so the anchor moves along. `windows` is after how many the weight
    of a vector has fallen to about a third; 1 remembers only the window before.
    """

    def __init__(self, windows: float) -> None:
        if not windows >= 1:
            raise UsageError(f"a habit over {windows:g} windows", advice="it must be 1 or more")
        self._keep = 1 - 1 / windows
        self._mean: Floats | None = None
        self._weight = 0.0

    def surprise(self, vector: Floats) -> float:
        """The mean of 1 - cosine to what came before, in [0, 2]; 0 while nothing did."""
        return 0.0 if self._mean is None else 1 - float(vector @ self._mean)

    def add(self, vector: Floats) -> None:
        if self._mean is None:
            self._mean, self._weight = np.array(vector), 1.0
        else:
            self._weight = self._weight * self._keep + 1
            self._mean += (vector - self._mean) / self._weight

    def reset(self) -> None:
        self._mean = None


class Refinement:
    """A window's score as the mean of its own and earlier ones, by how alike their vectors are.

    The causal form of CoReVAD's refinement (arXiv 2605.23116): its softmax over all segments j of the video,
    y_i = sum_j softmax_j(v_i . v_j / temperature) * score_j, here over the last `size` windows and window i itself.
    One answer in many that differs from what was said of the same picture before is thus outvoted.
    """

    def __init__(self, size: int, temperature: float) -> None:
        if size < 1 or not temperature > 0:
            raise UsageError(f"a memory of {size} windows at temperature {temperature:g}", advice="both above 0")
        self._size = size
        self._temperature = temperature
        self._vectors: Floats | None = None  # [size, D], a ring
        self._scores = np.zeros(size)
        self._count = 0  # pushed so far

    def push(self, vector: Floats, score: float) -> float:
        """The refined score of the newest window, within the range of the scores remembered."""
        if self._vectors is None:
            self._vectors = np.zeros((self._size, len(vector)), vector.dtype)
        place = self._count % self._size
        self._vectors[place], self._scores[place] = vector, score
        self._count += 1
        kept = min(self._count, self._size)
        weights = np.exp((self._vectors[:kept] @ vector - 1) / self._temperature)
        return float(weights @ self._scores[:kept] / weights.sum())

    def reset(self) -> None:
        self._count = 0
