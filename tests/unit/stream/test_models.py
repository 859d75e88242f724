from __future__ import annotations

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("huggingface_hub", reason="needs the vlm extra")

import huggingface_hub.errors

from engine.errors import CheckpointError, UsageError
from stream.models import find_clip, find_model

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
        self.sizes: dict[str, int] = {}
        self._real = huggingface_hub.snapshot_download
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self)
        monkeypatch.setattr(huggingface_hub, "model_info", self.info)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr("stream.models._require_hub", lambda _model: None)

    def info(self, repo: str, *, revision: str | None, files_metadata: bool) -> SimpleNamespace:
        """As the hub tells it: the weights are large files, the rest and what is of no use are not."""
        assert files_metadata
        files = [
            SimpleNamespace(
                rfilename=name,
                size=self.sizes.get(name, 10),
                blob_id=f"blob-{name}",
                lfs=SimpleNamespace(sha256=f"blob-{name}") if name.endswith("safetensors") else None,
            )
            for name in [*FILES, "model.bin"]
        ]
        return SimpleNamespace(siblings=files)

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
        (RuntimeError("Data processing error: I/O error: No space left on device (os error 28)"), "does not fit on"),
        (ConnectionError("connection\nreset"), "can't be fetched: ConnectionError: connection reset"),
    ],
)
def test_what_the_hub_says_is_told_in_one_line(hub: Hub, answer: Exception, problem: str) -> None:
    hub.answer = answer
    with pytest.raises(CheckpointError, match=problem) as caught:
        find_model(MODEL)
    assert MODEL in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_does_not_fit_is_told_before_anything_is_fetched(hub: Hub) -> None:
    hub.sizes = {"1.safetensors": 10**15, "2.safetensors": 10**15, "model.bin": 10**15}
    with pytest.raises(CheckpointError, match=r"does not fit on the disk of .*: 2000000\.0 GB are to be fetched, "):
        find_model(MODEL)
    assert hub.asked == []
    hub.fill("1.safetensors")
    with pytest.raises(CheckpointError, match=r": 1000000\.0 GB are to be fetched, "):  # what is there needs no room
        find_model(MODEL)
    hub.sizes.pop("1.safetensors")
    find_model(MODEL)  # what is of no use is not fetched


def test_without_fetching_only_the_cache_is_looked_at(hub: Hub) -> None:
    with pytest.raises(CheckpointError, match=f"the model {MODEL} is not in the cache"):
        find_model(MODEL, fetch=False)
    snapshot = hub.fill()
    assert find_model(MODEL, fetch=False) == snapshot
    assert hub.asked == []


def test_offline_is_told_apart_from_a_network_that_fails(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    hub.answer = huggingface_hub.errors.LocalEntryNotFoundError("x")
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE forbids to fetch it"):
        find_model(MODEL)


def test_a_hub_where_nobody_answers_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def lacking(*_repo: str, local_files_only: bool = False, **_options: Any) -> str:
        assert local_files_only, "it was asked although nobody answers"
        raise huggingface_hub.errors.LocalEntryNotFoundError("not in the cache")

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lacking)
    with pytest.raises(CheckpointError, match="hub can't be reached"):
        find_model(MODEL)


@pytest.mark.parametrize(
    "model",
    [
        "InternVL2-8B",
        "/no/such/folder",
        "./nothing",
        "a/b/c",
        "a/b@",
        "a/b@../c",
        "",
        "org/na--me",
        "a/b..c",
        "org/x.git",
        "org/x-",
        f"org/{'x' * 100}",
    ],
)
def test_what_is_neither_a_folder_nor_a_hub_id_is_bad_usage(hub: Hub, model: str) -> None:
    with pytest.raises(UsageError, match="no folder and no model of the Hugging Face hub"):
        find_model(model)
    assert hub.asked == []


CLIP_REPO = "timm/vit_base_patch16_clip_224.openai"
CLIP_FILE = "open_clip_model.safetensors"


