"""A camera that somebody publishes to. Knows its door; knows nothing of how pictures get there."""

from __future__ import annotations

import logging
import time
from collections import Counter

import av
import numpy as np

from engine.errors import SourceError, SourceFault
from stream.sources.encode import PacketEncoder
from stream.sources.raw import RawSource, Shot
from stream.webrtc.door import Door, Incoming

log = logging.getLogger(__name__)

SLICE_S = 0.25  # how soon a source that waits notices that it is closed


class WebRtcSource(RawSource):
    """Fulfils `stream.sources.base.Source`. `open` waits for a publisher's first picture, however long that takes."""

    live = True

    def __init__(self, name: str, door: Door, read_timeout_s: float) -> None:
        super().__init__()
        self._name = name
        self._door = door
        self._read_timeout_s = read_timeout_s
        self._incoming: Incoming | None = None
        self._counted: Counter[str] = Counter()  # of what it dropped
        self._first: Shot | None = None
        self._first_came_s = 0.0

    def __repr__(self) -> str:
        return f"WebRtcSource({self._name!r})"

    def __str__(self) -> str:
        return f"publisher {self._name}"

    def _start(self) -> PacketEncoder | None:
        while not self._closed:
            incoming = self._door.wait(SLICE_S)
            if incoming is None:
                continue
            try:
                picture = incoming.take(SLICE_S)
            except SourceError as error:  # this one gave up before it sent anything: wait for the next
                log.info("%s", error)
                continue
            if picture is not None:
                self._incoming, self._counted, self._first_came_s = incoming, Counter(), time.monotonic()
                self._first = self._shot(picture)
                height, width = self._first.rgb.shape[:2]
                return PacketEncoder(width, height, None)
        return None

    def _shoot(self) -> Shot | None:
        self._count_drops()
        if self._first is not None:
            shot, self._first = self._first, None
            return shot
        incoming, began_s = self._incoming, time.monotonic()
        while incoming is not None and not self._closed:
            picture = incoming.take(SLICE_S)
            if picture is not None:
                return self._shot(picture)
            silent_s = time.monotonic() - began_s
            if silent_s >= self._read_timeout_s:
                raise SourceError(f"{self}: no picture for {silent_s:.1f} s", SourceFault.STALLED)
        return None

    def _stop(self) -> None:
        self._count_drops()
        if self._incoming is not None and self._counted:
            log.info("%s: pictures that were left out: %s", self, dict(self._counted))
        self._incoming = None

    def _count_drops(self) -> None:
        if self._incoming is not None:
            so_far = Counter(dict(self._incoming.dropped))  # a copy: others go on counting
            self.dropped.update(so_far - self._counted)
            self._counted = so_far

    def _shot(self, picture: av.VideoFrame) -> Shot:
        rgb = np.asarray(picture.to_ndarray(format="rgb24"), np.uint8)
        came_s = time.monotonic() - self._first_came_s
        return Shot(rgb, picture.time, came_s if picture.time is None else picture.time)
