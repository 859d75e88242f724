"""The scene's camera: a pinhole on a wall, looking down at a street. Knows geometry only.

The world is in metres: x to the right, y up from the ground, z away from the camera's foot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.types import Box

Points = NDArray[np.float64]  # [N, 3] in the world or [N, 2] in the picture

HEIGHT_M = 4.7
PITCH_RAD = math.radians(17.5)
FOCAL_WIDTHS = 0.66  # the focal length in picture widths: about 74 degrees from side to side


@dataclass(frozen=True, slots=True)
class Camera:
    width: int
    height: int

    @property
    def focal_px(self) -> float:
        return FOCAL_WIDTHS * self.width

    def project(self, points: Points) -> tuple[Points, Points]:
        """World [N, 3] to picture [N, 2] in pixels, and [N] the size in pixels of a metre there."""
        x, y, z = points[:, 0], points[:, 1] - HEIGHT_M, points[:, 2]
        cos, sin = math.cos(PITCH_RAD), math.sin(PITCH_RAD)
        forward = np.maximum(z * cos - y * sin, 0.1)
        scale = self.focal_px / forward
        u = self.width / 2 + x * scale
        v = self.height / 2 - (y * cos + z * sin) * scale
        return np.stack((u, v), axis=1), scale

    def rays(self, factor: int) -> tuple[Points, Points, Points]:
        """For a picture `factor` times as fine: each pixel's direction (dx, dy, dz) in the world, [H, W] each."""
        v, u = np.mgrid[0 : self.height * factor, 0 : self.width * factor] / factor
        right, down = (u - self.width / 2) / self.focal_px, (v - self.height / 2) / self.focal_px
        cos, sin = math.cos(PITCH_RAD), math.sin(PITCH_RAD)
        return right, -down * cos - sin, cos - down * sin

    def box(self, points: Points, label: str = "") -> Box | None:
        """The box around world points as far as it is in the picture, or None when it is outside."""
        uv, _ = self.project(points)
        return pixel_box(uv[:, 0].min(), uv[:, 1].min(), uv[:, 0].max(), uv[:, 1].max(), self, label)


def pixel_box(left: float, top: float, right: float, bottom: float, camera: Camera, label: str = "") -> Box | None:
    """A box in pixels to one in fractions of the picture, cut at its edges; None when nothing is left."""
    x1, x2 = max(left / camera.width, 0.0), min(right / camera.width, 1.0)
    y1, y2 = max(top / camera.height, 0.0), min(bottom / camera.height, 1.0)
    return Box(float(x1), float(y1), float(x2), float(y2), label) if x1 < x2 and y1 < y2 else None
