"""A camera's newest picture for people to look at, made only when somebody asks. Knows no encoding and no viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.types import Frame, Image
from stream.sources.base import Picture

WIDEST_PX = 960
YOUNG_S = 0.2
EVERY_S = 0.1  # so at most ten pictures a second are made, however many ask


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A picture, [H, W, 3] RGB, and when it was taken. One that is `squashed` has the scorer's size."""

    image: Image
    time_s: float
    squashed: bool = False


@dataclass(frozen=True, slots=True)
class _Made:
    at_s: float  # monotonic
    width_px: int  # it is as wide as that, or as the camera's own
    shown: Shown


class Preview:
    """The camera's thread offers every picture; anybody may ask. A picture is converted only after somebody did.

    It is made as wide as those who look want it, so that a wall of small pictures costs little. A wish counts for the
    next two pictures: of several who look, each at a pace of its own, some come just after one was made.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._wanted = False
        self._looked_px = self._looked_before_px = 0  # the widest, since the last picture was made, and before
        self._made: _Made | None = None
        self._newest_frame: Callable[[], Frame | None] = lambda: None

    def behind(self, newest_frame: Callable[[], Frame | None]) -> None:
        """Where to look for a picture of the past, at the scorer's size."""
        self._newest_frame = newest_frame

    def offer(self, picture: Picture, width: int, height: int, time_s: float) -> None:
        """On the camera's thread; the sizes are the camera's own."""
        if not self._wanted:
            return
        now_s = self._monotonic()
        if self._made is not None and now_s - self._made.at_s < EVERY_S:
            return
        self._wanted = False
        width_px = max(self._looked_px, self._looked_before_px)
        self._looked_before_px, self._looked_px = self._looked_px, 0
        scale = min(1.0, width_px / width)
        image = np.empty((max(2, round(height * scale)), max(2, round(width * scale)), 3), np.uint8)
        picture.write_rgb(image)
        self._made = _Made(now_s, width_px, Shown(image, time_s))

    def fresh(self, width_px: int = WIDEST_PX) -> Shown | None:
        """A picture that was made just now, so wide or as wide as the camera's own; else None, and one is asked for."""
        made = self._made
        if made is not None and made.width_px >= width_px and self._monotonic() - made.at_s <= YOUNG_S:
            self._looked_px = max(self._looked_px, width_px)
            return made.shown
        self.ask(width_px)
        return None

    def ask(self, width_px: int = WIDEST_PX) -> None:
        """Have the next picture made that comes: for who has the fresh one already."""
        self._looked_px = max(self._looked_px, width_px)
        self._wanted = True

    def last(self) -> Shown | None:
        """The newest picture there is, however old; None before the first."""
        made = self._made.shown if self._made else None
        frame = self._newest_frame()
        if frame is None or (made is not None and made.time_s >= frame.time_s):
            return made
        return Shown(frame.image, frame.time_s, squashed=True)
