"""Where in the picture to look: zones and masks as polygons in fractions of the picture. Knows nothing of cameras.

A picture point is watched when it lies in some zone (or there are no zones) and in no mask: masks win.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError

Polygon = tuple[tuple[float, float], ...]  # (x, y) in fractions of width and height, from the upper left
Raster = NDArray[np.bool_]  # [H, W], True where watched


@dataclass(frozen=True, slots=True)
class Regions:
    """The watched part of a picture. Raises UsageError when a polygon is none."""

    zones: tuple[Polygon, ...] = ()
    masks: tuple[Polygon, ...] = ()

    def __post_init__(self) -> None:
        for kind, polygons in (("zone", self.zones), ("mask", self.masks)):
            for number, polygon in enumerate(polygons, start=1):
                _check(polygon, f"{kind} {number}")

    def raster(self, width: int, height: int) -> Raster:
        """[height, width] bool: the pixels whose centre is watched."""
        watched = np.full((height, width), not self.zones)
        for zone in self.zones:
            watched |= _inside(zone, width, height)
        for mask in self.masks:
            watched &= ~_inside(mask, width, height)
        return watched


def _check(polygon: Polygon, name: str) -> None:
    if len(polygon) < 3:
        raise UsageError(f"{name} has {len(polygon)} points", advice="a polygon needs at least three")
    for x, y in polygon:
        if not (math.isfinite(x) and math.isfinite(y) and 0 <= x <= 1 and 0 <= y <= 1):
            raise UsageError(
                f"{name} has the point ({x:g}, {y:g})", advice="points are fractions of width and height, from 0 to 1"
            )


def _inside(polygon: Polygon, width: int, height: int) -> Raster:
    """Even-odd rule at pixel centres: inside is where a ray to the right crosses the outline an odd number of times."""
    x = ((np.arange(width) + 0.5) / width)[None, :]
    y = ((np.arange(height) + 0.5) / height)[:, None]
    inside = np.zeros((height, width), dtype=np.bool_)
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if y1 == y2:
            continue  # a level edge is never crossed by a level ray
        crossing_x = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
        inside ^= ((y1 <= y) != (y2 <= y)) & (x < crossing_x)
    return inside
