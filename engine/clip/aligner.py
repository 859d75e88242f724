"""A loaded CLIP model as an `Aligner`. Knows no camera but by its name, and no score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from engine.errors import ScorerError
from engine.frame_cache import FrameCache
from engine.internvl2.budget import TokenBudget
from engine.internvl2.device import at_work, uploaded
from engine.memory import Floats
from engine.types import Frame, Vector, Window

AT_ONCE = 64  # pictures or sentences in one pass
KEPT_FRAMES = 8192  # 2 KiB each for ViT-B-16
LONGEST_TEXT = 1000  # in characters; the model reads about the first 350 of a sentence
TEXTS_PER_TOKENIZER = 10_000


class Clip(Protocol):
    """The part of open_clip's models that is used here."""

    def encode_image(self, image: torch.Tensor) -> torch.Tensor: ...

    def encode_text(self, text: torch.Tensor) -> torch.Tensor: ...


Tokenizer = Callable[[Sequence[str]], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Preparation:
    """What pictures have to be for the model."""

    size_px: tuple[int, int]  # height, width
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bicubic"


class ClipAligner:
    """Places windows and sentences in CLIP's space. Made by `load_aligner`.

    A window's vector is the mean of its frames' unit vectors (CoReVAD, arXiv 2605.23116), made one of length 1 in its
    turn, so that every dot product is a cosine: which sentence fits best is the same, and windows in which much
    changes do not count less than still ones. A frame that several windows share is computed once.

    `new_tokenizer` makes a fresh one: open_clip's remembers every word that it ever saw.
    """

    def __init__(
        self,
        clip: Clip,
        new_tokenizer: Callable[[], Tokenizer],
        preparation: Preparation,
        *,
        dimensions: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.dimensions = dimensions
        self._clip = clip
        self._new_tokenizer = new_tokenizer
        self._tokenizer = new_tokenizer()
        self._tokenized = 0
        self._preparation = preparation
        self._dtype = dtype
        self._device = device
        self._frames: FrameCache[Vector] = FrameCache(KEPT_FRAMES)
        self._pictures_at_once = TokenBudget(AT_ONCE)
        self._texts_at_once = TokenBudget(AT_ONCE)

    def look(self, windows: Sequence[Window]) -> Floats:
        """[N, D]. Frames of any size."""
        vectors = np.zeros((len(windows), self.dimensions), np.float32)
        for row, frames in zip(vectors, self._frames.of(windows, self._see), strict=True):
            mean = np.mean(frames, axis=0)
            row[:] = mean / max(float(np.linalg.norm(mean)), 1e-6)
        return vectors

    def embed(self, texts: Sequence[str]) -> Floats:
        """[N, D]. Of a sentence that is too long for the model, the beginning counts."""
        rows = self._texts_at_once.spend([tokenizable(text) for text in texts], 1, self._read)
        return np.stack(rows) if rows else np.zeros((0, self.dimensions), np.float32)

    def forget(self, camera: str) -> None:
        self._frames.forget(camera)

    def close(self) -> None:
        self._frames.clear()

    def _see(self, frames: Sequence[Frame]) -> list[Vector]:
        """A unit vector for each."""
        seen: dict[int, Vector] = {}
        for shape in {frame.image.shape for frame in frames}:
            places = [place for place, frame in enumerate(frames) if frame.image.shape == shape]
            alike = [frames[place] for place in places]
            seen |= zip(places, self._pictures_at_once.spend(alike, 1, self._see_together), strict=True)
        return [seen[place] for place in range(len(frames))]

    def _see_together(self, frames: Sequence[Frame]) -> list[Vector]:
        with at_work():
            pixels = prepared(uploaded([frame.image for frame in frames], self._device), self._preparation)
            return _unit_rows(self._clip.encode_image(pixels.to(self._dtype)))

    def _read(self, texts: Sequence[str]) -> list[Vector]:
        self._tokenized += len(texts)
        if self._tokenized > TEXTS_PER_TOKENIZER:
            self._tokenizer, self._tokenized = self._new_tokenizer(), 0
        with at_work():
            return _unit_rows(self._clip.encode_text(self._tokenizer(texts).to(self._device)))


def prepared(images: torch.Tensor, preparation: Preparation) -> torch.Tensor:
    """Pictures [N, H, W, 3] uint8 as CLIP's input [N, 3, S, S] float32, on their own device.

    They are squashed to its size. CLIP's own rule scales the shorter side and cuts off what is then too much of the
    longer one, which is the same for square frames; of others it would lose the margins of what a camera sees, and
    frames are squashed to the scorer's size already.
    """
    pixels = images.permute(0, 3, 1, 2).float()
    if pixels.shape[2:] != preparation.size_px:
        pixels = functional.interpolate(
            pixels, preparation.size_px, mode=preparation.interpolation, antialias=True, align_corners=False
        )
        pixels = pixels.round_().clamp_(0, 255)  # as pictures of whole numbers, which the model was trained with
    for channel, (mean, std) in enumerate(zip(preparation.mean, preparation.std, strict=True)):
        pixels[:, channel].div_(255).sub_(mean).div_(std)
    return pixels


def tokenizable(text: str) -> str:
    """Of bounded length, and without control characters and halves of characters, which tokenizers break on."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_TEXT])


def _unit_rows(features: torch.Tensor) -> list[Vector]:
    rows = functional.normalize(features.float(), dim=-1).cpu().numpy()
    if not np.isfinite(rows).all():
        raise ScorerError("CLIP's numbers are not finite", advice="use float32, or check its weights")
    return [row.copy() for row in rows]  # a view would hold its whole batch in memory
