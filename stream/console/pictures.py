"""The cameras' newest pictures as JPEGs, each encoded once for all who look. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

import cv2
import numpy as np

from stream.console.view import CameraNow
from stream.evidence.snapshot import encode_jpeg, unsquash
from stream.preview import Preview, Shown
from stream.side_thread import SideThread

LOOK_EVERY_S, LOOKS = 0.03, 20  # for a fresh picture; after that the last one has to do
KEPT = 256  # encoded pictures, of all cameras and sizes
QUALITY = 80


@dataclass(frozen=True, slots=True)
class Jpeg:
    """`tag` is the picture's own, `data` is None for who has it, and `time_s` is when it was taken."""

    tag: str
    data: bytes | None
    time_s: float


class Pictures:
    """For one event loop; `thread` encodes."""

    def __init__(self, thread: SideThread) -> None:
        self._thread = thread
        self._encoded: OrderedDict[tuple[str, int], tuple[str, asyncio.Future[bytes]]] = OrderedDict()  # with its tag

    async def newest(self, camera: CameraNow, width: int, known: Collection[str] = ()) -> Jpeg | None:
        """At most `width` wide, and one whose tag is not `known` if that comes soon; None while there is none."""

        def tag_of(shown: Shown) -> str:
            return f"{shown.time_s:.3f}-{width}-{shown.squashed:d}-{camera.name}"

        shown = await _newest(camera.preview, width, lambda shown: tag_of(shown) in known)
        if shown is None:
            return None
        tag = tag_of(shown)
        data = None if tag in known else await self._jpeg(tag, shown, camera, width)
        return Jpeg(tag, data, shown.time_s)

    async def _jpeg(self, tag: str, shown: Shown, camera: CameraNow, width: int) -> bytes:
        """Encoded once for all who want it so wide."""
        key = (camera.name, width)
        newest = self._encoded.get(key)
        if newest is None or newest[0] != tag:
            encoding = self._thread.begin(lambda: _encode(shown, camera.size, width))
            newest = self._encoded[key] = (tag, asyncio.wrap_future(encoding))
        self._encoded.move_to_end(key)
        while len(self._encoded) > KEPT:
            self._encoded.popitem(last=False)
        return await asyncio.shield(newest[1])


async def _newest(preview: Preview, width: int, is_known: Callable[[Shown], bool]) -> Shown | None:
    for _ in range(LOOKS):
        shown = preview.fresh(width)
        if shown is not None:
            if not is_known(shown):
                return shown
            preview.ask(width)
        await asyncio.sleep(LOOK_EVERY_S)
    return preview.last()


def _encode(shown: Shown, size: tuple[int, int], width: int) -> bytes:
    image = unsquash(shown.image, size) if shown.squashed else shown.image
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return encode_jpeg(image, QUALITY)
