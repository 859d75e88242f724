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
    """FFmpeg's scaler with its tables kept from picture to picture. For one thread, and best for one size.

    With `exact` pictures become RGB first and are then scaled by Pillow, which must be installed: to the bit what
    models were trained with, at many times the cost. docs/performance.md has both in numbers.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self._exact = exact
        self._shrink = VideoReformatter()
        self._convert = VideoReformatter()

    def write_rgb(self, frame: av.VideoFrame, out: Image) -> None:
        """`frame`, squashed to `out`'s [H, W, 3] and upright, as full-range RGB."""
        quarters = round(frame.rotation / 90) % 4
        upright = out if quarters == 0 else np.rot90(out, -quarters)
        height, width = upright.shape[:2]
        if self._exact:
            upright[...] = _bicubic(self._rgb(frame, frame), width, height)
            return
        # Scaled in its own colours first: three bytes a pixel are then made of few pixels, not of many.
        small = self._shrink.reformat(frame, width, height, "yuv420p", threads=1)
        upright[...] = self._rgb(small, frame)

    def _rgb(self, frame: av.VideoFrame, decoded: av.VideoFrame) -> Image:
        """`frame` in its own size and full-range RGB; its colours are those of the `decoded` one."""
        untagged_hd = decoded.colorspace == _UNSPECIFIED and decoded.height >= _HD_HEIGHT_PX
        rgb = self._convert.reformat(
            frame, format="rgb24", src_colorspace=Colorspace.ITU709 if untagged_hd else None, threads=1
        )
        plane = rgb.planes[0]
        shape, strides = (rgb.height, rgb.width, 3), (plane.line_size, 3, 1)
        return np.ndarray(shape, np.uint8, memoryview(plane), strides=strides)  # keeps its frame alive


def _bicubic(image: Image, width: int, height: int) -> Image:
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BICUBIC))


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
