"""One frame of the scene: backdrop, then everybody from far to near, then night, light, sensor noise and clock.

Frame i is a pure function of (options, i): any frame can be asked for, in any order.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable

import cv2
import numpy as np

from engine.types import Image
from stream.sources.synthetic.actors import Actor, Shining
from stream.sources.synthetic.backdrop import LAMP_HEIGHT_M, LAMPS_XZ, LIGHT_FULL, render_backdrop
from stream.sources.synthetic.camera import Camera
from stream.sources.synthetic.events import BIN_XZ, cast_of
from stream.sources.synthetic.options import SceneOptions
from stream.sources.synthetic.props import Post
from stream.sources.synthetic.traffic import passers_by
from stream.sources.synthetic.vehicles import HATCHBACK, Car

_NOISE_PLAY_PX = 61  # how far the noise tile is moved about
_MORNING = datetime.datetime(2024, 6, 21, 10, 0, 0)  # the camera's own clock at pts 0; a wall clock plays no part
_EVENING = datetime.datetime(2024, 6, 21, 22, 30, 0)

_FURNITURE: tuple[Actor, ...] = (
    *(Post(x, z, LAMP_HEIGHT_M, 0.13, (92, 96, 98), arm_m=1.2) for x, z in LAMPS_XZ),
    *(Post(x, 9.95, 0.85, 0.13, (70, 72, 74)) for x in (-7.2, -4.8, -2.4, 0.0, 2.4, 7.2)),
    Post(*BIN_XZ, 0.75, 0.5, (54, 74, 58)),
    Car(HATCHBACK, (118, 122, 126), -3.6, 16.1, math.pi, lights_on=False),
)


class Scene:
    """The scene of one set of options; it keeps nothing from frame to frame.

    Making it takes about a second; `go_on` is called now and then meanwhile, and may raise.
    """

    def __init__(self, options: SceneOptions, go_on: Callable[[], None] = lambda: None) -> None:
        self.options = options
        self.camera = Camera(options.width, options.height)
        self._backdrop = render_backdrop(self.camera, options.seed, night=options.night, go_on=go_on)
        rng = np.random.default_rng((options.seed, 0x401))
        self._drift_phase = rng.uniform(0, 2 * math.pi, 2)
        shape = (options.height + _NOISE_PLAY_PX, options.width + _NOISE_PLAY_PX)
        noise = 0.8 * rng.standard_normal((*shape, 1), np.float32) + 0.6 * rng.standard_normal((*shape, 3), np.float32)
        noise = np.rint(noise * options.noise)
        self._brighter = np.clip(noise, 0, 255).astype(np.uint8)
        self._darker = np.clip(-noise, 0, 255).astype(np.uint8)

    def render(self, index: int) -> Image:
        """Frame `index`, a new [H, W, 3] uint8 RGB array."""
        options, time_s = self.options, index / self.options.fps
        actors = [
            *_FURNITURE,
            *passers_by(options.seed, time_s, options.traffic),
            *cast_of(options.events, options.seed, time_s),
        ]
        canvas = self._backdrop.image.copy()
        for actor in sorted(actors, key=lambda actor: -actor.depth_m):
            actor.draw(canvas, self.camera)
        if self._backdrop.light is not None:
            cv2.multiply(canvas, self._backdrop.light, canvas, scale=1 / LIGHT_FULL)
            for actor in actors:
                if isinstance(actor, Shining):
                    actor.draw_glow(canvas, self.camera)
        a, b = self._drift_phase
        gain = 1 + 0.03 * math.sin(time_s / 15 + a) + 0.015 * math.sin(time_s / 4.7 + b)
        cv2.convertScaleAbs(canvas, canvas, gain)
        self._add_noise(canvas, index)
        self._stamp(canvas, time_s)
        return canvas

    def _add_noise(self, canvas: Image, index: int) -> None:
        if not self.options.noise:
            return
        rng = np.random.default_rng((self.options.seed, 0x401, index))
        top, left, top2, left2 = rng.integers(0, _NOISE_PLAY_PX, 4)
        height, width = canvas.shape[:2]
        cv2.add(canvas, self._brighter[top : top + height, left : left + width], canvas)
        cv2.subtract(canvas, self._darker[top2 : top2 + height, left2 : left2 + width], canvas)

    def _stamp(self, canvas: Image, time_s: float) -> None:
        """The clock that cameras burn into the picture."""
        clock = (_EVENING if self.options.night else _MORNING) + datetime.timedelta(seconds=math.floor(time_s))
        text = f"CAM 1  {clock:%Y-%m-%d %H:%M:%S}"
        size = self.options.width / 1280
        left, bottom = round(16 * size), self.options.height - round(20 * size)
        for shift, colour in ((max(round(2 * size), 1), (0, 0, 0)), (0, (245, 245, 245))):
            at = (left + shift, bottom + shift)
            cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 1.05 * size, colour, 1, cv2.LINE_AA)
