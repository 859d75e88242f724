"""What holds around every pass on a device, how pictures get there, and what its loss is called. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from engine.errors import DeviceLostError
from engine.internvl2.files import one_line
from engine.types import Image

_LOST = "CUDA error"  # how torch begins what CUDA says; after nearly all of it no pass goes well any more
_MEMORY = ("out of memory", "ALLOC_FAILED", "DefaultCPUAllocator")  # but after these


@contextmanager
def at_work() -> Iterator[None]:
    """Without gradients, without cuDNN's attention, and with DeviceLostError where torch says that CUDA is dead.

    cuDNN's kernel is planned anew for each shape, for up to half a second; here the number of windows and the length
    of what was written differ from pass to pass. The other kernels take any shape as it comes.
    """
    before = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        with loss_told(), torch.inference_mode():
            yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


@contextmanager
def loss_told() -> Iterator[None]:
    """With DeviceLostError where torch says that CUDA is dead."""
    try:
        yield
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise DeviceLostError(
            f"the model's device is gone: {one_line(error)[:200]}",
            advice="start Vigil again; if this repeats, look at what nvidia-smi and the kernel's log say of it",
        ) from error


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether there was not enough memory, whoever says so: torch, CUDA, or one of its libraries."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _MEMORY)


def uploaded(images: Sequence[Image], device: torch.device) -> torch.Tensor:
    """Pictures of one size as uint8 [N, H, W, 3] on the device, copied but once before they go there."""
    batch = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.stack(images, out=batch.numpy())
    return batch.to(device, non_blocking=True)


def _is_lost(error: RuntimeError) -> bool:
    if is_out_of_memory(error):
        return False
    return isinstance(error, torch.AcceleratorError) or _LOST in str(error)
