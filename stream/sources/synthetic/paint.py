"""Drawing at sub-pixel places: polygons, strokes, discs, shadows and soft balls. Knows nothing of what they show."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Image
from stream.sources.synthetic.camera import Camera, Points

Colour = tuple[int, int, int]

_SHIFT = 4  # OpenCV draws at 1/16 pixel, so slow motion does not jump
_SHADOW = 0.45


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.round(np.clip(points, -4000, 8000) * (1 << _SHIFT)).astype(np.int32)


def fill(canvas: Image, uv: Points, colour: Colour) -> None:
    cv2.fillPoly(canvas, [_fixed(uv)], colour, cv2.LINE_AA, _SHIFT)


def stroke(canvas: Image, start: Points, end: Points, width_px: float, colour: Colour) -> None:
    a, b = _fixed(np.array([start, end])).tolist()
    cv2.line(canvas, a, b, colour, max(round(width_px), 1), cv2.LINE_AA, _SHIFT)


def disc(canvas: Image, centre: Points, radius_px: float, colour: Colour) -> None:
    a, b = _fixed(np.asarray(centre)).tolist()
    cv2.circle(canvas, (a, b), max(round(radius_px * (1 << _SHIFT)), 8), colour, -1, cv2.LINE_AA, _SHIFT)


def shade(colour: Colour, tone: float) -> Colour:
    r, g, b = (min(round(channel * tone), 255) for channel in colour)
    return r, g, b


def _region(canvas: Image, uv: Points) -> tuple[Image, Points] | None:
    """The part of the canvas around points, as a view, and the points within it."""
    left, top = np.floor(np.maximum(uv.min(axis=0) - 1, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(uv.max(axis=0) + 2, canvas.shape[1::-1])).astype(int)
    if left >= right or top >= bottom:
        return None
    return canvas[top:bottom, left:right], uv - (left, top)


def darken(canvas: Image, uv: Points) -> None:
    """A shadow over a polygon."""
    region = _region(canvas, uv)
    if region is not None:
        part, inside = region
        dark = part.copy()
        fill(dark, inside, (24, 26, 30))
        np.copyto(part, cv2.addWeighted(dark, _SHADOW, part, 1 - _SHADOW, 0))


_CIRCLE = np.stack(
    (np.cos(np.linspace(0, 2 * math.pi, 12, endpoint=False)), np.sin(np.linspace(0, 2 * math.pi, 12, endpoint=False))),
    axis=1,
)


def ground_shadow(canvas: Image, camera: Camera, x: float, z: float, radius_m: float) -> None:
    rim = np.array([(x + 1.25 * radius_m * c, 0.0, z + radius_m * s) for c, s in _CIRCLE])
    darken(canvas, camera.project(rim)[0])


def blend_ball(canvas: Image, centre: Points, radius_px: float, density: float, grey: int) -> None:
    """A soft ball: the alpha falls off smoothly from the middle."""
    region = _region(canvas, np.array([centre - radius_px, centre + radius_px]))
    if region is None:
        return
    part, inside = region
    middle = inside.mean(axis=0)
    dv = (np.arange(part.shape[0], dtype=np.float32) - middle[1]) / radius_px
    du = (np.arange(part.shape[1], dtype=np.float32) - middle[0]) / radius_px
    fall = np.maximum(1 - dv[:, None] ** 2 - du[None, :] ** 2, 0)
    share = (127 * density * fall).astype(np.int16)[..., None]  # of 128: the product fits 16 bits, which is fast
    # Modulo 256 both the step and the sum wrap around, so a step down comes out right too.
    part += (((grey - part.astype(np.int16)) * share) >> 7).astype(np.uint8)
