"""What sources share that make pictures themselves or get them without packets: they encode their own.

Knows the encoder and how a source is closed. Knows nothing of where the pictures come from.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from engine.errors import SourceError, SourceFault
from engine.types import Image
from stream.sources.base import Item, StreamInfo
from stream.sources.encode import PacketEncoder


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: `rgb` is [H, W, 3]; `pts_s` is the stream's own time if it has one; `time_s` is always known."""

    rgb: Image
    pts_s: float | None
    time_s: float


class RawPicture:
    """Fulfils `stream.sources.base.Picture` with pixels that are already RGB."""

    __slots__ = ("_rgb", "is_key", "pts_s")

    def __init__(self, rgb: Image, pts_s: float | None, *, is_key: bool) -> None:
        self._rgb = rgb
        self.is_key = is_key
        self.pts_s = pts_s

    def write_rgb(self, out: Image) -> None:
        height, width = out.shape[:2]
        np.copyto(out, cv2.resize(self._rgb, (width, height), interpolation=cv2.INTER_AREA))


class RawSource(ABC):
    """Fulfils `stream.sources.base.Source`; a subclass says how to start, how to get a shot and how to stop.

    With `keyframes_only` every packet still flows, since each picture is there anyway and clips want it, but
    only key pictures are handed out: one a second. None of the three methods runs beside another, and
    `close` from another thread waits for none: it leaves word, and the iteration ends after the shot in hand.
    """

    live: bool

    def __init__(self) -> None:
        self.keyframes_only = False
        self.dropped: Counter[str] = Counter()
        self._native = threading.Lock()  # held while the reading thread is in a subclass's method or the encoder
        self._closed = False
        self._encoder: PacketEncoder | None = None

    @abstractmethod
    def _start(self) -> PacketEncoder | None:
        """Open and say, in an encoder, what comes; None when closed meanwhile. If it raises, `_stop` is called."""

    @abstractmethod
    def _shoot(self) -> Shot | None:
        """The next picture, or None when it is over; raises SourceError."""

    @abstractmethod
    def _stop(self) -> None:
        """Give everything back, however far `_start` came; may be called again."""

    def open(self) -> StreamInfo:
        with self._native:
            try:
                encoder = None if self._closed else self._start()
                self._encoder = encoder
                if encoder is None or self._closed:
                    raise self._closed_early()
            except BaseException:
                self._dispose()
                raise
            return encoder.info

    def __iter__(self) -> Iterator[Item]:
        encoder = self._encoder
        if encoder is None:
            return
        yield encoder.info
        size: tuple[int, ...] | None = None  # (height, width) of the shots that are encoded
        while True:
            with self._native:
                shot = None if self._closed else self._shoot()
                if self._closed:
                    self._dispose()
                if self._closed or shot is None:
                    return
                changed = size is not None and shot.rgb.shape[:2] != size
                size = height, width = shot.rgb.shape[:2]
                if changed:
                    encoder.close()
                    encoder = self._encoder = PacketEncoder(width, height, encoder.info.announced_fps)
                is_key = encoder.is_key_due(shot.time_s)
                packets = encoder.encode(shot.rgb, shot.time_s)
            if changed:
                yield encoder.info
            yield from packets
            if is_key or not self.keyframes_only:
                yield RawPicture(shot.rgb, shot.pts_s, is_key=is_key)

    def close(self) -> None:
        self._closed = True
        if self._native.acquire(blocking=False):
            try:
                self._dispose()
            finally:
                self._native.release()

    def _closed_early(self) -> SourceError:
        return SourceError(f"{self}: closed while it was opened", SourceFault.LOST)

    def _dispose(self) -> None:
        self._stop()
        if self._encoder is not None:
            self._encoder.close()
