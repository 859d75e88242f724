"""Dense optical flow between two small grey images, and what can be read off it. Knows nothing of backgrounds or time.

Shifts are [H, W, 2] float32, (x, y) in pixels, at the earlier image's pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]  # [H, W]
Floats = NDArray[np.float32]  # [H, W]
Shift = NDArray[np.float32]  # [H, W, 2]

DIRECTIONS = 8


class OpticalFlow:
    """Dense inverse search: its fastest preset at twice the resolution, with enough steps to follow a runner.

    Small things faster than about half the picture a second come out too slow.
    """

    def __init__(self) -> None:
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._search.setFinestScale(1)  # half the image's size
        self._search.setGradientDescentIterations(25)

    def shift(self, earlier: Bytes, later: Bytes) -> Shift:
        nothing_moved = np.zeros((*earlier.shape, 2), np.float32)  # the first guess; without one it may keep an old one
        return np.asarray(self._search.calc(earlier, later, nothing_moved), np.float32)


def unexplained(earlier: Bytes, later: Bytes, shift: Shift) -> Floats:
    """[H, W] grey levels of `earlier` that moving the pixels of `later` back does not explain."""
    y, x = np.indices(earlier.shape, dtype=np.float32)
    back = cv2.remap(later, x + shift[..., 0], y + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.absdiff(back, earlier), np.float32)


def disorder(velocity: NDArray[np.float32], weight: NDArray[np.float32]) -> float:
    """Normalised entropy of the directions of [N, 2] velocities: 0 when all go one way, 1 when every way alike."""
    turn = np.arctan2(velocity[:, 1], velocity[:, 0]) / (2 * np.pi)  # -0.5 to 0.5
    sector = np.floor(turn * DIRECTIONS + 0.5).astype(np.intp) % DIRECTIONS
    share = np.bincount(sector, weights=weight, minlength=DIRECTIONS)
    share = share[share > 0] / share.sum()
    return float(-(share * np.log(share)).sum() / np.log(DIRECTIONS))
