"""What a camera's earlier windows were like, as vectors: bounded, causal. Knows no frame, time or threshold.

Each part keeps a fixed number of values however long the camera runs, and `reset` empties it. What is refined last is
remembered only when the next window comes: until then it may be amended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engine.cleaning import Cleaned
from engine.encoder import TextEncoder, vector_of
from engine.errors import UsageError
from engine.types import Judgement

Floats = NDArray[np.floating]

ROUNDING = 1e-6  # of a dot product: equal vectors may differ by it


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

    def refine(self, vector: Floats, score: float) -> float:
        """The refined score of the newest window, within the range of the scores remembered."""
        if self._vectors is None:
            self._vectors = np.zeros((self._size, len(vector)), vector.dtype)
        place = self._count % self._size
        self._vectors[place], self._scores[place] = vector, score
        kept = min(self._count + 1, self._size)
        weights = np.exp((self._vectors[:kept] @ vector - 1) / self._temperature)
        return float(weights @ self._scores[:kept] / weights.sum())

    def keep(self) -> None:
        """Remember what was refined last."""
        self._count += 1

    def reset(self) -> None:
        self._count = 0


class Compares(StrEnum):
    """What of the past a window's vector is compared with."""

    SENTENCES = "sentences"  # what was said: CoReVAD (arXiv 2605.23116)
    PICTURES = "pictures"  # what was seen: VERA (arXiv 2412.01095)


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """How scores are refined by earlier ones. The defaults are CoReVAD's, `VERA` is the other published way."""

    compares: Compares = Compares.SENTENCES
    size: int = 600  # windows, the newest included
    temperature: float = 0.05
    share: float = 1.0  # of the memory: only so many entries count, those that are most alike
    alike: float = 0.98  # entries whose cosine is this or more are near-identical
    cap: float = 1.0  # near-identical entries count as much as so many, however many they are

    def __post_init__(self) -> None:
        if self.size < 1 or not self.temperature > 0:
            raise UsageError(
                f"a memory of {self.size} windows at temperature {self.temperature:g}", advice="both must be above 0"
            )
        if not (0 < self.share <= 1 and 0 < self.alike <= 1 and self.cap >= 1):
            raise UsageError(
                f"a memory with share {self.share:g}, alike {self.alike:g} and cap {self.cap:g}",
                advice="share and alike must be above 0, up to 1, and cap 1 or more",
            )


VERA = MemorySettings(Compares.PICTURES, temperature=0.1, share=0.15)


class Memory:
    """A `Cleaner`: the same judgement with its score refined by those of the windows that are remembered.

    With v the window's vector, k_j the vector of window j's sentence (by pictures: both the windows' vectors, made
    unit) and s_j its score, the refined score is the mean of s_j with the weights

        w_j = exp(v . k_j / temperature) * min(1, cap / n_j)

    over the share of the memory with the greatest v . k_j, the window itself always included, where n_j counts those
    of them, j included, that are near-identical to j. So a group of entries that are all near-identical weighs as much
    as `cap` of them: a scene that has stood still for an hour has one vote, not a thousand.

    An unknown judgement, or one without a vector, or (by sentences) without a text that has one, is neither refined nor
    remembered.
    Takes 4 * size * (D + size) bytes and little more: 2.7 MB for 600 windows and 512 dimensions.
    """

    def __init__(self, encoder: TextEncoder, settings: MemorySettings) -> None:
        self._encoder = encoder  # of sentences; asked for nothing else
        self._settings = settings
        self._keys: NDArray[np.float32] | None = None  # [size, D], a ring
        self._alike = np.zeros((settings.size, settings.size), np.float32)  # 1 where two keys are, else 0
        self._scores = np.zeros(settings.size)
        self._count = 0  # remembered so far
        self._pending = False  # whether the next place in the ring holds the newest window

    def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
        before = None if amended is None else self._refined(amended)
        self._count += self._pending
        return Cleaned(self._refined(judgement), before)

    def skip(self) -> None:
        return None  # the scene is the same

    def reset(self) -> None:
        self._count, self._pending = 0, False

    def _refined(self, judgement: Judgement) -> Judgement:
        self._pending = False
        if judgement.score is None or (compared := self._compared(judgement)) is None:
            return judgement
        vector, key = compared
        if self._keys is None:
            self._keys = np.zeros((self._settings.size, len(key)), np.float32)
        place = self._count % self._settings.size
        kept = min(self._count + 1, self._settings.size)
        self._keys[place], self._scores[place], self._pending = key, judgement.score, True
        keys, alike, scores = self._keys[:kept], self._alike[:kept, :kept], self._scores[:kept]
        with np.errstate(invalid="ignore"):  # some BLAS raise it on numbers that they read and do not use
            fits, near = keys @ vector, keys @ key
        alike[place] = alike[:, place] = near >= self._settings.alike
        alike[place, place] = 1  # whatever rounding says
        weights = self._weights(fits, alike, place)
        return replace(judgement, score=min(1.0, max(0.0, float(weights @ scores / weights.sum()))))

    def _compared(self, judgement: Judgement) -> tuple[Floats, Floats] | None:
        """v and k of this window, if it has them."""
        vector = judgement.vector
        if vector is None:
            return None
        if self._settings.compares is Compares.SENTENCES:
            said = vector_of(self._encoder, judgement.text) if judgement.text else None
            return None if said is None else (vector, said)
        unit = vector / np.linalg.norm(vector)
        return unit, unit

    def _weights(self, fits: Floats, alike: Floats, newest: int) -> Floats:
        settings, fits = self._settings, fits.astype(np.float64)
        most = max(1, int(settings.share * len(fits)))
        chosen = fits > np.partition(fits, -most)[-most] - ROUNDING  # with all that are as alike as the last of them
        chosen[newest] = True
        crowd = alike @ chosen.astype(np.float32)
        weights: Floats = chosen * np.exp((fits - fits.max()) / settings.temperature)
        weights *= np.minimum(1, settings.cap / np.maximum(crowd, 1))
        return weights
