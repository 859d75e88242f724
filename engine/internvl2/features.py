"""What the language model gets to see of frames: computed once per frame, whatever the windows that it is in."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

import torch

from engine.frame_cache import FrameCache
from engine.internvl2 import device_memory
from engine.internvl2.device import uploaded
from engine.internvl2.load import InternVL2
from engine.internvl2.pixels import normalised
from engine.types import Frame, Window

_log = logging.getLogger(__name__)

AT_ONCE = 32  # frames in one pass: while a device works on them, the next ones are copied


class FrameFeatures:
    """Computes features of frames of any size, and remembers those of at most `limit` frames.

    What it remembers takes up to a quarter of the device's memory that is left when it is made.
    """

    def __init__(self, internvl2: InternVL2, limit: int) -> None:
        self._internvl2 = internvl2
        self._cache: FrameCache[torch.Tensor] = FrameCache(min(limit, _room(internvl2)))  # of [T, D]
        self.computed = 0  # frames so far

    def __len__(self) -> int:
        return len(self._cache)

    def of(self, windows: Sequence[Window], *, keep: bool = True) -> torch.Tensor:
        """Windows of n frames each, with T features a frame, as [B, n * T, D].

        Without `keep`, for windows that were scored before, what is remembered serves them and stays as it is.
        """
        each = self._cache.of(windows, self._computed, keep=keep)
        stacked = torch.stack([features for window in each for features in window])  # [B * n, T, D]
        return stacked.view(len(windows), -1, stacked.shape[-1])

    def forget(self, camera: str) -> None:
        self._cache.forget(camera)

    def clear(self) -> None:
        self._cache.clear()

    def make_room(self) -> bool:
        """Drop what is remembered; False when that is nothing."""
        if not len(self):
            return False
        _log.warning("out of memory: the features of %d frames are given up", len(self))
        self.clear()
        return True

    def _computed(self, frames: Sequence[Frame]) -> list[torch.Tensor]:
        self.computed += len(frames)
        found: dict[int, torch.Tensor] = {}
        for shape in {frame.image.shape for frame in frames}:
            rows = [row for row, frame in enumerate(frames) if frame.image.shape == shape]
            for start in range(0, len(rows), AT_ONCE):
                some = rows[start : start + AT_ONCE]
                for row, features in zip(some, self._encoded([frames[row] for row in some]), strict=True):
                    found[row] = features.clone()  # a view would hold all frames of its pass in memory
        return [found[row] for row in range(len(frames))]

    def _encoded(self, frames: Sequence[Frame]) -> torch.Tensor:
        """[N, T, D] of frames of one size, whichever it is."""
        images = uploaded([frame.image for frame in frames], self._internvl2.model.device)
        return self._internvl2.image_features(normalised(images, self._internvl2.image_size_px))


def _room(internvl2: InternVL2) -> int:
    """How many frames' features fit into a quarter of what is left of the device's memory."""
    model = internvl2.model
    text: Any = model.config.text_config
    each = internvl2.tokens_per_tile * text.hidden_size * model.dtype.itemsize
    left = device_memory.available_bytes(model.device)
    return sys.maxsize if left is None else left // 4 // each
