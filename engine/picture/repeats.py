"""Tells a frozen picture from a still scene: whether the very same pictures come again and again.

A sensor's noise, a clock in the picture or the least motion make every picture new, and at the latest every key
frame. A frozen one gives the same few pictures again: a key frame and those an encoder refines it with. An encoder
that gives the same picture another quality each time hides that it is frozen; and a scene that is drawn, not
filmed, may be truly still and looks frozen.
"""

from __future__ import annotations

import zlib
from collections import deque

import cv2
import numpy as np

from engine.types import Image

REMEMBERED = 256  # pictures: half a minute at the usual rate, longer than the groups of pictures of most cameras
ALIKE = 16  # grey levels by which a refined picture may differ from the one before; in a loop of film more changes
KEYS = 2  # key pictures that must have come since: between them an encoder may repeat a picture that is not frozen


class Repeats:
    """Push every sampled picture of one camera, in order."""

    def __init__(self) -> None:
        self._known: deque[int] = deque(maxlen=REMEMBERED)
        self._last: Image | None = None
        self._keys = 0  # count of key pictures when the last new picture came

    def push(self, image: Image, keys: int) -> bool:
        """Whether nothing new has come for `KEYS` key pictures; `keys` counts all of the camera so far."""
        digest = zlib.crc32(image.tobytes())
        alike = self._last is not None and cv2.norm(image, self._last, cv2.NORM_INF) <= ALIKE
        if not alike or digest not in self._known:
            self._keys = keys
            self._known.append(digest)
        if self._last is None:
            self._last = np.empty_like(image)
        np.copyto(self._last, image)
        return keys - self._keys >= KEYS
