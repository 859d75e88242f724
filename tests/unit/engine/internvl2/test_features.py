from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

import torch

from engine.internvl2 import device_memory
from engine.internvl2 import features as features_module
from engine.internvl2.features import FrameFeatures
from engine.internvl2.load import InternVL2
from engine.types import Window
from tests.unit.engine.internvl2.checkpoints import config, loaded, tensors, write
from tests.unit.engine.internvl2.windows import window

SIDE = 28


@pytest.fixture(scope="module")
def internvl2(tmp_path_factory: pytest.TempPathFactory) -> InternVL2:
    values = config("Qwen2ForCausalLM")
    return loaded(write(tmp_path_factory.mktemp("model"), values, tensors(values)))


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def plain(internvl2: InternVL2, windows: Sequence[Window]) -> torch.Tensor:
    """Every frame of every window by itself."""
    each = [
        torch.cat([internvl2.image_features(internvl2.pixels([frame.image]))[0] for frame in window.frames])
        for window in windows
    ]
    return torch.stack(each)


@pytest.mark.parametrize("at_once", [3, 32])
def test_features_are_those_of_each_frame_by_itself_however_many_are_computed_at_once(
    internvl2: InternVL2, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(features_module, "AT_ONCE", at_once)
    windows = [window(SIDE, 0), window(SIDE, 2), window(SIDE, 0, camera="yard"), window(SIDE, 0, segment=1)]
    features = FrameFeatures(internvl2, 100)
    for _ in range(2):  # computed, then remembered
        found = features.of(windows)
        assert found.shape == (4, 4 * internvl2.tokens_per_tile, 48)
        assert (found - plain(internvl2, windows)).abs().max() < 2e-5
    assert found.std() > 0.01


def test_what_is_remembered_is_bounded_by_the_memory_that_is_left_and_given_up_when_there_is_none(
    internvl2: InternVL2, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = internvl2.tokens_per_tile * 48 * 4
    monkeypatch.setattr(device_memory, "available_bytes", lambda device: 4 * 3 * each)
    features = FrameFeatures(internvl2, 100)
    features.of([window(SIDE, 0)])
    assert len(features) == 3  # of four: a quarter of what is left
    assert features.make_room()
    assert len(features) == 0
    assert not features.make_room()


def test_a_frame_is_computed_once_whatever_the_windows_that_it_is_in(internvl2: InternVL2) -> None:
    features = FrameFeatures(internvl2, 100)
    features.of([window(SIDE, 0), window(SIDE, 2), window(SIDE, 0, camera="yard")])
    assert features.computed == 6 + 4
    features.of([window(SIDE, 3)])
    assert features.computed == 6 + 4 + 1
    features.of([window(SIDE, 3, segment=1)])
    assert features.computed == 6 + 4 + 1 + 4


def test_frames_that_no_coming_window_can_hold_are_given_up(internvl2: InternVL2) -> None:
    features = FrameFeatures(internvl2, 100)
    for first in range(0, 40, 2):
        features.of([window(SIDE, first), window(SIDE, first, camera="yard")])
        assert len(features) == 8
    features.of([window(SIDE, 0, segment=1)])
    assert len(features) == 8
    features.forget("yard")
    assert len(features) == 4
    features.clear()
    assert len(features) == 0


def test_memory_is_bounded_and_what_was_given_up_is_computed_again(internvl2: InternVL2) -> None:
    features = FrameFeatures(internvl2, 6)
    windows = [window(SIDE, 0, camera=f"camera-{number}") for number in range(5)]
    for _ in range(3):
        assert (features.of(windows) - plain(internvl2, windows)).abs().max() < 2e-5
        assert len(features) == 6
    none = FrameFeatures(internvl2, 0)
    assert (none.of(windows) - plain(internvl2, windows)).abs().max() < 2e-5
    assert len(none) == 0


def test_what_is_remembered_holds_no_more_memory_than_its_own(internvl2: InternVL2) -> None:
    features = FrameFeatures(internvl2, 100)
    features.of([window(SIDE, 0, camera=f"camera-{number}") for number in range(5)])
    kept = [each for camera in features._cache._cameras.values() for each in camera.values()]
    assert len(kept) == 20
    assert all(each.untyped_storage().nbytes() == each.numel() * each.element_size() for each in kept)


def test_frames_of_any_size_are_squashed_to_the_models(internvl2: InternVL2) -> None:
    windows = [window(56), window(SIDE, camera="yard"), window(20, camera="door")]
    found = FrameFeatures(internvl2, 100).of(windows)
    assert (found[1] - plain(internvl2, windows)[1]).abs().max() < 2e-5
    assert (found - plain(internvl2, windows)).abs().max() < 0.01  # a step of 8 bits in some pixels


def test_a_window_that_was_scored_before_is_served_and_changes_nothing(internvl2: InternVL2) -> None:
    features = FrameFeatures(internvl2, 9)
    features.of([window(SIDE, 6), window(SIDE, 6, camera="yard")])
    kept = {name: dict(camera) for name, camera in features._cache._cameras.items()}
    for old in (window(SIDE, 4), window(SIDE, 0, camera="yard"), window(SIDE, 0, camera="gone")):
        assert (features.of([old], keep=False) - plain(internvl2, [old])).abs().max() < 2e-5
    assert features.computed == 8 + 2 + 4 + 4
    assert list(features._cache._cameras) == list(kept)
    assert all(features._cache._cameras[name] == camera for name, camera in kept.items())


def test_the_size_of_the_checkpoint_is_a_path_of_pixels_equal_to_the_bit(internvl2: InternVL2, tmp_path: Path) -> None:
    from engine.internvl2.pixels import normalised, to_pixels

    images = [frame.image.copy() for frame in window(SIDE).frames]
    stacked = torch.stack([torch.from_numpy(image) for image in images])
    assert torch.equal(normalised(stacked, SIDE), to_pixels(images, SIDE))
