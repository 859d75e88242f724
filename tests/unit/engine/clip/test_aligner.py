from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("open_clip", reason="needs the vlm extra")

import open_clip
import torch
from PIL import Image

from engine.clip import aligner as aligner_module
from engine.clip.aligner import ClipAligner, Preparation, prepared, tokenizable
from engine.clip.load import load_aligner
from engine.clip.weights import ClipWeights
from engine.errors import DeviceLostError, ScorerError
from engine.memory import Floats
from engine.types import Window
from tests.unit.engine.clip.conftest import LENGTH, TINY
from tests.unit.engine.internvl2.windows import window

SIDE = 32  # the model's own
TEXTS = [
    "A man climbs over the closed gate.",
    "Normal scenes. Two people talk &amp; walk, <unhurriedly>.",
    "",
    "Ein Hund läuft über die Straße – schnell!",
    "A very long sentence about a car that stops at the gate, and about its driver, who gets out and looks around.",
]


@pytest.fixture
def aligner(weights: Path) -> ClipAligner:
    return load_aligner(ClipWeights(TINY, weights), dtype=torch.float32, device=torch.device("cpu"))


class Plain:
    """open_clip as its own documentation has it, one picture or sentence at a time."""

    def __init__(self, weights: Path) -> None:
        self._model, _, self._preprocess = open_clip.create_model_and_transforms(TINY, pretrained=str(weights))
        self._tokenizer = open_clip.get_tokenizer(TINY)
        self._model.eval()

    def window(self, window: Window) -> Floats:
        features = []
        for frame in window.frames:
            picture = self._preprocess(Image.fromarray(frame.image)).unsqueeze(0)
            with torch.no_grad():
                features.append(torch.nn.functional.normalize(self._model.encode_image(picture), dim=-1)[0])
        mean: Floats = torch.stack(features).mean(0).numpy()
        return mean / np.linalg.norm(mean)

    def text(self, text: str) -> Floats:
        with torch.no_grad():
            features: Floats = self._model.encode_text(self._tokenizer([text]))[0].numpy()
        return features / np.linalg.norm(features)


def each(plain: Plain, windows: Sequence[Window]) -> Floats:
    return np.stack([plain.window(window) for window in windows])


def differ(vectors: Floats) -> bool:
    """Whether the model tells them apart at all: else equality would say nothing."""
    return float((vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)].max()) < 0.99


def test_windows_are_those_of_open_clip_frame_by_frame(aligner: ClipAligner, weights: Path) -> None:
    windows = [window(SIDE, 0), window(SIDE, 2), window(SIDE, 0, camera="yard"), window(SIDE, 9, frames=1)]
    expected = each(Plain(weights), windows)
    assert differ(expected)
    for _ in range(2):  # computed, then remembered
        found = aligner.look(windows)
        assert found.shape == (4, 24)
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < 1e-5
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert aligner.look([]).shape == (0, 24)


@pytest.mark.parametrize("side", [64, 80, 20])
def test_square_frames_of_another_size_are_scaled_as_open_clip_does(
    aligner: ClipAligner, weights: Path, side: int
) -> None:
    windows = [window(side, 0), window(side, 4)]
    assert (aligner.look(windows) * each(Plain(weights), windows)).sum(1) == pytest.approx(1, abs=0.01)


def test_frames_of_several_sizes_in_one_call_are_as_each_by_itself(aligner: ClipAligner, weights: Path) -> None:
    windows = [window(side, 0, camera=f"camera-{side}") for side in (64, SIDE, 20, 64)]
    found = aligner.look(windows)
    for row, each_window in zip(found, windows, strict=True):
        alone = load_aligner(ClipWeights(TINY, weights), dtype=torch.float32, device=torch.device("cpu"))
        assert np.abs(alone.look([each_window])[0] - row).max() < 1e-5


def test_scaled_pictures_are_those_of_pillow_within_one_step_of_a_colour() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    size_px = (48, 40)
    found = prepared(torch.from_numpy(image[None].copy()), Preparation(size_px, (0, 0, 0), (1, 1, 1)))
    expected = np.asarray(Image.fromarray(image).resize((40, 48), Image.Resampling.BICUBIC))
    assert np.abs(found[0].permute(1, 2, 0).numpy() * 255 - expected).max() < 1.01


def test_no_margin_of_a_wide_frame_is_cut_off(aligner: ClipAligner) -> None:
    dark = window(SIDE, frames=1).frames[0]
    images = [np.zeros((SIDE, 4 * SIDE, 3), np.uint8) for _ in range(2)]
    images[1][:, : SIDE // 2] = 255
    wide = [
        Window(str(number), 0, 0, (replace(dark, camera=str(number), image=image),), 1.0)
        for number, image in enumerate(images)
    ]
    vectors = aligner.look(wide)
    assert vectors[0] @ vectors[1] < 0.999


def test_sentences_are_those_of_open_clip_one_by_one(aligner: ClipAligner, weights: Path) -> None:
    plain = Plain(weights)
    expected = np.stack([plain.text(text) for text in TEXTS])
    assert differ(expected)
    found = aligner.embed(TEXTS)
    assert found.shape == (len(TEXTS), 24)
    assert np.abs(found - expected).max() < 1e-5
    assert aligner.embed([]).shape == (0, 24)


def test_of_a_long_sentence_the_beginning_counts(aligner: ClipAligner) -> None:
    begun = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    assert len(begun.split()) == LENGTH - 2
    vectors = aligner.embed([begun + "fifteen", begun + "a man " * 100_000, begun.replace("ten", "zero")])
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-5
    assert vectors[0] @ vectors[2] < 0.999


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x1b[31m\x7f",
        "\ud83d",
        "a" * 100_000,
        "<end_of_text><start_of_text>",
        "\u202e\u200d\ufeff",
        "😀" * 1000,
        "&#x",
    ],
)
def test_whatever_a_model_writes_has_a_vector(aligner: ClipAligner, text: str) -> None:
    assert np.linalg.norm(aligner.embed([text])[0]) == pytest.approx(1, abs=1e-5)


