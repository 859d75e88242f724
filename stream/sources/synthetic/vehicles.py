"""Cars and vans: a side view drawn out to a solid. A car knows its place at one moment, nothing of traffic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.types import Box, Image
from stream.sources.synthetic.camera import Camera, Points
from stream.sources.synthetic.paint import Colour, blend_ball, darken, disc, fill, shade

_TYRE_M = 0.33  # its radius


@dataclass(frozen=True, slots=True)
class CarBody:
    """A car's side view, (x, y) in metres counter-clockwise, and which of its edges are glass."""

    outline: tuple[tuple[float, float], ...]
    glass_edges: frozenset[int]  # edge i goes from point i to point i + 1
    windows: tuple[tuple[tuple[float, float], ...], ...]
    wheels_m: tuple[float, float]
    width_m: float


HATCHBACK = CarBody(
    outline=(
        (-2.0, 0.28), (2.0, 0.28), (2.08, 0.58), (1.95, 0.78), (1.05, 0.98),
        (0.35, 1.45), (-1.25, 1.47), (-1.9, 1.0), (-2.05, 0.7),
    ),
    glass_edges=frozenset({4, 6}),
    windows=(
        ((-1.6, 1.02), (-0.5, 1.0), (-0.5, 1.38), (-1.2, 1.39)),
        ((-0.4, 1.0), (0.78, 1.0), (0.3, 1.37), (-0.4, 1.38)),
    ),
    wheels_m=(-1.28, 1.3),
    width_m=1.72,
)  # fmt: skip
VAN = CarBody(
    outline=(
        (-2.4, 0.3),
        (2.35, 0.3),
        (2.42, 0.75),
        (2.2, 1.05),
        (1.75, 1.2),
        (1.2, 1.95),
        (-2.35, 2.02),
        (-2.42, 0.8),
    ),
    glass_edges=frozenset({4}),
    windows=(((0.3, 1.2), (1.5, 1.2), (1.1, 1.78), (0.3, 1.8)),),
    wheels_m=(-1.5, 1.5),
    width_m=1.9,
)


@dataclass(frozen=True, slots=True)
class Car:
    """A vehicle at (x, z), its front towards `heading`; `rolled_m` turns the wheels."""

    body: CarBody
    colour: Colour
    x: float
    z: float
    heading: float
    rolled_m: float = 0.0
    lights_on: bool = True

    @property
    def depth_m(self) -> float:
        return self.z - 0.5

    def _world(self, points: Points) -> Points:
        """Body points (along, up, to the left) to the world."""
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        along, up, left = points[:, 0], points[:, 1], points[:, 2]
        return np.stack((self.x + along * cos - left * sin, up, self.z + along * sin + left * cos), axis=1)

    def _picture(self, points: Points, camera: Camera) -> Points:
        return camera.project(self._world(points))[0]

    def box(self, camera: Camera) -> Box | None:
        half = self.body.width_m / 2
        points = [(along, up, left) for along, up in self.body.outline for left in (-half, half)]
        points += [(along, 0.0, left) for along in self.body.wheels_m for left in (-half, half)]
        return camera.box(self._world(np.array(points)))

    def draw(self, canvas: Image, camera: Camera) -> None:
        body, half = self.body, self.body.width_m / 2
        low, high = body.outline[0][0], body.outline[1][0]
        footprint = np.array([(low, 0, -half), (high, 0, -half), (high, 0, half), (low, 0, half)]) * (1.03, 1, 1.12)
        darken(canvas, self._picture(footprint, camera))
        near = -half if math.cos(self.heading) >= 0 else half  # the side that looks at the camera
        outline = np.array([(*point, near) for point in body.outline])
        near_uv, far_uv = self._picture(outline, camera), self._picture(outline * (1, 1, -1), camera)
        self._wheels(canvas, camera, -near * 0.9)
        fill(canvas, far_uv, shade(self.colour, 0.6))
        skins = []  # the body's skin from the near side to the far one, a piece for each edge of the outline
        for edge, (start, end) in enumerate(zip(outline, np.roll(outline, -1, axis=0), strict=True)):
            following = (edge + 1) % len(outline)
            quad = np.array([near_uv[edge], near_uv[following], far_uv[following], far_uv[edge]])
            run, rise = abs(end - start)[:2]
            flat = float(run / (run + rise))  # what lies flat gets more light
            colour = (58, 70, 80) if edge in body.glass_edges else shade(self.colour, 0.75 + 0.5 * flat)
            middle_z = float(self._world(((start + end) / 2 * (1, 1, 0))[None])[0, 2])
            skins.append((middle_z, quad, colour))
        for _, quad, colour in sorted(skins, key=lambda skin: -skin[0]):
            fill(canvas, quad, colour)
        fill(canvas, near_uv, self.colour)
        for window in body.windows:
            fill(canvas, self._picture(np.array([(*point, near) for point in window]), camera), (46, 56, 64))
        sill = np.array(
            [(low + 0.1, 0.36, near), (high - 0.1, 0.36, near), (high - 0.1, 0.3, near), (low + 0.1, 0.3, near)]
        )
        fill(canvas, self._picture(sill, camera), shade(self.colour, 0.5))
        self._wheels(canvas, camera, near)
        self._lamps(canvas, camera, near)

    def draw_glow(self, canvas: Image, camera: Camera) -> None:
        if not self.lights_on:
            return
        front = self.body.outline[2][0]
        side = -0.4 if math.cos(self.heading) >= 0 else 0.4
        lamp_and_beam = self._world(np.array([(front, 0.66, side), (front + 2.6, 0.0, 0.0)]))
        uv, scale = camera.project(lamp_and_beam)
        blend_ball(canvas, uv[1], 2.3 * float(scale[1]), 0.2, 250)
        blend_ball(canvas, uv[0], 0.4 * float(scale[0]), 0.85, 255)

    def _wheels(self, canvas: Image, camera: Camera, side: float) -> None:
        turn = np.linspace(0, 2 * math.pi, 14, endpoint=False) - self.rolled_m / _TYRE_M
        rim = np.stack((np.cos(turn), np.sin(turn), np.zeros(len(turn))), axis=1)
        for along in self.body.wheels_m:
            hub = np.array([along, _TYRE_M, side])
            fill(canvas, self._picture(hub + _TYRE_M * rim, camera), (28, 28, 30))
            fill(canvas, self._picture(hub + 0.19 * rim, camera), (128, 130, 134))
            fill(canvas, self._picture(hub + 0.15 * rim[:10:2], camera), (70, 72, 76))  # lopsided: seen to turn

    def _lamps(self, canvas: Image, camera: Camera, near: float) -> None:
        front, back = self.body.outline[2][0], self.body.outline[-1][0]
        points = self._world(np.array([(front - 0.06, 0.66, near * 0.9), (back + 0.06, 0.74, near * 0.9)]))
        uv, scale = camera.project(points)
        disc(canvas, uv[0], 0.1 * float(scale[0]), (224, 224, 214))
        disc(canvas, uv[1], 0.09 * float(scale[1]), (170, 36, 32))
