"""The engine's causal forms against the published offline steps, where both see the same: at a video's last window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lrc import LocalResponseCleaning, LrcSettings
from engine.memory import VERA, Memory, MemorySettings
from engine.types import Judgement
from offline_eval.methods.base import Vectors
from offline_eval.methods.corevad import offline_cleaning, offline_refinement
from offline_eval.methods.vera import offline_scene_context
from offline_eval.metrics.tracks import Floats
from tests.unit.engine.sentences import GivenVectors

MANY = 10_000  # entries that near-identical ones may count as: all
counts, seeds = st.integers(1, 25), st.integers(0, 10_000)


def units(rng: np.random.Generator, count: int) -> Floats:
    vectors: Floats = rng.normal(size=(count, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def names(count: int) -> list[str]:
    return [f"Sentence {index}." for index in range(count)]


@given(counts, seeds)
def test_cleaning_that_looks_ahead_ends_up_with_what_the_published_one_chooses(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    segments, responses = 0.8 * units(rng, count), units(rng, count)
    cleaner = LocalResponseCleaning(
        GivenVectors(dict(zip(names(count), responses.tolist(), strict=True))), LrcSettings(look_ahead=1)
    )
    chosen: list[str | None] = []
    for name, vector in zip(names(count), segments, strict=True):
        now, amended = cleaner.push(Judgement(float(rng.random()), text=name, vector=vector))
        if amended is not None:
            chosen[-1] = amended.text
        chosen.append(now.text)
    best = offline_cleaning(Vectors(segments, responses, responses))
    assert chosen == [names(count)[index] for index in best]


@given(counts, seeds)
def test_refinement_by_sentences_of_the_last_window_is_corevads(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    segments, sentences, scores = units(rng, count), units(rng, count), rng.random(count)
    encoder = GivenVectors(dict(zip(names(count), sentences.tolist(), strict=True)))
    memory = Memory(encoder, MemorySettings(cap=MANY))
    refined = [
        memory.push(Judgement(score, text=name, vector=vector)).now.score
        for score, name, vector in zip(scores.tolist(), names(count), segments, strict=True)
    ]
    assert refined[-1] == pytest.approx(offline_refinement(sentences, segments, scores)[-1], abs=1e-5)


@given(counts, seeds)
def test_refinement_by_pictures_of_the_last_window_is_veras(count: int, seed: int) -> None:
    """But for the first six windows, of which VERA takes all."""
    rng = np.random.default_rng(seed)
    features, scores = units(rng, count), rng.random(count)
    memory = Memory(GivenVectors({}), replace(VERA, cap=MANY))
    refined = [
        memory.push(Judgement(score, vector=vector)).now.score
        for score, vector in zip(scores.tolist(), 3 * features, strict=True)
    ]
    wanted = offline_scene_context(scores, features)[-1] if count > 6 else scores[-1]
    assert refined[-1] == pytest.approx(wanted, abs=1e-5)
