from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the vlm extra")
pytest.importorskip("PIL", reason="needs the vlm extra")

import torch
from PIL import Image

from engine.internvl2.pixels import to_pixels


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
