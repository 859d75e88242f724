"""From pictures to the vision model's input, to the bit what the authors' pipeline makes. One tile a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

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


def normalised(images: torch.Tensor) -> torch.Tensor:
    """Pictures of the right size, uint8 [N, S, S, 3], as float32 [N, 3, S, S] on their own device."""
    return _normalise(images.permute(0, 3, 1, 2).float())


def _normalise(batch: torch.Tensor) -> torch.Tensor:
    batch.div_(255)
    # Numbers instead of tensors: making a tensor on a device would wait for it.
    for channel, (mean, std) in enumerate(zip(_MEAN, _STD, strict=True)):
        batch[:, channel].sub_(mean).div_(std)
    return batch
