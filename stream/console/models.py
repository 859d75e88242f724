"""What the API takes and gives. Names are those of the feed's messages where these have the same thing."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from engine.policy import PolicySettings
from engine.types import Definition
from stream.config.models import DefinitionConfig
from stream.console.changes import Change
from stream.console.marks import Mark
from stream.console.told import Told
from stream.feed.messages import AlertBox, AlertMessage, AlertModel

Time = Annotated[float, Field(description="Seconds since the Unix epoch, in UTC.")]
Verdict = Literal["true", "false"]
LONGEST_NOTE = 2000
MOST_DEFINITIONS = 16
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Given(BaseModel):
    """A request's body: what is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Given):
    token: str = Field(min_length=1, max_length=500)


class SignedIn(BaseModel):
    """`csrf` goes into the header `X-CSRF-Token` of everything that changes something."""

    name: str
    role: str
    csrf: str


class CameraDefinition(BaseModel):
    """What is watched for, with the thresholds in force."""

    name: str
    text: str | None
    ignore: str | None
    open: float
    close: float
    alert: float

    @classmethod
    def of(cls, definition: Definition, settings: PolicySettings) -> CameraDefinition:
        return cls(
            name=definition.name,
            text=definition.text,
            ignore=definition.ignore,
            open=settings.open,
            close=settings.close,
            alert=settings.alert,
        )


class Camera(BaseModel):
    """A camera as it is now. Scores are by definition; null is unknown, which never means normal."""

    name: str
    source: str = Field(description="Without its password.")
    state: str
    since: Time | None
    fault: str | None
    message: str | None
    advice: str | None
    fps: float | None
    reconnects: int
    scored_per_s: float
    dropped: int = Field(description="Windows that no scorer judged.")
    frames_dropped: dict[str, int] = Field(description="Pictures that became part of no window, by reason.")
    waiting_s: float = Field(description="The age of its oldest window that waits for the scorer; 0 when none does.")
    frame_age_s: float | None
    latency_s: float | None = Field(description="From a window's end to its score; null for a file.")
    size: tuple[int, int]
    definitions: list[CameraDefinition]
    score: dict[str, float | None]
    threshold: dict[str, float]
    open_event: str | None
    whep: str | None = Field(description="Where to watch it by WebRTC; null where that can't be done.")


class Point(BaseModel):
    """The score at a window's end: `raw` is that window's own, `score` the smoothed one, `held` a repeated one."""

    time: Time
    raw: float | None
    score: float | None
    held: bool
    text: str | None


class Span(BaseModel):
    """An event on a timeline."""

    id: str
    definition: str
    severity: str
    start_time: Time
    end_time: Time | None
    explanation: str | None
    explanation_state: str


class Timeline(BaseModel):
    definition: str
    points: list[Point]
    events: list[Span]


class EventMark(BaseModel):
    verdict: Verdict | None
    acknowledged: bool
    note: str
    by: str
    time: Time

    @classmethod
    def of(cls, mark: Mark) -> EventMark:
        return cls.model_validate(mark, from_attributes=True)


class Event(BaseModel):
    """An event as its latest alert tells it. `snapshot` and `clip` are where they can be fetched."""

    id: str
    seq: int
    camera: str
    definition: str
    severity: str
    start_time: Time
    end_time: Time | None
    end_reason: str | None
    score: float
    top_score: float
    threshold: float
    fault: str | None
    explanation: str | None
    explanation_state: str
    boxes: tuple[Annotated[AlertBox, Told()], ...]
    snapshot: str | None
    snapshot_note: str | None
    snapshot_time: Time | None
    clip: str | None
    clip_note: str | None
    clip_start_time: Time | None
    model: Annotated[AlertModel, Told()]
    suppressed_count: int
    mark: EventMark | None


class Events(BaseModel):
    """Newest first, by when they began. `next_before_seq` asks for the ones after these; null when there are none."""

    events: list[Event]
    next_before_seq: int | None


class EventCourse(Event):
    """With the alerts it was told by, as on the feed, and all that people said of it."""

    messages: list[Annotated[AlertMessage, Told()]]
    marks: list[EventMark]


class MarkGiven(Given):
    """What is left out stays as it was said before."""

    acknowledged: bool | None = None
    verdict: Verdict | None = None
    note: str | None = Field(default=None, max_length=LONGEST_NOTE)


