"""A camera's newest picture for people to look at, made only when somebody asks. Knows no encoding and no viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.types import Frame, Image
from stream.sources.base import Picture

WIDEST_PX = 960
YOUNG_S = 0.2  # so at most five pictures a second are made, however many ask


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A picture, [H, W, 3] RGB, and when it was taken. One that is `squashed` has the scorer's size."""

    image: Image
    time_s: float
    squashed: bool = False


class Preview:
    """The camera's thread offers every picture; anybody may ask. A picture is converted only after somebody did."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._wanted = False
        self._made: tuple[float, Shown] | None = None  # with the monotonic time it was made at
        self._newest_frame: Callable[[], Frame | None] = lambda: None

    def behind(self, newest_frame: Callable[[], Frame | None]) -> None:
        """Where to look for a picture of the past, at the scorer's size."""
        self._newest_frame = newest_frame

    def offer(self, picture: Picture, width: int, height: int, time_s: float) -> None:
        """On the camera's thread; the sizes are the camera's own."""
        if not self._wanted:
            return
        self._wanted = False
        scale = min(1.0, WIDEST_PX / width)
        image = np.empty((max(2, round(height * scale)), max(2, round(width * scale)), 3), np.uint8)
        picture.write_rgb(image)
        self._made = (self._monotonic(), Shown(image, time_s))

    def fresh(self) -> Shown | None:
        """A picture that was made just now; else None, and the next one that comes is made."""
        if self._made is not None and self._monotonic() - self._made[0] <= YOUNG_S:
            return self._made[1]
        self._wanted = True
        return None

    def last(self) -> Shown | None:
        """The newest picture there is, however old; None before the first."""
        made = self._made[1] if self._made else None
        frame = self._newest_frame()
        if frame is None or (made is not None and made.time_s >= frame.time_s):
            return made
        return Shown(frame.image, frame.time_s, squashed=True)
