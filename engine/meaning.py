"""Weighs a judgement by what its sentence means: how close to abnormal scenes in words, and how new for the camera.

A model's verdict alone is coarse: of all windows that it calls anomalous, most show people who only walk, and it
says so in its sentence. Knows no model: sentences become vectors in whatever `TextEncoder` there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from engine.cleaning import Cleaned
from engine.encoder import TextEncoder, vector_of
from engine.errors import UsageError
from engine.memory import Floats, Habit, Refinement
from engine.prompts.scenes import ABNORMAL, CALM
from engine.types import Judgement


@dataclass(frozen=True, slots=True)
class MeaningSettings:
    """How much each part counts. A weight is a share, 0 to 1; windows are one second apart by default.

    With score s, refined by earlier ones to r, the result is
    (1 - scene_weight) * r * sigmoid(slope * lean + offset) * (1 - change_weight + change_weight * change)
    + scene_weight * novelty, which lies in [0, 1]. The defaults were chosen as docs/evaluation.md says.
    """

    slope: float = 4.0  # how sharply the sentence's lean decides; 0: not at all
    offset: float = 1.0
    change_weight: float = 0.7  # what is said differs from what was just said
    change_windows: float = 1.5
    scene_weight: float = 0.1  # what is said is new for this camera
    scene_windows: float = 50.0
    temperature: float = 0.14  # of the refinement
    memory_windows: int = 60  # that scores are refined with, itself included; 1: no refinement

    def __post_init__(self) -> None:
        if not (0 <= self.change_weight <= 1 and 0 <= self.scene_weight <= 1):
            raise UsageError(
                f"meaning: weights {self.change_weight:g} and {self.scene_weight:g}", advice="each is a share, 0 to 1"
            )
        if not (math.isfinite(self.slope) and math.isfinite(self.offset)):
            raise UsageError("meaning: slope and offset must be finite numbers")


class Scenes:
    """Which direction among sentences leads from calm scenes to abnormal ones, learnt from written examples only.

    Ridge regression of +1 for abnormal and -1 for calm scenes on their vectors, both kinds counting half: of the
    linear rules that tell the two lists apart, the one with the least weight. It needs no videos, as with CLIP's
    zero-shot classes, but uses where examples differ instead of how close the nearest one is. `ridge` is relative
    to the examples' own variance, so it suits encoders whose vectors lie close together.
    """

    def __init__(self, abnormal: Floats, calm: Floats, *, ridge: float = 0.01) -> None:
        if not (len(abnormal) and len(calm) and ridge > 0):
            raise UsageError("meaning: it needs abnormal scenes, calm scenes and a ridge above 0")
        vectors = np.concatenate((abnormal, calm)).astype(np.float64)
        kinds = np.repeat([1.0, -1.0], [len(abnormal), len(calm)])
        weights = np.repeat([0.5 / len(abnormal), 0.5 / len(calm)], [len(abnormal), len(calm)])
        centre = weights @ vectors
        scaled = np.sqrt(weights)[:, None] * (vectors - centre)  # [M, D]
        variance = float((scaled**2).sum())
        if not variance > 0:
            raise UsageError("meaning: all scenes have the same vector", advice="give an encoder that tells them apart")
        gram = scaled @ scaled.T + ridge * variance * np.eye(len(vectors))
        self._direction = scaled.T @ np.linalg.solve(gram, np.sqrt(weights) * kinds)
        self._at_centre = float(self._direction @ centre)
        self.spread = variance
        """How unlike two scenes are on average, as 1 - cosine: what counts as another topic in this encoder's space."""

    @classmethod
    def of(cls, encoder: TextEncoder, abnormal: Sequence[str] = ABNORMAL, calm: Sequence[str] = CALM) -> Self:
        """From sentences: a camera's definitions, or the usual ones."""
        return cls(encoder.embed(abnormal), encoder.embed(calm))

    def lean(self, vector: Floats) -> float:
        """About 1 for a sentence like the abnormal scenes, about -1 for one like the calm ones."""
        return float(self._direction @ vector) - self._at_centre


class Meaning:
    """A `Cleaner`: the same judgement with another score, where there is one, and a sentence that has a vector."""

    def __init__(self, encoder: TextEncoder, scenes: Scenes, settings: MeaningSettings) -> None:
        self._encoder = encoder
        self._scenes = scenes
        self._settings = settings
        self._just_now = Habit(settings.change_windows)
        self._scene = Habit(settings.scene_windows)
        self._refinement = Refinement(settings.memory_windows, settings.temperature)
        self._newest: Floats | None = None  # the newest sentence, to be remembered when the next window comes

    def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
        before = None if amended is None else self._weigh(amended)
        self._remember()
        return Cleaned(self._weigh(judgement), before)

    def skip(self) -> None:
        return None  # the scene is the same

    def reset(self) -> None:
        self._newest = None
        for part in (self._just_now, self._scene, self._refinement):
            part.reset()

    def _weigh(self, judgement: Judgement) -> Judgement:
        self._newest = None
        if judgement.score is None or not judgement.text:
            return judgement
        settings, vector = self._settings, vector_of(self._encoder, judgement.text)
        if vector is None:
            return judgement
        self._newest = vector
        refined = self._refinement.refine(vector, judgement.score)
        meant = _sigmoid(settings.slope * self._scenes.lean(vector) + settings.offset)
        changed = 1 - settings.change_weight * (1 - self._unlike(self._just_now, vector))
        alarming = refined * meant * changed
        score = alarming + settings.scene_weight * (self._unlike(self._scene, vector) - alarming)
        return replace(judgement, score=min(1.0, max(0.0, score)))

    def _remember(self) -> None:
        """The newest window is amended no more."""
        if self._newest is not None:
            self._just_now.add(self._newest)
            self._scene.add(self._newest)
            self._refinement.keep()

    def _unlike(self, habit: Habit, vector: Floats) -> float:
        """How unlike what came before, from 0 to 1, where 1 is another topic."""
        return min(1.0, max(0.0, habit.surprise(vector) / self._scenes.spread))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(value, -700.0)))
