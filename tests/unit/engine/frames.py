"""Frames and windows for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.types import Frame, Window


def frame(
    slot: int, *, camera: str = "front", segment: int = 0, fps: float = 8.0, arrival_s: float | None = None
) -> Frame:
    """A tiny frame at the start of its slot."""
    pts_s = slot / fps
    image = np.full((2, 2, 3), slot % 256, np.uint8)
    return Frame(camera, segment, slot, pts_s, 1_000_000.0 + pts_s, pts_s if arrival_s is None else arrival_s, image)


def window(
    index: int = 0, *, camera: str = "front", arrival_s: float = 0.0, release: Callable[[], None] = lambda: None
) -> Window:
    """A window of one frame that arrived at `arrival_s`."""
    return Window(camera, 0, index, (frame(index, camera=camera, arrival_s=arrival_s),), 1.0, release=release)
