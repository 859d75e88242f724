from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the vlm extra")

import torch

from engine.errors import DeviceLostError
from engine.internvl2.device import at_work


def accelerator_error(text: str) -> RuntimeError:
    error: RuntimeError = torch.AcceleratorError(text)
    return error


@pytest.mark.parametrize(
    "error",
    [
        accelerator_error("CUDA error: an illegal memory access was encountered\nFor debugging consider ..."),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm(...)"),
    ],
)
def test_a_dead_device_is_said_in_one_line_with_what_to_do(error: RuntimeError) -> None:
    with (
        pytest.raises(DeviceLostError, match=r"device is gone: CUDA error: .*: start Vigil again") as caught,
        at_work(),
    ):
        raise error
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error
    assert caught.value.exit_code == 75


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        accelerator_error("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("shape '[2, 3]' is invalid for input of size 5"),
        ValueError("CUDA error"),
    ],
)
def test_what_a_device_survives_is_left_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, at_work():
        raise error
    assert caught.value is error


@pytest.mark.parametrize("before", [True, False])
def test_at_work_keeps_no_gradients_and_uses_no_kernel_that_is_planned_for_a_shape(before: bool) -> None:
    was = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(before)
    try:
        with at_work():
            assert torch.is_inference_mode_enabled()
            assert not torch.backends.cuda.cudnn_sdp_enabled()
        assert not torch.is_inference_mode_enabled()
        assert torch.backends.cuda.cudnn_sdp_enabled() is before
    finally:
        torch.backends.cuda.enable_cudnn_sdp(was)
