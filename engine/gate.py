"""Decides from the picture alone whether a scene is still, so that it can be watched by key frames for a while.

It only lowers the rate at which a still scene is decoded and scored, never below the floor; it never
decides that a window is normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Frame, Image, Tier

BLOCKS = (40, 24)  # width, height: coarse enough that sensor noise averages out
CHANGE = 5.0  # grey levels by which a block's mean must differ
MOVED_BLOCKS = 2  # a single block may flicker
TOLERANCE_S = 0.05  # key frames do not come to the millisecond
FADE = 0.1  # how fast the reference follows slow light drift


@dataclass(frozen=True, slots=True)
class IdleSettings:
    """`after_s` without motion the scene is idle; idle, it is scored every `floor_s`, or at each key frame if those
    are further apart."""

    enabled: bool = False
    after_s: float = 30.0
    floor_s: float = 5.0


class IdleGate:
    """One camera's tier. Push every sampled frame, in order; the answer is how to watch from here on."""

    def __init__(self, settings: IdleSettings) -> None:
        self._settings = settings
        self._reference: NDArray[np.float32] | None = None
        self._segment: int | None = None
        self._moved_s = 0.0
        self._seen_s = 0.0  # the last frame that `due` was asked about
        self._scored_s = -math.inf

    def push(self, frame: Frame) -> Tier:
        if not self._settings.enabled:
            return Tier.FULL
        blocks = _blocks(frame.image)
        if self._reference is None or frame.segment != self._segment:
            self._segment, self._reference, self._moved_s = frame.segment, blocks, frame.pts_s
            return Tier.FULL
        moved = int(np.count_nonzero(np.abs(blocks - self._reference) > CHANGE)) >= MOVED_BLOCKS
        if moved:
            self._reference, self._moved_s = blocks, frame.pts_s
        else:
            self._reference += FADE * (blocks - self._reference)
        return Tier.IDLE if frame.pts_s - self._moved_s >= self._settings.after_s else Tier.FULL

    def due(self, frame: Frame) -> bool:
        """Whether an idle scene is to be scored now, as its floor would be missed by waiting for the next frame."""
        interval_s = max(0.0, frame.pts_s - self._seen_s)
        self._seen_s = frame.pts_s
        if 0 <= frame.pts_s - self._scored_s <= self._settings.floor_s - interval_s + TOLERANCE_S:
            return False
        self._scored_s = frame.pts_s
        return True


def _blocks(image: Image) -> NDArray[np.float32]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, BLOCKS, interpolation=cv2.INTER_AREA).astype(np.float32)
