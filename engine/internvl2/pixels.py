"""From pictures to the vision model's input, one tile a picture.

`to_pixels` gives to the bit what the authors' pipeline makes, with Pillow on the CPU. `normalised` works on any device;
of pictures of the right size it makes the same. Of others, a value in a thousand is one step of 8 bits off, where
Pillow's rounded weights end up on the other side of a half; in pure noise one in a million is two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from engine import types

# ImageNet's statistics, which the authors' code uses whatever preprocessor_config.json says.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def to_pixels(images: Sequence[Image.Image | types.Image], size_px: int) -> torch.Tensor:
    """Pictures of any size, RGB, as float32 [N, 3, size_px, size_px] on the CPU."""
    batch = torch.empty(len(images), 3, size_px, size_px)
    for row, image in zip(batch, images, strict=True):
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture = picture.convert("RGB").resize((size_px, size_px), Image.Resampling.BICUBIC)
        row.copy_(torch.from_numpy(np.array(picture)).permute(2, 0, 1))  # [H, W, 3] -> [3, H, W]
    return _normalise(batch)


def normalised(images: torch.Tensor, size_px: int) -> torch.Tensor:
    """Pictures of one size, uint8 [N, H, W, 3], as float32 [N, 3, size_px, size_px] on their own device."""
    return _normalise(_squashed(images.permute(0, 3, 1, 2).float(), size_px))


def _squashed(batch: torch.Tensor, size_px: int) -> torch.Tensor:
    """[N, 3, H, W] as [N, 3, size_px, size_px]: one axis after the other and rounded after each, as Pillow does."""
    height, width = batch.shape[2:]
    across, down = (height, size_px), (size_px, width)
    # Pillow begins with the axis that shrinks more; before its version 13 always across.
    first = down if height > max(width, size_px) else across
    for size in (first, (size_px, size_px)):
        if batch.shape[2:] != size:
            batch = interpolate(batch, size, mode="bicubic", antialias=True).add_(0.5).floor_().clamp_(0, 255)
    return batch


def _normalise(batch: torch.Tensor) -> torch.Tensor:
    batch.div_(255)
    # Numbers instead of tensors: making a tensor on a device would wait for it.
    for channel, (mean, std) in enumerate(zip(_MEAN, _STD, strict=True)):
        batch[:, channel].sub_(mean).div_(std)
    return batch