def test_control_characters_separate_words_and_ordinary_text_is_left_alone() -> None:
    assert tokenizable("a\nman\truns\x00away") == "a man runs away"
    assert tokenizable("Über 5 €, «so»?") == "Über 5 €, «so»?"


def test_more_than_fits_at_once_is_the_same(
    aligner: ClipAligner, monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    windows = [window(SIDE, 4 * number) for number in range(5)]
    texts = [f"{number} people run" for number in range(5)]
    expected = aligner.look(windows), aligner.embed(texts)
    monkeypatch.setattr(aligner_module, "AT_ONCE", 3)
    small = load_aligner(ClipWeights(TINY, weights), dtype=torch.float32, device=torch.device("cpu"))
    assert np.abs(small.look(windows) - expected[0]).max() < 1e-5
    assert np.abs(small.embed(texts) - expected[1]).max() < 1e-5


class Tower:
    """Stands for a CLIP model: counts, and has memory for `memory` pictures or sentences at once."""

    def __init__(self, memory: int = 1000) -> None:
        self.memory = memory
        self.pictures: list[int] = []
        self.scale = 1.0
        self.error: Exception | None = None

    def encode_image(self, image: torch.Tensor) -> torch.Tensor:
        self._try(len(image))
        self.pictures.append(len(image))
        return image.mean((2, 3)) * self.scale

    def encode_text(self, text: torch.Tensor) -> torch.Tensor:
        self._try(len(text))
        return text * self.scale

    def _try(self, count: int) -> None:
        if self.error:
            raise self.error
        if count > self.memory:
            raise torch.OutOfMemoryError


def on(tower: Tower) -> tuple[ClipAligner, list[int]]:
    """An aligner on a tower, and the texts that each of its tokenizers was given."""
    tokenizers: list[int] = []

    def new_tokenizer() -> aligner_module.Tokenizer:
        tokenizers.append(0)

        def tokenize(texts: Sequence[str]) -> torch.Tensor:
            tokenizers[-1] += len(texts)
            return torch.tensor([[len(text), 1.0, 2.0] for text in texts])

        return tokenize

    preparation = Preparation((SIDE, SIDE), (0.1, 0.2, 0.3), (1, 1, 1))
    made = ClipAligner(tower, new_tokenizer, preparation, dimensions=3, dtype=torch.float32, device=torch.device("cpu"))
    return made, tokenizers


def test_a_frame_is_computed_once_whatever_the_windows_that_it_is_in() -> None:
    tower = Tower()
    aligner, _ = on(tower)
    aligner.look([window(SIDE, 0), window(SIDE, 2), window(SIDE, 0, camera="yard")])
    aligner.look([window(SIDE, 3), window(SIDE, 2, camera="yard")])
    aligner.look([window(SIDE, 3)])
    assert tower.pictures == [6 + 4, 1 + 2]
    aligner.forget("yard")
    aligner.look([window(SIDE, 3), window(SIDE, 2, camera="yard")])
    aligner.close()
    aligner.look([window(SIDE, 3)])
    assert tower.pictures == [10, 3, 4, 4]


def test_when_memory_runs_out_less_is_done_at_once() -> None:
    aligner, _ = on(Tower(memory=3))
    windows = [window(SIDE, 4 * number) for number in range(5)]
    assert np.array_equal(aligner.look(windows), on(Tower())[0].look(windows))
    assert aligner.embed(["a", "bb", "ccc", "dddd"]).shape == (4, 3)
    with pytest.raises(ScorerError, match="out of memory"):
        on(Tower(memory=0))[0].look(windows)


def test_numbers_that_are_not_finite_are_no_vectors() -> None:
    tower = Tower()
    tower.scale = float("nan")
    aligner, _ = on(tower)
    with pytest.raises(ScorerError, match="not finite"):
        aligner.look([window(SIDE)])
    with pytest.raises(ScorerError, match="not finite"):
        aligner.embed(["a"])


def test_a_device_that_is_gone_is_told_from_other_failures() -> None:
    tower = Tower()
    aligner, _ = on(tower)
    tower.error = RuntimeError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(DeviceLostError):
        aligner.look([window(SIDE)])
    with pytest.raises(DeviceLostError):
        aligner.embed(["a"])
    tower.error = RuntimeError("a shape is wrong")
    with pytest.raises(RuntimeError, match="a shape is wrong"):
        aligner.look([window(SIDE)])


def test_what_the_tokenizer_remembers_is_given_up_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligner_module, "TEXTS_PER_TOKENIZER", 10)
    aligner, tokenizers = on(Tower())
    for _ in range(9):
        aligner.embed(["a", "b", "c", "d"])
    assert len(tokenizers) > 3
    assert max(tokenizers) <= 12
    assert sum(tokenizers) == 36
