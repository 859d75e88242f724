"""A webcam for tests that behaves as OpenCV 5's VideoCapture does, down to its numbers for "I don't know"."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import cv2
import numpy as np


class FakeCapture:
    """Gives grey pictures; after `frames` of them (None: for ever) every read fails.

    A failed read takes `failing_takes_s` of `pass_time`'s time: V4L2 waits for a silent device and does not
    wait for one that is gone. `stamps_ms` are the driver's time stamps; without any it says 0 as OpenCV does.
    """

    def __init__(
        self,
        *,
        opens: bool = True,
        size: tuple[int, int] = (64, 48),
        fps: float = 30.0,
        frames: int | None = None,
        failing_takes_s: float = 0.0,
        pass_time: Callable[[float], None] = lambda _seconds: None,
        stamps_ms: Callable[[int], float] = lambda index: 5_000_000 + index * 1000 / 30,
        on_read: Callable[[], None] = lambda: None,
        fails_once: Iterable[int] = (),
    ) -> None:
        self._opens = opens
        self._size = size
        self._fps = fps
        self._frames = frames
        self._failing_takes_s = failing_takes_s
        self._pass_time = pass_time
        self._stamps_ms = stamps_ms
        self._on_read = on_read
        self._fails_once = set(fails_once)
        self._given = 0
        self.wishes: list[tuple[int, float]] = []
        self.released = 0

    def isOpened(self) -> bool:
        return self._opens and not self.released

    def set(self, propId: int, value: float) -> bool:
        self.wishes.append((propId, value))
        return False  # it keeps what it has

    def get(self, propId: int) -> float:
        if not self.isOpened():
            return 0.0
        known = {
            cv2.CAP_PROP_FPS: self._fps,
            cv2.CAP_PROP_POS_MSEC: self._stamps_ms(self._given - 1) if self._given else 0.0,
        }
        return known.get(propId, -1.0)

    def read(self) -> tuple[bool, Any]:
        self._on_read()
        if not self.isOpened():
            return False, None
        over = self._frames is not None and self._given >= self._frames
        if over or self._given in self._fails_once:
            self._fails_once.discard(self._given)
            self._pass_time(self._failing_takes_s)
            return False, None
        self._pass_time(1 / 30)
        self._given += 1
        width, height = self._size
        picture = np.zeros((height, width, 3), np.uint8)
        picture[:] = (30, 90, min(40 + self._given, 255))  # blue, green, red
        return True, picture

    def release(self) -> None:
        self.released += 1
