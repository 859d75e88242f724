"""CLIP's vectors for CoReVAD, from files: what a video's frames look like, and what its responses say. Knows no figure.

features   .npz of an array per video, or a folder of .npy: [N, D], a row per frame, or [S, D], one per segment
sentences  the file of `vigil replay embed --verdicts`, made with the text tower of the same CLIP
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.encoder import TextEncoder
from engine.errors import ConfigError
from offline_eval.initial import read_features
from offline_eval.material import Material
from offline_eval.methods.base import Vectors
from offline_eval.methods.corevad import segments
from offline_eval.metrics.tracks import Floats
from offline_eval.said import judgement_of


def vectors_of(material: Material, features: Path, sentences: TextEncoder) -> dict[str, Vectors]:
    """By video. Raises ConfigError for features that don't fit, UsageError for a response without a vector."""
    rows = read_features(features)
    found = {}
    for video in material.coverage.videos:
        texts = material.said[video.name].texts[: len(segments(video.known_frame_count()))]
        if video.name not in rows:
            raise ConfigError(f"{features.name}: {video.name} is missing", advice="give the features of every video")
        looks = _of_segments(rows[video.name], video.known_frame_count())
        whole, said = (
            _embedded(texts, sentences),
            _embedded([judgement_of(text).text or text for text in texts], sentences),
        )
        if looks is None or looks.shape != whole.shape:
            raise ConfigError(
                f"{features.name}: {video.name} has features {rows[video.name].shape} for {video.known_frame_count()} "
                f"frames in {len(texts)} segments, and its sentences have {whole.shape[1]} dimensions",
                advice="give a row per frame or per segment, and sentences by the same CLIP",
            )
        found[video.name] = Vectors(looks, whole, said)
    return found


def _of_segments(rows: NDArray[np.float32], frame_count: int) -> Floats | None:
    """A segment's vector is the mean of its frames' unit vectors. None where rows are of neither."""
    parts = segments(frame_count)
    if len(rows) == len(parts):
        return rows.astype(float)
    if len(rows) != frame_count:
        return None
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.stack([units[start:end].mean(0) for start, end in parts]).astype(float)


def _embedded(texts: Sequence[str], sentences: TextEncoder) -> Floats:
    """[S, D]. Where nothing was said there is nothing to be alike: zero."""
    spoken = [text for text in texts if text]
    vectors = sentences.embed(spoken) if spoken else np.zeros((0, 1), np.float32)
    found = np.zeros((len(texts), vectors.shape[1]))
    found[[bool(text) for text in texts]] = vectors
    return found