@pytest.fixture
def clip_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ClipHub:
    pytest.importorskip("open_clip", reason="needs the vlm extra")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    found = ClipHub(tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", found)
    monkeypatch.setattr(huggingface_hub, "model_info", lambda _repo, **_options: SimpleNamespace(siblings=[found.file]))
    monkeypatch.setattr("stream.models._require_hub", lambda _model: None)
    return found


class ClipHub:
    """Stands where the hub would be asked for CLIP's weights."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.asked: list[tuple[str, str]] = []
        self.size = 10
        self.answer: Exception | None = None

    @property
    def file(self) -> SimpleNamespace:
        return SimpleNamespace(rfilename=CLIP_FILE, size=self.size, blob_id="blob", lfs=None)

    def __call__(self, repo: str, name: str) -> str:
        self.asked.append((repo, name))
        if self.answer:
            raise self.answer
        return str(self.fill())

    def fill(self) -> Path:
        folder = self.cache / f"models--{CLIP_REPO.replace('/', '--')}"
        (folder / "snapshots" / COMMIT).mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(COMMIT)
        file = folder / "snapshots" / COMMIT / CLIP_FILE
        file.write_text("weights")
        return file


def test_clip_weights_in_the_cache_need_no_network(clip_hub: ClipHub) -> None:
    file = clip_hub.fill()
    for fetch in (True, False):
        found = find_clip("ViT-B-16", "openai", fetch=fetch)
        assert (found.model, found.path, found.tag) == ("ViT-B-16", file, "openai")
    assert clip_hub.asked == []


def test_clip_weights_are_fetched_once_and_only_when_allowed(clip_hub: ClipHub) -> None:
    with pytest.raises(CheckpointError, match="openai of CLIP's ViT-B-16 are not in the cache"):
        find_clip("ViT-B-16", "openai", fetch=False)
    assert clip_hub.asked == []
    assert find_clip("ViT-B-16", "openai") == find_clip("ViT-B-16", "openai")
    assert clip_hub.asked == [(CLIP_REPO, CLIP_FILE)]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (huggingface_hub.errors.LocalEntryNotFoundError("x"), "the Hugging Face hub can't be reached"),
        (_http_error("RemoteEntryNotFoundError", 404), "has no weights as safetensors"),
        (OSError(errno.ENOSPC, "No space left on device"), "does not fit on the disk"),
    ],
)
def test_why_clip_weights_can_not_be_had_is_told_in_one_line(
    clip_hub: ClipHub, answer: Exception, problem: str
) -> None:
    clip_hub.answer = answer
    with pytest.raises(CheckpointError, match=problem) as caught:
        find_clip("ViT-B-16", "openai")
    assert CLIP_REPO in str(caught.value)
    assert "\n" not in str(caught.value)


def test_clip_weights_that_do_not_fit_are_not_fetched(clip_hub: ClipHub) -> None:
    clip_hub.size = 10**15
    with pytest.raises(CheckpointError, match=f"{CLIP_REPO} does not fit on the disk"):
        find_clip("ViT-B-16", "openai")
    assert clip_hub.asked == []


def test_a_file_of_clip_weights_is_its_own_answer_if_it_is_there_and_safe(clip_hub: ClipHub, tmp_path: Path) -> None:
    own, pickle = tmp_path / "own.safetensors", tmp_path / "weights"
    own.touch()
    pickle.touch()
    found = find_clip("ViT-B-32", str(own))
    assert (found.path, found.tag) == (own, "")
    with pytest.raises(CheckpointError, match="no safetensors file"):
        find_clip("ViT-B-32", str(pickle))
    with pytest.raises(CheckpointError, match=r"no\.safetensors are not there"):
        find_clip("ViT-B-32", "~/no.safetensors")
    with pytest.raises(UsageError, match="no published weights of CLIP's ViT-B-16"):
        find_clip("ViT-B-16", "opnai")
    assert clip_hub.asked == []
