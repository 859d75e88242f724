from __future__ import annotations

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("huggingface_hub", reason="needs the vlm extra")

import huggingface_hub

from engine.errors import CheckpointError, UsageError
from stream.models import find_model

MODEL = "OpenGVLab/InternVL2-8B"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": "{}",
    "tokenizer_config.json": '{"tokenizer_class": "InternLM2Tokenizer"}',
    "tokenizer.model": "tokens",
    "model.safetensors.index.json": json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}),
    "1.safetensors": "weights",
    "2.safetensors": "weights",
}


class Hub:
    """Stands where the hub would be asked: remembers what it was asked for, and answers by `answer`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        self.cache = cache
        self.asked: list[dict[str, Any]] = []
        self.answer: Exception | None = None
        self._real = huggingface_hub.snapshot_download
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self)

    def __call__(self, repo: str, *, local_files_only: bool = False, **more: Any) -> str:
        if local_files_only:
            found: str = self._real(repo, local_files_only=True, cache_dir=self.cache, **more)
            return found
        self.asked.append({"repo": repo, **more})
        if self.answer:
            raise self.answer
        return str(self.fill())

    def fill(self, *without: str, revision: str = "main") -> Path:
        """Lay the model's files into the cache as the hub's library does."""
        folder = self.cache / "models--OpenGVLab--InternVL2-8B"
        snapshot = folder / "snapshots" / COMMIT
        for path in (snapshot, folder / "refs", folder / "blobs"):
            path.mkdir(parents=True, exist_ok=True)
        (folder / "refs" / revision).write_text(COMMIT)
        for name, text in FILES.items():
            if name not in without:
                (folder / "blobs" / f"blob-{name}").write_text(text)
                (snapshot / name).unlink(missing_ok=True)
                (snapshot / name).symlink_to(f"../../blobs/blob-{name}")
        return snapshot


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    return Hub(monkeypatch, tmp_path / "cache")


def test_a_folder_is_its_own_answer(tmp_path: Path, hub: Hub) -> None:
    assert find_model(str(tmp_path)) == tmp_path
    assert hub.asked == []


def test_a_model_in_the_cache_needs_no_network(hub: Hub) -> None:
    snapshot = hub.fill()
    assert find_model(MODEL) == snapshot
    assert hub.asked == []


def test_a_revision_in_the_cache_needs_no_network_and_another_one_does(hub: Hub) -> None:
    snapshot = hub.fill(revision="v1.0")
    assert find_model(f"{MODEL}@v1.0") == snapshot
    assert find_model(f"{MODEL}@{COMMIT}") == snapshot
    assert hub.asked == []
    find_model(f"{MODEL}@v2.0")
    assert [asked["revision"] for asked in hub.asked] == ["v2.0"]


@pytest.mark.parametrize("lost", ["2.safetensors", "tokenizer.model", "config.json"])
def test_a_download_that_was_cut_short_is_taken_up_again(hub: Hub, lost: str) -> None:
    hub.fill(lost)
    assert (find_model(MODEL) / lost).is_file()
    assert len(hub.asked) == 1


def test_neither_code_nor_pickles_are_asked_for(hub: Hub) -> None:
    find_model(MODEL)
    wanted = hub.asked[0]["allow_patterns"]
    assert "*.safetensors" in wanted
    assert not any(pattern.endswith((".py", ".bin", "*")) for pattern in wanted)


def test_what_came_without_all_its_files_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FILES, "1.safetensors")
    with pytest.raises(CheckpointError, match=r"came without 1\.safetensors"):
        find_model(MODEL)


def _http_error(kind: str, status: int) -> Exception:
    response = SimpleNamespace(status_code=status, headers={}, request=None)
    error: Exception = getattr(huggingface_hub.errors, kind)("many\nlines of the hub", response=response)
    return error


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (_http_error("GatedRepoError", 403), "open only to those who accepted its terms.*set HF_TOKEN"),
        (_http_error("RepositoryNotFoundError", 404), "neither a folder here nor a model of the hub"),
        (_http_error("RevisionNotFoundError", 404), "has no such revision"),
        (_http_error("HfHubHTTPError", 503), "the hub answered 503"),
        (huggingface_hub.errors.LocalEntryNotFoundError("x"), "the Hugging Face hub can't be reached"),
        (OSError(errno.ENOSPC, "No space left on device"), "does not fit on the disk"),
        (ConnectionError("connection\nreset"), "can't be fetched: ConnectionError: connection reset"),
    ],
)
def test_what_the_hub_says_is_told_in_one_line(hub: Hub, answer: Exception, problem: str) -> None:
    hub.answer = answer
    with pytest.raises(CheckpointError, match=problem) as caught:
        find_model(MODEL)
    assert MODEL in str(caught.value)
    assert "\n" not in str(caught.value)


def test_offline_is_told_apart_from_a_network_that_fails(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    hub.answer = huggingface_hub.errors.LocalEntryNotFoundError("x")
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE forbids to fetch it"):
        find_model(MODEL)


@pytest.mark.parametrize("model", ["InternVL2-8B", "/no/such/folder", "./nothing", "a/b/c", "a/b@", "a/b@../c", ""])
def test_what_is_neither_a_folder_nor_a_hub_id_is_bad_usage(hub: Hub, model: str) -> None:
    with pytest.raises(UsageError, match="no folder and no model of the Hugging Face hub"):
        find_model(model)
    assert hub.asked == []
