"""Events' snapshots for the page: with their boxes or without, and small ones. Knows files, no HTTP."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import cv2
import numpy as np

from stream.console.pictures import QUALITY
from stream.evidence.paths import CLEAN, evidence_file
from stream.feed.messages import AlertMessage

KEPT = 512  # small pictures, of some kilobytes each


class Snapshots:
    """For any thread, but not for an event loop."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock = Lock()
        self._small: OrderedDict[str, bytes] = OrderedDict()  # by tag

    def read(
        self, alert: AlertMessage, *, width: int | None, boxes: bool, known: Collection[str]
    ) -> tuple[str, bytes] | None:
        """A tag that is the picture's own, and the picture, `width` wide at most. None when there is none.

        Without `boxes` those of the event are not drawn in it. For a tag that is `known` there are no bytes.
        """
        if alert.snapshot is None:
            return None
        try:
            drawn = Path(alert.snapshot)
            path = evidence_file(self._data, drawn if boxes or not alert.boxes else drawn.with_suffix(CLEAN))
            if path is None:
                return None
            with path.open("rb") as file:  # what is written meanwhile is another file
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    return None
                tag = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}-{width or 0}"
                if tag in known:
                    return tag, b""
                return tag, file.read() if width is None else self._small_one(tag, file, width)
        except (OSError, ValueError):  # no such file, or no such path
            return None

    def _small_one(self, tag: str, file: BinaryIO, width: int) -> bytes:
        with self._lock:
            kept = self._small.get(tag)
        if kept is not None:
            return kept
        jpeg = _shrunk(file.read(), width)
        with self._lock:
            self._small[tag] = jpeg
            while len(self._small) > KEPT:
                self._small.popitem(last=False)
        return jpeg


def _shrunk(jpeg: bytes, width: int) -> bytes:
    """Made smaller, never larger; what can't be read stays as it is."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape[1] <= width:
        return jpeg
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return encoded.tobytes() if done else jpeg