def _sentence(raw: object) -> object:
    return {"text": raw} if isinstance(raw, str) else raw


def _plain(definition: DefinitionConfig) -> DefinitionConfig:
    for text in (definition.name, definition.text or "", definition.ignore or ""):
        if found := _NO_TEXT.search(text):
            raise ValueError(f"holds U+{ord(found[0]):04X}, which is no text")
    return definition


GivenDefinition = Annotated[DefinitionConfig, BeforeValidator(_sentence)]


class DefinitionsGiven(Given):
    definitions: list[GivenDefinition] = Field(max_length=MOST_DEFINITIONS)
    based_on: str = Field(max_length=64, description="The version that these were made from.")

    @field_validator("definitions")
    @classmethod
    def _are_plain(cls, definitions: list[DefinitionConfig]) -> list[DefinitionConfig]:
        return [_plain(each) for each in definitions]


class UndoGiven(Given):
    based_on: str = Field(max_length=64, description="The version that is in force.")


class MarkTold(BaseModel):
    """What viewers hear when somebody marks an event."""

    event: str
    mark: EventMark


class DefinitionsChange(BaseModel):
    """`undone_by` and `undone_time` are null for what stands, and for what was undone before that was kept."""

    time: Time
    by: str
    definitions: list[DefinitionConfig]
    undone: bool
    undone_by: str | None
    undone_time: Time | None

    @classmethod
    def of(cls, change: Change) -> DefinitionsChange:
        return cls.model_validate(change, from_attributes=True)


class Definitions(BaseModel):
    """Newest change first."""

    definitions: list[DefinitionConfig]
    version: str
    history: list[DefinitionsChange]


class DefinitionsInForce(BaseModel):
    """`kept_until_restart` says why they are not in the configuration file; null when they are."""

    definitions: list[DefinitionConfig]
    version: str
    kept_until_restart: str | None


class TryGiven(Given):
    """A wording to be tried on an event's clip, or without `event` on what the camera showed last."""

    definition: GivenDefinition
    event: str | None = Field(default=None, max_length=100)
    seconds: float = Field(default=120.0, gt=0, le=600)

    @field_validator("definition")
    @classmethod
    def _is_plain(cls, definition: DefinitionConfig) -> DefinitionConfig:
        return _plain(definition)


class TriedPoint(BaseModel):
    """The score of a window that ends `at_s` after the beginning; null is unknown."""

    at_s: float
    score: float | None


class Try(BaseModel):
    """`old` is by the wording in force, `new` by the one that is tried.

    `start_time`, `length_s` and `shortfall` are null for a clip, and until what was just seen was recorded.
    """

    id: str
    camera: str
    state: Literal["running", "done", "failed"]
    problem: str | None
    start_time: Time | None
    length_s: float | None = Field(description="How much there was of what the camera showed last.")
    shortfall: str | None = Field(description="Why there was less than was asked for; null when there was not.")
    old: list[TriedPoint]
    new: list[TriedPoint]


class Disk(BaseModel):
    free_bytes: int
    used_bytes: int = Field(description="By Vigil's data folder.")


class OutboxHealth(BaseModel):
    last_seq: int
    pending: int


class ScorerHealth(BaseModel):
    scorer: str
    name: str
    understands_words: bool
    hung_for_s: float


class BridgeHealth(BaseModel):
    name: str
    waiting: int = Field(description="Alerts that are still to be delivered.")
    failing: bool


class Windows(BaseModel):
    scored: int
    unknown: int
    dropped: dict[str, int]


class Gpu(BaseModel):
    name: str
    used_bytes: int
    total_bytes: int
    busy: float | None = Field(description="Share of the time that it computes; null where nvidia-ml does not tell.")


class Processor(BaseModel):
    cores: int
    load: float
    used_s: float = Field(description="Processor time of this process since it began.")


class Memory(BaseModel):
    used_bytes: int | None = Field(description="By this process.")
    available_bytes: int | None


class Health(BaseModel):
    version: str
    uptime_s: float
    scorer: ScorerHealth
    queue_age_s: float
    windows: Windows
    outbox: OutboxHealth
    bridges: list[BridgeHealth]
    disk: Disk
    gpu: list[Gpu]
    cpu: Processor
    memory: Memory
