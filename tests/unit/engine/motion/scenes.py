"""Generated pictures of a fixed camera, cut into frames and windows, for the tests of the motion scorer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.motion import MotionScorer, MotionSettings
from engine.types import Box, Frame, Judgement, Window

WIDTH, HEIGHT = 320, 180
RATE = 8  # frames per second

Picture = NDArray[np.float32]  # [H, W] grey levels


def texture(seed: int, *, mean: float = 110, contrast: float = 35, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """A smooth random surface: what walls, floors and clothes look like to a small camera."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 4), np.float32)
    return np.asarray(mean + contrast * smooth / smooth.std(), np.float32)


def with_block(picture: Picture, box: Box, seed: int = 99) -> Picture:
    """The picture with a dark textured block in the place of `box`."""
    x1, x2 = round(box.x1 * WIDTH), round(box.x2 * WIDTH)
    y1, y2 = round(box.y1 * HEIGHT), round(box.y2 * HEIGHT)
    out = picture.copy()
    out[y1:y2, x1:x2] = texture(seed, mean=35, contrast=15, width=x2 - x1, height=y2 - y1)
    return out


def block_at(x: float, y: float, width: float = 0.12, height: float = 0.25) -> Box:
    """A block with its upper left corner at (x, y), cut at the picture's edges."""
    return Box(max(x, 0.0), max(y, 0.0), min(x + width, 1.0), min(y + height, 1.0))


def film(
    pictures: Iterable[Picture], *, camera: str = "cam", segment: int = 0, noise: float = 3.0, step_s: float = 1 / RATE
) -> list[Frame]:
    """Frames `step_s` apart with fresh sensor noise of that many grey levels."""
    random = np.random.default_rng(7)
    frames = []
    for slot, picture in enumerate(pictures):
        noisy = picture + noise * random.standard_normal(picture.shape, np.float32)
        image = np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        pts_s = slot * step_s
        frames.append(Frame(camera, segment, slot, pts_s, 1e9 + pts_s, pts_s, image))
    return frames


def windows(frames: Sequence[Frame], *, size: int = RATE, stride: int = RATE) -> list[Window]:
    return [
        Window(frames[0].camera, frames[0].segment, index, tuple(frames[end - size : end]), length_s=1.0)
        for index, end in enumerate(range(size, len(frames) + 1, stride))
    ]


def judge(frames: Sequence[Frame], settings: MotionSettings | None = None) -> list[Judgement]:
    """One judgement per second, from a new scorer."""
    scorer = MotionScorer({frames[0].camera: settings or MotionSettings()})
    return scorer.score(windows(frames))


def scores(judgements: Sequence[Judgement]) -> list[float]:
    """The known ones."""
    return [judgement.score for judgement in judgements if judgement.score is not None]


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    wide = max(0.0, min(a.x2, b.x2) - max(a.x1, b.x1))
    high = max(0.0, min(a.y2, b.y2) - max(a.y1, b.y1))
    both = wide * high
    return both / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both)
