"""The cameras' newest pictures as JPEGs, each encoded once for all who look. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import cv2
import numpy as np

from stream.console.side_thread import SideThread
from stream.console.view import CameraNow
from stream.evidence.snapshot import encode_jpeg, unsquash
from stream.preview import Preview, Shown

LOOK_EVERY_S, LOOKS = 0.04, 15  # for a fresh picture; after that the last one has to do
KEPT = 64  # encoded pictures, of all cameras and sizes
QUALITY = 80


class Pictures:
    """For one event loop; `thread` encodes."""

    def __init__(self, thread: SideThread) -> None:
        self._thread = thread
        self._encoded: OrderedDict[tuple[str, int], tuple[Shown, asyncio.Future[bytes]]] = OrderedDict()

    async def newest(self, camera: CameraNow, width: int) -> tuple[str, bytes] | None:
        """A tag that is the picture's own, and its JPEG, at most `width` wide; None while there is none."""
        shown = await _newest(camera.preview)
        if shown is None:
            return None
        key = (camera.name, width)
        before = self._encoded.get(key)
        if before is None or before[0] is not shown:
            encoding = self._thread.begin(lambda: _encode(shown, camera.size, width))
            before = self._encoded[key] = (shown, asyncio.wrap_future(encoding))
        self._encoded.move_to_end(key)
        while len(self._encoded) > KEPT:
            self._encoded.popitem(last=False)
        return f"{shown.time_s:.3f}-{width}-{shown.squashed:d}", await asyncio.shield(before[1])


async def _newest(preview: Preview) -> Shown | None:
    for _ in range(LOOKS):
        if (shown := preview.fresh()) is not None:
            return shown
        await asyncio.sleep(LOOK_EVERY_S)
    return preview.last()


def _encode(shown: Shown, size: tuple[int, int], width: int) -> bytes:
    image = unsquash(shown.image, size) if shown.squashed else shown.image
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return encode_jpeg(image, QUALITY)
