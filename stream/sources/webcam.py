"""Webcams and capture cards, through OpenCV: V4L2 on Linux, whatever there is elsewhere.

Knows how OpenCV says that a device is missing, busy, silent or gone. Knows nothing of reconnecting.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import cv2
import numpy as np

from engine.errors import SourceError, SourceFault
from stream.sources.encode import PacketEncoder
from stream.sources.raw import RawSource, Shot

log = logging.getLogger(__name__)

# OpenCV waits for a V4L2 device in slices of this many seconds, so a source is closed and a silence noticed
# within one. It takes whole seconds only, from the environment, at the first picture of the process.
_SLICE_S = 1
_SLICE_NAME = "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"
_QUICK_S = 0.5 * _SLICE_S  # a read that fails faster than this did not wait: the device is gone

_LARGE_PX = 640 * 480  # above this, uncompressed pictures do not fit through USB at a useful rate
_MAX_FPS = 240.0


class Capture(Protocol):
    """What is used of cv2.VideoCapture."""

    def isOpened(self) -> bool: ...
    def read(self) -> tuple[bool, Any]: ...
    def get(self, propId: int) -> float: ...
    def set(self, propId: int, value: float) -> bool: ...
    def release(self) -> None: ...


def open_capture(device: int | str) -> Capture:
    """The real one."""
    os.environ.setdefault(_SLICE_NAME, str(_SLICE_S))
    backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    return cv2.VideoCapture(device, backend)


class WebcamSource(RawSource):
    """Fulfils `stream.sources.base.Source`. `device` is a number or a path such as /dev/video0.

    `size` (width, height) and `fps` are wishes: `open` logs and returns what the device really gives. It
    also waits for the first picture, since a device that another program uses can often be opened, but not
    read. `pts_s` is the driver's own time stamp, counted from the first picture, where it has one.
    """

    live = True

    def __init__(
        self,
        device: int | str,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        read_timeout_s: float = 4.0,
        *,
        open_capture: Callable[[int | str], Capture] = open_capture,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._device = device
        self._size = size
        self._fps = fps
        self._read_timeout_s = read_timeout_s
        self._open_capture = open_capture
        self._monotonic = monotonic
        self._capture: Capture | None = None
        self._first: Shot | None = None
        self._first_stamp_s: float | None = None
        self._last_stamp_s = 0.0
        self._first_arrival_s: float | None = None

    def __repr__(self) -> str:
        return f"WebcamSource({self._device!r})"

    def __str__(self) -> str:
        return f"webcam {self._device}"

    def _start(self) -> PacketEncoder | None:
        with _quiet:
            capture = self._capture = self._open_capture(self._device)
            if not capture.isOpened():
                raise self._not_opened()
            self._wish(capture)
        try:
            self._first = self._shoot()
        except SourceError as error:
            if error.fault is SourceFault.LOST:  # it never gave anything
                raise self._in_use() from error
            raise
        if self._first is None:
            return None
        height, width = self._first.rgb.shape[:2]
        fps = capture.get(cv2.CAP_PROP_FPS)
        given_fps = fps if 0 < fps <= _MAX_FPS else None
        if self._size not in (None, (width, height)) or (self._fps and given_fps and abs(self._fps - given_fps) > 0.5):
            asked = f"{'x'.join(map(str, self._size)) if self._size else 'any size'} at {self._fps or 'any'} fps"
            log.warning(
                "%s: asked for %s, it gives %dx%d at %s fps", self, asked, width, height, given_fps or "unknown"
            )
        return PacketEncoder(width, height, given_fps)

    def _shoot(self) -> Shot | None:
        if self._first is not None:
            shot, self._first = self._first, None
            return shot
        capture = self._capture
        if capture is None:
            return None
        began_s = self._monotonic()
        while True:
            asked_s = self._monotonic()
            try:
                with _quiet:
                    there, bgr = capture.read()
                now_s = self._monotonic()
                if there:
                    return self._shot(capture, bgr, now_s)
            except cv2.error as error:
                raise SourceError(f"{self}: reading failed", SourceFault.LOST) from error
            if self._closed:
                return None
            if now_s - asked_s < _QUICK_S:
                raise SourceError(f"{self}: the device is gone", SourceFault.LOST)
            if now_s - began_s >= self._read_timeout_s:
                raise SourceError(f"{self}: no picture for {now_s - began_s:.1f} s", SourceFault.STALLED)

    def _stop(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _shot(self, capture: Capture, bgr: Any, now_s: float) -> Shot:
        rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
        if self._first_arrival_s is None:
            self._first_arrival_s = now_s
        stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        pts_s = None
        if stamp_s > self._last_stamp_s:  # drivers without time stamps say 0, or the same again
            if self._first_stamp_s is None:
                self._first_stamp_s = stamp_s
            self._last_stamp_s = stamp_s
            pts_s = stamp_s - self._first_stamp_s
        return Shot(rgb, pts_s, now_s - self._first_arrival_s if pts_s is None else pts_s)

    def _wish(self, capture: Capture) -> None:
        """Devices take what they can and ignore the rest."""
        if self._size is not None:
            width, height = self._size
            if width * height > _LARGE_PX:
                capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        if self._fps is not None:
            capture.set(cv2.CAP_PROP_FPS, self._fps)

    def _not_opened(self) -> SourceError:
        path = Path(self._device if isinstance(self._device, str) else f"/dev/video{self._device}")
        if not path.exists():
            return SourceError(
                f"{self}: there is no such device",
                SourceFault.NOT_FOUND,
                advice="check that it is plugged in, and its number: `v4l2-ctl --list-devices` shows those of Linux",
            )
        if not os.access(path, os.R_OK | os.W_OK):
            return SourceError(
                f"{self}: no permission to use {path}",
                SourceFault.UNAUTHORIZED,
                advice="add this user to the group `video` and log in again; in a container, pass the device in",
            )
        return self._in_use()

    def _in_use(self) -> SourceError:
        return SourceError(
            f"{self}: is there but gives no pictures",
            SourceFault.REFUSED,
            advice="close the program that uses it, or try the next number: one may carry no video",
        )


class _Quiet:
    """Keeps OpenCV from writing to stderr what is said in a SourceError; may be entered by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._level = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._level = cv2.utils.logging.getLogLevel()
                cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                cv2.utils.logging.setLogLevel(self._level)


_quiet = _Quiet()
