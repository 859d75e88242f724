"""Tiny CLIP models of random weights, in open_clip's own format, under names that open_clip then knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TINY = "vigil-test-tiny"
OTHER = "vigil-test-other"  # of another size
LENGTH = 16  # of a sentence, in tokens


def _config(width: int) -> dict[str, Any]:
    return {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "patch_size": 8, "width": width, "head_width": 16, "layers": 2},
        "text_cfg": {"context_length": LENGTH, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    }


@pytest.fixture(autouse=True, scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread is enough for tiny models."""
    open_clip = pytest.importorskip("open_clip", reason="needs the vlm extra")
    torch = pytest.importorskip("torch", reason="needs the vlm extra")
    folder = tmp_path_factory.mktemp("models")
    (folder / f"{TINY}.json").write_text(json.dumps(_config(32)))
    (folder / f"{OTHER}.json").write_text(json.dumps(_config(48)))
    open_clip.add_model_config(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def weights(models: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for the model TINY."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    tensors = open_clip.create_model(TINY, load_weights=False).state_dict()
    # Random towers say the same of everything: larger weights make their vectors differ.
    save_file({name: tensor * 4 if "weight" in name else tensor for name, tensor in tensors.items()}, path)
    return path
