from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import CheckpointError, ScorerError
from engine.internvl2.files import missing_files, read_json, require_folder, weight_files


def _index(folder: Path, *shards: str) -> None:
    places = {f"tensor{number}": shard for number, shard in enumerate(shards)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def test_a_single_weight_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]


def test_the_shards_of_an_index_are_found_once_each_and_in_order(tmp_path: Path) -> None:
    _index(tmp_path, "b.safetensors", "a.safetensors", "b.safetensors")
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).touch()
    assert weight_files(tmp_path) == [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]


def test_missing_shards_are_named(tmp_path: Path) -> None:
    _index(tmp_path, *(f"{number}.safetensors" for number in range(6)))
    (tmp_path / "0.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"lacks 1\.safetensors, 2.*, 3\.safetensors and 2 more of its 6"):
        weight_files(tmp_path)


@pytest.mark.parametrize("shard", ["../other.safetensors", "/etc/passwd", 7, ""])
def test_an_index_that_points_outside_the_folder_is_refused(tmp_path: Path, shard: object) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"tensor": shard}}))
    with pytest.raises(CheckpointError, match="names no weight files"):
        weight_files(tmp_path)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(CheckpointError, match=r"as pickles \(pytorch_model\.bin\).*use the safetensors files"):
        weight_files(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no model\.safetensors"):
        weight_files(tmp_path)


def test_what_is_missing_depends_on_the_tokenizer(tmp_path: Path) -> None:
    assert missing_files(tmp_path) == ["config.json", "tokenizer_config.json", "model.safetensors.index.json"]
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "Qwen2Tokenizer"}')
    _index(tmp_path, "a.safetensors")
    assert missing_files(tmp_path) == ["vocab.json", "merges.txt", "a.safetensors"]
    for name in ("vocab.json", "merges.txt", "a.safetensors"):
        (tmp_path / name).touch()
    assert missing_files(tmp_path) == []


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.touch(), "is a file"),
        (lambda path: path.mkdir(), "is empty"),
    ],
)
def test_a_folder_that_is_none_is_refused(tmp_path: Path, make: object, problem: str) -> None:
    folder = tmp_path / "model"
    assert callable(make)
    make(folder)
    with pytest.raises(ScorerError, match=problem):
        require_folder(folder)


@pytest.mark.parametrize(("text", "problem"), [("{", "can't be read"), ("[]", "holds no JSON object")])
def test_json_that_is_no_object_is_refused_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=problem) as caught:
        read_json(tmp_path / "config.json")
    assert "\n" not in str(caught.value)
