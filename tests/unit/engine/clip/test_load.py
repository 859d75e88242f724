from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("open_clip", reason="needs the vlm extra")

import open_clip
import torch
from safetensors.torch import load_file, save_file

from engine.clip.load import load_aligner
from engine.clip.weights import ClipWeights, hub_file, published
from engine.errors import CheckpointError, ScorerError, UsageError
from tests.unit.engine.clip.conftest import OTHER, TINY
from tests.unit.engine.internvl2.windows import window

CPU = torch.device("cpu")
TEXTS = ["a man runs", "a car stops"]


def load(path: Path, model: str = TINY, tag: str = "") -> object:
    return load_aligner(ClipWeights(model, path, tag), dtype=torch.float32, device=CPU)


@pytest.fixture
def tagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if open_clip knew published weights of the tiny model, trained as OpenAI's were but with other colours."""
    known = {"openai": {"hf_hub": "a/b/", "quick_gelu": True, "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, TINY, known)


def test_published_weights_get_the_activation_and_the_colours_they_were_trained_with(
    weights: Path, tagged: None
) -> None:
    aligner = load_aligner(ClipWeights(TINY, weights, "openai"), dtype=torch.float32, device=CPU)
    plain = load_aligner(ClipWeights(TINY, weights), dtype=torch.float32, device=CPU)
    reference, _, _ = open_clip.create_model_and_transforms(TINY, pretrained=str(weights), force_quick_gelu=True)
    with torch.no_grad():
        expected = reference.eval().encode_text(open_clip.get_tokenizer(TINY)(TEXTS), normalize=True).numpy()
    assert np.abs(aligner.embed(TEXTS) - expected).max() < 1e-5
    assert np.abs(plain.embed(TEXTS) - expected).max() > 1e-4
    with torch.no_grad():
        images = torch.stack([torch.from_numpy(frame.image.copy()) for frame in window(32).frames])
        features = reference.encode_image((images.permute(0, 3, 1, 2) / 255 - 0.5) / 0.25, normalize=True).mean(0)
    assert np.abs(aligner.look([window(32)])[0] - (features / features.norm()).numpy()).max() < 1e-5


def test_the_default_weights_are_known_to_need_quickgelu() -> None:
    assert published("ViT-B-16", "openai")["quick_gelu"] is True
    assert hub_file("ViT-B-16", "openai") == ("timm/vit_base_patch16_clip_224.openai", "open_clip_model.safetensors")


def test_a_safetensors_file_is_asked_for_where_a_pickle_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, TINY, {"old": {"hf_hub": "some/where/pytorch_model.bin"}})
    assert hub_file(TINY, "old") == ("some/where", "pytorch_model.safetensors")


def test_loading_asks_no_network_and_warns_of_nothing(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    import socket

    caplog.set_level(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(socket, "socket", None)
        patch.setattr(socket, "getaddrinfo", None)
        load(weights)
    assert caplog.records == []


def test_the_model_takes_no_gradients_and_does_not_train(weights: Path) -> None:
    aligner = load_aligner(ClipWeights(TINY, weights), dtype=torch.float32, device=CPU)
    model = aligner._clip
    assert isinstance(model, torch.nn.Module)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_nearly_the_same_vectors(weights: Path, dtype: torch.dtype) -> None:
    half = load_aligner(ClipWeights(TINY, weights), dtype=dtype, device=CPU)
    full = load_aligner(ClipWeights(TINY, weights), dtype=torch.float32, device=CPU)
    assert half.embed(TEXTS).dtype == np.float32
    assert (half.embed(TEXTS) * full.embed(TEXTS)).sum(1) == pytest.approx(1, abs=0.02)
    assert (half.look([window(32)]) * full.look([window(32)])).sum() == pytest.approx(1, abs=0.02)


def test_the_real_architecture_takes_its_weights(tmp_path: Path) -> None:
    """ViT-B-16 with random ones: shapes only."""
    path = tmp_path / "random.safetensors"
    tensors = open_clip.create_model("ViT-B-16", load_weights=False).state_dict()
    save_file({name: tensor.half() for name, tensor in tensors.items()}, path)
    del tensors
    try:
        aligner = load_aligner(ClipWeights("ViT-B-16", path, "openai"), dtype=torch.float32, device=CPU)
    finally:
        path.unlink()
    assert aligner.look([window(448, frames=2)]).shape == (1, 512)
    assert aligner.embed(TEXTS).shape == (2, 512)


def test_a_file_of_another_model_is_refused_with_the_shape_that_is_wrong(weights: Path) -> None:
    with pytest.raises(CheckpointError, match=r"size mismatch for .*shape torch\.Size") as caught:
        load(weights, OTHER)
    assert OTHER in caught.value.message
    assert str(weights) in caught.value.message
    assert "\n" not in str(caught.value)


def test_a_file_of_another_format_is_refused(weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "transformers.safetensors"
    save_file({f"vision_model.{name}": tensor for name, tensor in load_file(weights).items()}, other)
    with pytest.raises(CheckpointError, match=r"other tensors than the model.*open_clip's own format") as caught:
        load(other)
    assert len(str(caught.value)) < 500


def test_a_damaged_file_is_refused(weights: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(weights.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match=r"can't be loaded from .*fetch the file again") as caught:
        load(cut)
    assert "\n" not in str(caught.value)


def test_pickles_are_refused_unopened(tmp_path: Path) -> None:
    pickle = tmp_path / "ViT-B-16.pt"
    pickle.write_bytes(b"anything")
    with pytest.raises(CheckpointError, match="can run code when opened"):
        load(pickle)


def test_a_missing_file_an_unknown_model_and_unknown_weights_are_told(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="are not there"):
        load(tmp_path / "no.safetensors")
    with pytest.raises(UsageError, match=r"no model 'vigil-test-tny'.*vigil-test-tiny"):
        load(weights, "vigil-test-tny")
    with pytest.raises(UsageError, match="no model 'hf-hub:somebody/something'"):
        load(weights, "hf-hub:somebody/something")
    with pytest.raises(
        UsageError, match=r"'opnai' is no file here and no published weights of CLIP's ViT-B-16.*openai"
    ):
        published("ViT-B-16", "opnai")
    with pytest.raises(UsageError, match="float64"):
        load_aligner(ClipWeights(TINY, weights), dtype=torch.float64, device=CPU)


def test_a_device_without_room_or_that_is_not_there_is_told(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="can't be loaded"):
        load_aligner(ClipWeights(TINY, weights), dtype=torch.float32, device=torch.device("cuda:77"))

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(open_clip, "create_model", full)
    with pytest.raises(ScorerError, match="does not fit on cpu"):
        load(weights)
