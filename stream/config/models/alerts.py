"""What counts as abnormal, when people are told, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BeforeValidator, Field

from engine.errors import UsageError
from engine.policy import PolicySettings
from engine.scoring import USUAL, Wording
from engine.types import Definition
from stream.config.fields import Duration, Score
from stream.config.section import Section

LONGEST_NAME = 60  # of a definition, where alerts name it


class AlertsConfig(Section):
    """When a score becomes an event that people are told of: `close` <= `open` <= `alert`."""

    open: Score = Field(
        default=0.6, description="Score from which an event opens. Lower finds more and cries wolf more."
    )
    close: Score = Field(
        default=0.36, description="Score below which it may close; about 0.6 of `open` keeps it from flapping."
    )
    alert: Score = Field(default=0.8, description="Score from which the severity is `alert` instead of `detection`.")
    min_duration_s: Duration = Field(
        default=0.0,
        ge=0,
        description="How long the score must stay above `open` before anybody is told. Raise against blips.",
    )
    close_hold_s: Duration = Field(
        default=2.0, ge=0, description="How long the score must stay below `close` before the event begins to end."
    )
    merge_gap_s: Duration = Field(
        default=3.0,
        ge=0,
        description="How long after that a new rise still continues the event. Raise to get fewer, longer events.",
    )
    cooldown_s: Duration = Field(
        default=10.0,
        ge=0,
        description="Quiet time after a delivered event; only a higher severity passes. Raise against floods.",
    )
    update_every_s: Duration = Field(
        default=5.0,
        ge=0,
        description="Shortest time between two updates of an open event. A rise in severity is told at once.",
    )
    max_duration_s: Duration = Field(
        default=300.0,
        gt=0,
        description="An event that lasts this long is ended. While the score just stays high, no other follows it.",
    )

    def policy(self) -> PolicySettings:
        return PolicySettings(**self.model_dump())

    def check(self) -> None:
        self.policy()


class DefinitionConfig(Section):
    """What counts as abnormal for a camera. A plain sentence in the list is short for one with this `text`.

    Each definition has its own score and its own events, and alerts name it. It may have thresholds of its own.
    """

    name: str = Field(
        default="", max_length=60, description="What alerts call it. Not set: its text, or `default` without one."
    )
    text: str | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description="What is abnormal, such as `a person without a helmet`. Not set: the usual crimes, accidents and "
        "dangers.",
    )
    ignore: str | None = Field(
        default=None, min_length=1, max_length=2000, description="What never is, such as `people who feed birds`."
    )
    open: Score | None = Field(
        default=None, description="Instead of the camera's `alerts.open`; `close` and `alert` follow it, if not given."
    )
    close: Score | None = Field(default=None, description="Instead of the camera's `alerts.close`.")
    alert: Score | None = Field(default=None, description="Instead of the camera's `alerts.alert`.")

    def check(self) -> None:
        Wording(self.definition())

    def definition(self) -> Definition:
        name = self.name or " ".join((self.text or USUAL.name).split())
        return Definition(name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…", self.text, self.ignore)

    def policy(self, camera: AlertsConfig) -> PolicySettings:
        """The camera's, with the definition's name and thresholds. One that is not given keeps its place between the
        others: `close` its share of `open`, `alert` its share of the way from `open` to 1."""
        usual = camera.policy()
        open_ = usual.open if self.open is None else self.open
        close = self.close if self.close is not None else usual.close * open_ / usual.open if usual.open else 0.0
        way = (usual.alert - usual.open) / (1 - usual.open) if usual.open < 1 else 1.0
        alert = self.alert if self.alert is not None else open_ + way * (1 - open_)
        name = self.definition().name
        return replace(usual, open=open_, close=close, alert=alert, definition=name)


def _definition(raw: object) -> object:
    return {"text": raw} if isinstance(raw, str) else raw


DefinitionOrSentence = Annotated[DefinitionConfig, BeforeValidator(_definition)]


class EvidenceConfig(Section):
    """What is kept of an event."""

    snapshot: bool = Field(default=True, description="Keep a picture of the worst moment, with its boxes.")
    boxes: bool = Field(
        default=True,
        description="Have a scorer that understands words say where in the snapshot it is; costs some time per event.",
    )
    clip: bool = Field(default=True, description="Keep a video clip, as the camera sent it. Off saves memory and disk.")
    pre_roll_s: Duration = Field(
        default=5.0,
        ge=0,
        le=60,
        description="How much of the time before the event the clip shows; it is held in memory.",
    )
    post_roll_s: Duration = Field(
        default=5.0, ge=0, le=60, description="How much of the time after the event the clip shows."
    )
    max_clip_s: Duration = Field(default=120.0, gt=0, le=3600, description="The clip of a long event ends after this.")
    recent_s: Duration = Field(
        default=120.0,
        ge=0,
        le=600,
        description="How much of the newest video is held in memory to try definitions on: at most 0.5 MiB a second. "
        "Only with a console and a scorer that understands words.",
    )

    def check(self) -> None:
        if self.pre_roll_s + self.post_roll_s > self.max_clip_s:
            raise UsageError("pre_roll and post_roll together are longer than max_clip", advice="raise max_clip")
