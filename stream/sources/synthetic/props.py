"""Smoke and street furniture at one moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.types import Box, Image
from stream.sources.synthetic.camera import Camera, pixel_box
from stream.sources.synthetic.paint import Colour, blend_ball, disc, fill, ground_shadow, stroke


@dataclass(frozen=True, slots=True)
class Puff:
    """One ball of smoke: centre, radius and how much it hides, 0 to 1."""

    x: float
    y: float
    z: float
    radius_m: float
    density: float
    grey: int


@dataclass(frozen=True, slots=True)
class Smoke:
    """A plume of puffs, oldest first."""

    puffs: tuple[Puff, ...]

    @property
    def depth_m(self) -> float:
        return self.puffs[0].z if self.puffs else 0.0

    def box(self, camera: Camera) -> Box | None:
        seen = [puff for puff in self.puffs if puff.density > 0.12]
        if not seen:
            return None
        uv, scale = camera.project(np.array([(puff.x, puff.y, puff.z) for puff in seen]))
        reach = 0.75 * np.array([puff.radius_m for puff in seen]) * scale  # the rim is too thin to see
        low, high = (uv - reach[:, None]).min(axis=0), (uv + reach[:, None]).max(axis=0)
        return pixel_box(low[0], low[1], high[0], high[1], camera)

    def draw(self, canvas: Image, camera: Camera) -> None:
        for puff in self.puffs:
            uv, scale = camera.project(np.array([(puff.x, puff.y, puff.z)]))
            blend_ball(canvas, uv[0], puff.radius_m * float(scale[0]), puff.density, puff.grey)


@dataclass(frozen=True, slots=True)
class Post:
    """Street furniture that is a pole: a bollard, or a lamp with its arm over the road."""

    x: float
    z: float
    height_m: float
    width_m: float
    colour: Colour
    arm_m: float = 0.0

    @property
    def depth_m(self) -> float:
        return self.z

    def box(self, camera: Camera) -> Box | None:
        return camera.box(np.array([(self.x, 0, self.z), (self.x, self.height_m, self.z)]))

    def draw_glow(self, canvas: Image, camera: Camera) -> None:
        if self.arm_m:
            uv, scale = camera.project(np.array([(self.x, self.height_m, self.z - self.arm_m)]))
            blend_ball(canvas, uv[0], 0.65 * float(scale[0]), 0.9, 255)

    def draw(self, canvas: Image, camera: Camera) -> None:
        points = [(self.x, 0, self.z), (self.x, self.height_m, self.z), (self.x, self.height_m, self.z - self.arm_m)]
        uv, scale = camera.project(np.array(points))
        ground_shadow(canvas, camera, self.x, self.z, self.width_m)
        half = np.array([0.5 * self.width_m, 0.0])
        fill(
            canvas,
            np.array(
                [uv[0] - half * scale[0], uv[0] + half * scale[0], uv[1] + half * scale[1], uv[1] - half * scale[1]]
            ),
            self.colour,
        )
        if self.arm_m:
            stroke(canvas, uv[1], uv[2], self.width_m * float(scale[1]), self.colour)
            disc(canvas, uv[2], 1.6 * self.width_m * float(scale[2]), (236, 228, 200))
