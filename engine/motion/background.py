"""The empty picture of a fixed camera, learnt from grey images. Knows nothing of flow or scores.

Each pixel has a mean and a mean absolute deviation, both with forgetting, so a swaying branch earns itself a
wide tolerance. One brightness offset for the whole picture is taken out first: exposure and clouds move no pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.regions import Raster

Grey = NDArray[np.uint8]  # [H, W]
Levels = NDArray[np.float32]  # [H, W], grey levels

LEAST_STEP = 10.0  # grey levels: a smaller difference is never taken for an object (compression, banding)
TOLERANCE = 4.0  # mean absolute deviations, about 3.2 standard deviations of Gaussian noise
FIRST_DEVIATION = 4.0  # grey levels assumed of a pixel seen once
WIDEST_STEP = 20.0  # grey levels by which one frame may speak for a wider deviation
OBJECT_SLOWNESS = 10.0  # a pixel off the background teaches it this many times less


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a frame is not the empty picture; both [H, W] bool. `settled` became background with this frame."""

    foreground: Raster
    settled: Raster


class Background:
    """An adaptive background model in O(1) memory. `visible` says which pixels count."""

    def __init__(self, visible: Raster, *, background_s: float, settle_s: float) -> None:
        self._visible = visible
        self._background_s = background_s
        self._settle_s = settle_s
        self._mean = np.zeros(visible.shape, np.float32)
        self._deviation = np.zeros(visible.shape, np.float32)
        self._last = np.zeros(visible.shape, np.float32)
        self._still_s = np.zeros(visible.shape, np.float32)
        self._age_s = -1.0

    def reset(self, grey: Grey) -> None:
        """Start again from this one frame."""
        self._mean[:] = grey
        self._last = grey.astype(np.float32)
        self._deviation[:] = FIRST_DEVIATION
        self._still_s[:] = 0
        self._age_s = 0.0

    def learn(self, grey: Grey, dt_s: float, *, trusting: bool) -> Difference:
        """Compare with the empty picture, then let it follow; `dt_s` is the time since the last frame.

        When `trusting`, every pixel teaches alike: the way to begin, when nothing is known of what is an object.
        """
        if self._age_s < 0:
            self.reset(grey)
        self._age_s += dt_s
        levels = grey.astype(np.float32)
        error = levels - self._mean
        error -= np.median(error[self._visible])
        distance = np.abs(error)
        tolerance = self._tolerance()
        seen = ((distance > tolerance) & self._visible).astype(np.uint8)
        foreground = cv2.medianBlur(seen, 3).astype(np.bool_) & self._visible

        # While young, the plain mean of what was seen; later exponential forgetting.
        rate = max(1 - math.exp(-dt_s / self._background_s), dt_s / self._age_s if self._age_s > 0 else 0.0)
        rates = np.where(foreground & (not trusting), rate / OBJECT_SLOWNESS, rate).astype(np.float32)
        self._mean += rates * (levels - self._mean)
        self._deviation += rates * np.clip(distance - self._deviation, None, WIDEST_STEP)

        unmoved = np.abs(levels - self._last) < tolerance
        self._still_s[:] = np.where(foreground & unmoved, self._still_s + dt_s, 0)
        self._last = levels
        settled = self._still_s >= self._settle_s
        self._mean[settled] = levels[settled]
        self._deviation[settled] = FIRST_DEVIATION
        self._still_s[settled] = 0
        return Difference(foreground & ~settled, settled)

    def _tolerance(self) -> Levels:
        """[H, W] grey levels by which a pixel may differ and still be itself."""
        return (self._deviation * np.float32(TOLERANCE)).clip(LEAST_STEP)
