"""A decoded picture that becomes RGB only when asked for.

Knows FFmpeg's frames: their colours, ranges and rotation. Knows nothing of packets or sources.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from engine.types import Image
from stream.sources.base import seconds

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_HD_HEIGHT_PX = 720  # from here on untagged colours are BT.709, as players take them; below BT.601


class Scaler:
    """FFmpeg's scaler with its tables kept from picture to picture. For one thread, and best for one size."""

    def __init__(self) -> None:
        self._shrink = VideoReformatter()
        self._convert = VideoReformatter()

    def write_rgb(self, frame: av.VideoFrame, out: Image) -> None:
        """`frame`, squashed to `out`'s [H, W, 3] and upright, as full-range RGB."""
        quarters = round(frame.rotation / 90) % 4
        upright = out if quarters == 0 else np.rot90(out, -quarters)
        height, width = upright.shape[:2]
        # Scaled in its own colours first: three bytes a pixel are then made of few pixels, not of many.
        small = self._shrink.reformat(frame, width, height, "yuv420p", threads=1)
        untagged_hd = frame.colorspace == _UNSPECIFIED and frame.height >= _HD_HEIGHT_PX
        rgb = self._convert.reformat(
            small, format="rgb24", src_colorspace=Colorspace.ITU709 if untagged_hd else None, threads=1
        )
        plane = rgb.planes[0]
        upright[...] = np.ndarray((height, width, 3), np.uint8, memoryview(plane), strides=(plane.line_size, 3, 1))


class DecodedPicture:
    """Fulfils `stream.sources.base.Picture`. To be written on the thread that reads its source."""

    __slots__ = ("_frame", "_scaler", "is_key", "pts_s")

    def __init__(self, frame: av.VideoFrame, time_base: Fraction, scaler: Scaler) -> None:
        self._frame = frame
        self._scaler = scaler
        self.is_key: bool = frame.key_frame
        # Not `frame.time`: that is NaN for what a decoder gives when it is drained.
        self.pts_s: float | None = None if frame.pts is None else seconds(frame.pts, time_base)

    def write_rgb(self, out: Image) -> None:
        self._scaler.write_rgb(self._frame, out)
