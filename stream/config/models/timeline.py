"""What becomes of an answer before it counts: how it is cleaned, and how scores are smoothed over time."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from engine.lrc import LrcSettings, Replaces
from engine.memory import VERA, MemorySettings
from engine.smoothing import Ewma, NoSmoothing, OneSidedGaussian, Smoother
from stream.config.fields import Duration
from stream.config.section import Section, default_kind


class CleaningConfig(Section):
    """How one window's answer is repaired by others, before smoothing: docs/cleaning.md. It needs `clip`."""

    neighbours: Literal["off", "text", "score_and_text"] = Field(
        default="text",
        description="What a window takes over from a neighbour whose answer fits its picture better. `score_and_text` "
        "is for `faithful` scoring, where the score is nothing but the answer's verdict.",
    )
    look_ahead: int = Field(
        default=0, ge=0, le=1, description="1: the next window counts as a neighbour too, and amends what was said."
    )
    memory: Literal["off", "sentences", "pictures"] = Field(
        default="off",
        description="Refine scores by earlier windows of which the same was said, or that look the same. `sentences` "
        "needs a text for every window (`faithful`, or `explain_above`).",
    )
    memory_windows: int = Field(default=600, ge=1, le=3600, description="How many earlier windows are remembered.")
    meaning: bool = Field(
        default=False,
        description="Weigh a score by what its sentence means and how new that is. Needs a text for every window.",
    )

    def neighbour_settings(self) -> LrcSettings | None:
        return None if self.neighbours == "off" else LrcSettings(self.look_ahead, Replaces(self.neighbours))

    def memory_settings(self) -> MemorySettings | None:
        match self.memory:
            case "off":
                return None
            case "pictures":
                return replace(VERA, size=self.memory_windows)
            case _:
                return MemorySettings(size=self.memory_windows)


class EwmaConfig(Section):
    """An exponentially weighted mean of the scores so far."""

    kind: Literal["ewma"] = Field(default="ewma", description="The default kind.")
    time_constant_s: Duration = Field(
        default=2.0, gt=0, description="The age at which a score counts a third. Longer is calmer and later."
    )

    def smoother(self) -> Smoother:
        return Ewma(self.time_constant_s)


class GaussianConfig(Section):
    """The past half of a Gaussian over the last scores."""

    kind: Literal["gaussian"] = Field(default="gaussian", description="Forgets old scores more sharply than `ewma`.")
    sigma_s: Duration = Field(default=5.0, gt=0, description="Width of the bell: longer is calmer and later.")
    length_s: Duration = Field(default=9.0, gt=0, description="Scores older than this do not count.")

    def smoother(self) -> Smoother:
        return OneSidedGaussian(self.sigma_s, self.length_s)


class NoSmoothingConfig(Section):
    """Each score as it is."""

    kind: Literal["none"] = Field(default="none", description="For scores that are steady already.")

    def smoother(self) -> Smoother:
        return NoSmoothing()


SmoothingConfig = Annotated[
    EwmaConfig | GaussianConfig | NoSmoothingConfig, Field(discriminator="kind"), default_kind("ewma")
]
