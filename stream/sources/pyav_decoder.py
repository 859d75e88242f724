"""Turns packets into frames with as little work as is right: key frames only, or without unreferenced ones.

Knows PyAV's decoders. Knows nothing of where packets come from, nor what becomes of the frames.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import av
from av.video.codeccontext import VideoCodecContext

from stream.sources.base import seconds
from stream.sources.pyav_errors import Foreign

log = logging.getLogger(__name__)

KEYLESS_PACKETS = 600  # a stream that has marked no key frame by then refreshes itself in another way

_SPAN_S = 2.0
_MARGIN = 1.5
_SKIPPED_SHARE = 0.9  # fewer pictures than this per packet: some were skipped


class PacketDecoder:
    """One stream's decoder. It begins with a key frame, and never decodes what refers to a missing picture.

    `corrupt_packets` counts those it refused; `failing_s` is for how long it has refused all.
    """

    def __init__(
        self,
        context: VideoCodecContext,
        *,
        skip_unreferenced: bool,
        wanted_fps: float,
        camera: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._monotonic = monotonic
        self._log_extra = {"camera": camera}
        self._thrift: Thrift | None = None
        if skip_unreferenced:
            self._thrift = Thrift(_MARGIN * wanted_fps)
            context.skip_frame = "NONREF"
        self._begun = False  # a key frame has come, or none is to be expected
        self._intact = False  # the context has got every packet since a key frame
        self._forced: av.Packet[av.VideoStream] | None = None  # the key packet before, if drained for its picture
        self._shown_pts: int | None = None  # pictures up to here were given before
        self._keyless = 0  # packets while not begun
        self._failing_since_s: float | None = None
        self.failing_s = 0.0
        self.corrupt_packets = 0
        self.pictures = 0

    def decode(self, packet: av.Packet[av.VideoStream], *, keyframes_only: bool) -> list[av.VideoFrame]:
        """The pictures that this packet completes; none when it is left out.

        When `keyframes_only` is given up right after a key picture, decoding goes on from there; else with
        the next key frame.
        """
        if packet.is_keyframe:
            self._begun = True
            self._keyless = 0
        elif not self._begun:
            self._keyless += 1
            if self._keyless < KEYLESS_PACKETS:
                return []
            log.info("the stream marks no key frames: decoding all", extra=self._log_extra)
            self._begun = True
        elif not self._keyless and (keyframes_only or not (self._intact or self._forced)):
            self._intact, self._forced = False, None
            return []
        if not self._intact:
            self._flush()
            if self._forced and not packet.is_keyframe:
                self._attempt(self._forced)
        self._intact, self._forced = True, None
        frames = self._attempt(packet)
        if self._shown_pts is not None:
            frames = [frame for frame in frames if frame.pts is None or frame.pts > self._shown_pts]
            self._shown_pts = None if frames else self._shown_pts
        if keyframes_only and not frames and packet.is_keyframe:
            frames = self._attempt(None)  # it waits for later packets, to reorder their pictures: none may come
            self._intact, self._forced = False, packet
            self._shown_pts = frames[-1].pts if frames else None
        elif self._thrift is not None and not keyframes_only and self._thrift.leaves_too_few(_time_s(packet), frames):
            log.info("skipping unreferenced pictures leaves too few: decoding all", extra=self._log_extra)
            self._thrift = None
            self._context.skip_frame = "DEFAULT"
        return frames

    def drain(self) -> list[av.VideoFrame]:
        """The pictures that are still held back, at the stream's end or before it changes."""
        frames = self._attempt(None) if self._intact else []
        self._intact = False
        return frames

    def _attempt(self, packet: av.Packet[av.VideoStream] | None) -> list[av.VideoFrame]:
        try:
            frames = self._context.decode(packet)
        except Foreign:
            self.corrupt_packets += 1
            now_s = self._monotonic()
            if self._failing_since_s is None:
                self._failing_since_s = now_s
            self.failing_s = now_s - self._failing_since_s
            return []
        if frames:
            self.pictures += len(frames)
            self._failing_since_s = None
            self.failing_s = 0.0
        return frames

    def _flush(self) -> None:
        if self._context.is_open:
            depth = self._context.reorder_depth
            self._context.flush_buffers()
            self._context.reorder_depth = depth  # forgotten by the flush; pictures would be lost until it is found


class Thrift:
    """Tells when skipping unreferenced pictures leaves too few: some cameras reference hardly any."""

    def __init__(self, enough_fps: float) -> None:
        self._enough_fps = enough_fps
        self._restart(None)

    def leaves_too_few(self, time_s: float | None, frames: list[av.VideoFrame]) -> bool:
        """Take note of a packet and what it gave; judges once every two seconds of stream."""
        self._packets += 1
        self._pictures += len(frames)
        if time_s is None:
            return False
        if self._since_s is None or not 0 <= time_s - self._since_s < 5 * _SPAN_S:
            self._restart(time_s)
            return False
        span_s = time_s - self._since_s
        if span_s < _SPAN_S:
            return False
        skipped = self._pictures < _SKIPPED_SHARE * self._packets
        too_few = self._pictures < self._enough_fps * span_s
        self._restart(time_s)
        return skipped and too_few

    def _restart(self, time_s: float | None) -> None:
        self._since_s = time_s
        self._packets = 0
        self._pictures = 0


def _time_s(packet: av.Packet[av.VideoStream]) -> float | None:
    ticks = packet.pts if packet.dts is None else packet.dts
    return None if ticks is None else seconds(ticks, packet.time_base)
