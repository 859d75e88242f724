"""Pictures without packets into packets, so that a clip is cut the same way for every source.

A webcam or a rendered scene has only raw pictures. `PacketEncoder` gives them the packets a network camera
would have sent, with a key frame every second. Knows PyAV; knows nothing of where pictures come from.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType

from engine.types import Image
from stream.remux import describe
from stream.sources.base import EncodedPacket, StreamInfo

log = logging.getLogger(__name__)

# First one that opens wins. All of them give each picture's packet at once, which hardware encoders do not.
# libx264 is missing in LGPL builds of FFmpeg, libopenh264 in most; mpeg4 is FFmpeg's own and always there.
ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "crf": "26", "forced-idr": "1"}),
    ("libopenh264", {"allow_skip_frames": "0"}),
    ("mpeg4", {"qmin": "4", "qmax": "12"}),
)

# Fine enough for any arrival time, exact for the usual frame rates, and mpeg4 takes no finer one than 1/65535.
TIME_BASE = Fraction(1, 60_000)
KEY_INTERVAL_S = 1.0


class PacketEncoder:
    """Encodes one stream of RGB pictures. For one thread.

    Pictures of another size are scaled to the stream's, which is the given one made even, as 4:2:0 needs.
    Without a working encoder there are no packets (and so no clips) but everything else goes on: it is
    logged once, and `info.header` is empty. `fps` only steers the bit rate: time comes with each picture.
    """

    def __init__(self, width: int, height: int, fps: float | None) -> None:
        self._width, self._height = max(width & ~1, 2), max(height & ~1, 2)
        self._fps = fps or 25.0
        self.info = StreamInfo("rawvideo", width, height, TIME_BASE, b"", fps, decoder="raw")
        self._last_ticks = -1
        self._next_key_s = 0.0
        self._container: OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        for name, options in ENCODERS:
            try:
                self._open(name, options)
                break
            except (av.FFmpegError, ValueError) as error:  # ValueError: this build has no such encoder
                log.debug("video encoder %s does not open: %s", name, error)
        else:
            log.warning("no video encoder opens here, so there will be no clips: tried %s", [n for n, _ in ENCODERS])

    def _open(self, name: str, options: dict[str, str]) -> None:
        # FFmpeg's null format: a stream with all its parameters, whose packets go nowhere but to us.
        container = av.open("-", "w", format="null")
        try:
            # The rate tells the encoder its level and bit budget; the time base is set after, as it follows the rate.
            stream = cast(av.VideoStream, container.add_stream(name, rate=Fraction(self._fps).limit_denominator(1001)))
            stream.width, stream.height, stream.pix_fmt = self._width, self._height, "yuv420p"
            context = stream.codec_context
            context.time_base = TIME_BASE
            context.max_b_frames = 0
            context.gop_size = 10_000  # key frames come by time, not by count
            context.thread_count = 1
            context.options = options
            context.flags |= Flags.global_header  # parameter sets out of band: MP4 wants them there
            container.start_encoding()
        except BaseException:
            container.close()
            raise
        self._container, self._stream = container, stream
        self.info = replace(
            self.info,
            codec=context.codec.canonical_name,
            width=self._width,
            height=self._height,
            header=describe(stream),
        )

    def is_key_due(self, time_s: float) -> bool:
        """Whether the picture at this time starts a new second and so becomes a key frame."""
        return time_s >= self._next_key_s

    def encode(self, rgb: Image, time_s: float) -> list[EncodedPacket]:
        """The packets of one [H, W, 3] picture; a time that does not advance is moved on by one tick."""
        is_key = self.is_key_due(time_s)
        if is_key:
            self._next_key_s = time_s + KEY_INTERVAL_S - 0.5 / self._fps
        ticks = max(round(time_s / TIME_BASE), self._last_ticks + 1)
        self._last_ticks = ticks
        if self._stream is None:
            return []
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame = frame.reformat(width=self._width, height=self._height, format="yuv420p")
        frame.pts, frame.time_base = ticks, TIME_BASE
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        try:
            packets = self._stream.encode(frame)
        except av.FFmpegError as error:
            log.warning("the video encoder failed, so there will be no clips from here on: %s", error)
            self.close()
            return []
        duration = round(1 / (self._fps * TIME_BASE))
        return [EncodedPacket(bytes(p), p.pts, p.dts, p.duration or duration, p.is_keyframe) for p in packets]

    def close(self) -> None:
        """Give the encoder back; later pictures give no packets."""
        if self._container is not None:
            self._container.close()
        self._container = self._stream = None
