"""From a camera's frames to what moves in them. Knows nothing of windows, of what is usual, or of scores.

A pixel moves when it differs from the empty picture and dense optical flow carries it: a parked car differs but
does not flow, sensor noise flows but does not differ. Speeds are in picture sizes per second (x in widths,
y in heights), so they mean the same at any resolution and aspect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from engine.motion.background import LEAST_STEP, Background, Difference
from engine.motion.boxes import find_boxes
from engine.motion.flow import Bytes, OpticalFlow, Shift, disorder, unexplained
from engine.motion.settings import MotionSettings
from engine.regions import Raster, Regions
from engine.types import Box, Frame, Image

WIDTH_PX, HEIGHT_PX = 160, 90  # of the grey image that flow and background work on
LONGEST_STEP_S = 0.6  # frames further apart are not compared by flow
LEAST_SPEED = 0.02  # picture sizes per second
LEAST_SHIFT_PX = 0.3  # between two frames: below lies the flow's own noise
FULL_SIZE = 0.01  # share of the picture from which a thing's speed counts fully: an insect is no runner
WHOLE = 0.5  # share of the picture above which a change is no object
RESTING = 0.1  # with less than this share in motion, whatever changed the whole picture is over
RELEARN_S = 2.0  # how long the background is learnt anew after the whole picture changed


class Quantity(StrEnum):
    """What is measured of a frame. Every share is of the whole picture."""

    AREA = "area"  # share that moves
    SPEED = "speed"  # of the fastest tenth of what moves
    SURGE = "surge"  # change of velocity, picture sizes per second squared
    DISORDER = "disorder"  # share that moves, times how evenly its directions spread (0 to 1)
    SETTLED = "settled"  # share that was new and still for long enough to join the empty picture
    CHANGED = "changed"  # share that differs from the empty picture, moving or not


class Phase(StrEnum):
    """How far a scene is known; the value is the reason for not judging it."""

    READY = ""
    WARMING_UP = "warming up"
    RELEARNING = "the whole picture changed"


@dataclass(frozen=True, slots=True)
class Motion:
    """What one frame shows. The quantities of flow are absent when no recent frame came before it."""

    phase: Phase
    quantities: Mapping[Quantity, float]
    boxes: Mapping[Quantity, tuple[Box, ...]]  # unlabelled, the strongest first; those of flow under AREA

    def where(self, quantity: Quantity) -> tuple[Box, ...]:
        """What `quantity` was measured on."""
        return self.boxes.get(quantity, self.boxes.get(Quantity.AREA, ()))


class Scene:
    """One camera's background and last picture. Takes each frame once, in order; keeps none.

    Masked pixels reach nothing. Those outside the zones only help to tell whether the whole picture changed.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self._watched = settings.regions.raster(WIDTH_PX, HEIGHT_PX)
        self._visible = Regions(masks=settings.masks).raster(WIDTH_PX, HEIGHT_PX)
        self._background = Background(self._visible, background_s=settings.background_s, settle_s=settings.settle_s)
        self._flow = OpticalFlow()
        self._phase = Phase.WARMING_UP
        self._to_learn_s = settings.warm_up_s
        self._segment = -1
        self._pts_s = 0.0
        self._grey: Bytes = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        self._velocity: Shift = np.zeros((HEIGHT_PX, WIDTH_PX, 2), np.float32)  # of what moved last, else 0

    def observe(self, frame: Frame) -> Motion:
        """What moves in `frame`. After a new segment or a gap only the background speaks."""
        dt_s = max(0.0, frame.pts_s - self._pts_s) if frame.segment == self._segment else 0.0
        grey = to_grey(frame.image)
        grey[~self._visible] = 0
        self._to_learn_s -= dt_s
        if self._to_learn_s <= 0:
            self._phase = Phase.READY

        difference = self._background.learn(grey, dt_s, trusting=self._phase is not Phase.READY)
        flows = 0 < dt_s <= LONGEST_STEP_S
        shift = self._flow.shift(self._grey, grey) if flows and difference.foreground.any() else None
        moving, velocity = carried(difference.foreground, shift, dt_s)
        if self._is_new_picture(difference.foreground, moving, grey, shift):
            self._start_again(grey)
            motion = Motion(self._phase, {}, {})
        else:
            motion = self._measure(difference, moving, velocity, dt_s, flows=flows)
        self._segment, self._pts_s, self._grey = frame.segment, frame.pts_s, grey
        self._velocity = np.where(moving[..., None], velocity, np.float32(0))
        return motion

    def _is_new_picture(self, foreground: Raster, moving: Raster, grey: Bytes, shift: Shift | None) -> bool:
        """Whether no motion explains that the whole picture is another: a cut, a light switch, a camera turned away."""
        if self._covers(foreground) < WHOLE:
            return False
        if shift is None or self._covers(moving) < RESTING:
            return True
        return self._covers(unexplained(self._grey, grey, shift) > LEAST_STEP) > WHOLE

    def _covers(self, pixels: Raster) -> float:
        """The share of what is not masked."""
        return np.count_nonzero(pixels & self._visible) / np.count_nonzero(self._visible)

    def _start_again(self, grey: Bytes) -> None:
        self._background.reset(grey)
        self._to_learn_s = max(self._to_learn_s, RELEARN_S)
        if self._phase is Phase.READY:
            self._phase = Phase.RELEARNING

    def _measure(self, difference: Difference, moving: Raster, velocity: Shift, dt_s: float, *, flows: bool) -> Motion:
        changed, settled = difference.foreground & self._watched, difference.settled & self._watched
        moving = moving & self._watched
        speed = np.hypot(velocity[..., 0], velocity[..., 1])
        quantities = {Quantity.CHANGED: float(changed.mean()), Quantity.SETTLED: float(settled.mean())}
        boxes = {Quantity.SETTLED: find_boxes(settled, np.ones_like(speed))}
        if not flows:
            boxes[Quantity.CHANGED] = find_boxes(changed, np.ones_like(speed))
        else:
            quantities |= dict.fromkeys((Quantity.AREA, Quantity.SPEED, Quantity.SURGE, Quantity.DISORDER), 0.0)
            boxes[Quantity.AREA] = find_boxes(moving, speed)
        if moving.any():
            area = float(moving.mean())
            fast = speed[moving]
            change = velocity[moving] - self._velocity[moving]
            weight = min(1.0, area / FULL_SIZE)
            quantities[Quantity.AREA] = area
            quantities[Quantity.SPEED] = weight * float(np.percentile(fast, 90))
            quantities[Quantity.SURGE] = weight * float(np.hypot(change[:, 0], change[:, 1]).mean()) / dt_s
            quantities[Quantity.DISORDER] = area * disorder(velocity[moving], fast)
        return Motion(self._phase, quantities, boxes)


def to_grey(image: Image) -> Bytes:
    """[90, 160] brightness; each pixel the mean of those it covers, which also halves the sensor's noise."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8)


def carried(foreground: Raster, shift: Shift | None, dt_s: float) -> tuple[Raster, Shift]:
    """Which foreground the flow carries along, and every pixel's velocity in picture sizes per second."""
    if shift is None:
        return np.zeros_like(foreground), np.zeros((*foreground.shape, 2), np.float32)
    velocity = np.divide(shift, (WIDTH_PX * dt_s, HEIGHT_PX * dt_s), dtype=np.float32)
    far = np.hypot(shift[..., 0], shift[..., 1]) > LEAST_SHIFT_PX
    fast = np.hypot(velocity[..., 0], velocity[..., 1]) > LEAST_SPEED
    return foreground & far & fast, velocity
