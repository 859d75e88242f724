from __future__ import annotations

import itertools

import av
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the vlm extra")
pytest.importorskip("PIL", reason="needs the vlm extra")

import torch
from PIL import Image

from engine import types
from engine.internvl2.pixels import normalised, to_pixels
from tests.unit.engine.internvl2.checkpoints import SHARED


@pytest.mark.parametrize(("width", "height"), [(640, 360), (300, 190), (448, 448), (5, 900)])
def test_pixels_are_to_the_bit_those_of_the_authors_pipeline(width: int, height: int) -> None:
    transforms = pytest.importorskip("torchvision.transforms", reason="needs the vlm extra")
    picture = Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))
    pipeline = transforms.Compose(
        [
            transforms.Resize((448, 448), interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    assert torch.equal(to_pixels([picture], 448), pipeline(picture).unsqueeze(0))


def test_arrays_are_taken_like_pictures_and_grey_becomes_rgb() -> None:
    array = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    grey = Image.fromarray(array[..., 0])
    pixels = to_pixels([array, Image.fromarray(array), grey], 28)
    assert pixels.shape == (3, 3, 28, 28)
    assert torch.equal(pixels[0], pixels[1])
    assert torch.equal(pixels[2], to_pixels([grey.convert("RGB")], 28)[0])


def test_a_read_only_array_does_no_harm() -> None:
    array = np.full((30, 30, 3), 255, dtype=np.uint8)
    array.setflags(write=False)
    white = to_pixels([array], 28)[0, :, 0, 0]
    assert torch.allclose(white, torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]))


def test_no_pictures_give_no_tiles() -> None:
    assert to_pixels([], 28).shape == (0, 3, 28, 28)


def steps_between(images: list[types.Image], size_px: int) -> torch.Tensor:
    """By how many steps of 8 bits the fast way differs from Pillow's, for each value."""
    fast = normalised(torch.from_numpy(np.stack(images)), size_px)
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    return ((fast - _in_pillows_order(images, size_px)).abs() * std * 255).round()


def _in_pillows_order(images: list[types.Image], size_px: int) -> torch.Tensor:
    """As `to_pixels` since Pillow 13, and as it by hand before: the axis that shrinks more goes first."""
    height, width = images[0].shape[:2]
    first = (width, size_px) if height > max(width, size_px) else (size_px, height)
    pictures = [Image.fromarray(image).resize(first, Image.Resampling.BICUBIC) for image in images]
    return to_pixels(pictures, size_px)


SIZES = [(640, 360), (300, 190), (190, 300), (448, 448), (1920, 1080), (1080, 1920), (448, 300), (30, 30), (1, 1)]


@pytest.mark.parametrize(("width", "height"), [*SIZES, (5, 900), (3000, 20), (100, 700), (447, 449)])
def test_the_fast_way_is_within_a_step_of_pillows_for_noise(width: int, height: int) -> None:
    noise = np.random.default_rng(width * height).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    steps = steps_between(list(noise), 448)
    assert steps.max() <= 2
    assert (steps > 1).float().mean() < 1e-5
    assert (steps > 0).float().mean() < 0.005


@pytest.mark.parametrize("name", ["ucf_robbery102.mp4", "cctv_door.mp4"])
def test_the_fast_way_is_within_a_step_of_pillows_for_cameras(name: str) -> None:
    path = SHARED.parent / "clips" / name
    if not path.is_file():
        pytest.skip("the clips are not beside the project")
    with av.open(str(path)) as container:
        decoded = itertools.islice(container.decode(video=0), 0, 60, 20)
        frames = [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in decoded]
    assert len(frames) == 3
    assert steps_between(frames, 448).max() <= 1
    assert steps_between([frame[:, :190].copy() for frame in frames], 448).max() <= 1


def test_pillow_itself_takes_the_axes_in_the_order_that_the_tests_think() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    assert torch.equal(_in_pillows_order([noise], 448), to_pixels([noise], 448))
