"""What the language model gets to see of frames: computed once per frame, whatever the windows that it is in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch

from engine.errors import ScorerError
from engine.internvl2.load import InternVL2
from engine.internvl2.pixels import normalised
from engine.types import Frame, Window


class FrameFeatures:
    """Remembers the features of at most `limit` frames, of each camera only those that a coming window can hold."""

    def __init__(self, internvl2: InternVL2, limit: int) -> None:
        self._internvl2 = internvl2
        self._limit = limit
        # camera -> (segment, slot) -> [T, D]; the camera that was seen longest ago is first
        self._cameras: OrderedDict[str, dict[tuple[int, int], torch.Tensor]] = OrderedDict()
        self.computed = 0  # frames so far

    def __len__(self) -> int:
        return sum(map(len, self._cameras.values()))

    def of(self, windows: Sequence[Window]) -> torch.Tensor:
        """Windows of n frames each, with T features a frame, as [B, n * T, D]."""
        frames = {_key(frame): frame for window in windows for frame in window.frames}
        found = {key: kept for key in frames if (kept := self._kept(key)) is not None}
        missing = [frame for key, frame in frames.items() if key not in found]
        if missing:
            for frame, features in zip(missing, self._encode(missing), strict=True):
                found[_key(frame)] = features.clone()  # a view would hold all frames of its batch in memory
        # [B * n, T, D]
        stacked = torch.stack([found[_key(frame)] for window in windows for frame in window.frames])
        self._keep(found, windows)
        return stacked.view(len(windows), -1, stacked.shape[-1])

    def forget(self, camera: str) -> None:
        self._cameras.pop(camera, None)

    def clear(self) -> None:
        self._cameras.clear()

    def _kept(self, key: tuple[str, int, int]) -> torch.Tensor | None:
        camera, segment, slot = key
        return self._cameras.get(camera, {}).get((segment, slot))

    def _encode(self, frames: Sequence[Frame]) -> torch.Tensor:
        side, device = self._internvl2.image_size_px, self._internvl2.model.device
        if any(frame.image.shape != (side, side, 3) for frame in frames):
            raise ScorerError(f"a frame is not of {side} x {side} pixels", advice="give frames at the scorer's size")
        images = torch.from_numpy(np.stack([frame.image for frame in frames]))  # [N, S, S, 3] uint8
        if device.type == "cuda":
            images = images.pin_memory().to(device, non_blocking=True)
        self.computed += len(frames)
        return self._internvl2.image_features(normalised(images))

    def _keep(self, found: dict[tuple[str, int, int], torch.Tensor], windows: Sequence[Window]) -> None:
        for (camera, segment, slot), features in found.items():
            self._cameras.setdefault(camera, {})[segment, slot] = features
        for window in windows:  # in time order for each camera: no coming one begins before it
            first = (window.frames[0].segment, window.frames[0].slot)
            kept = self._cameras[window.camera]
            self._cameras[window.camera] = {place: features for place, features in kept.items() if place >= first}
            self._cameras.move_to_end(window.camera)
        excess = len(self) - self._limit
        while excess > 0:
            camera, kept = next(iter(self._cameras.items()))
            for place in sorted(kept)[:excess]:
                del kept[place]
                excess -= 1
            if not kept:
                del self._cameras[camera]


def _key(frame: Frame) -> tuple[str, int, int]:
    return frame.camera, frame.segment, frame.slot
