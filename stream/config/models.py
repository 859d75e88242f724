"""Every key of a configuration file: its kind, its default and what it is for. Knows no YAML and opens nothing.

A section that the engine has a value for makes it (`plan`, `policy`, ...), and is held to that value's own
rules when it is validated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from engine.errors import UsageError
from engine.gate import IdleSettings
from engine.internvl2.scoring import Wording
from engine.motion.settings import MotionSettings
from engine.policy import PolicySettings
from engine.smoothing import Ewma, NoSmoothing, OneSidedGaussian, Smoother
from engine.windows import WindowPlan
from stream.config.fields import (
    Duration,
    Endpoint,
    FilePath,
    HostPort,
    Listen,
    ModelName,
    Pixels,
    Polygon,
    Question,
    Score,
    Size,
    SourceAddress,
)
from stream.config.section import Section, default_kind, merged

_CAMERA_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class WindowConfig(Section):
    """What a scorer looks at: `frames` pictures of the last `length`, once every `stride`."""

    fps: float = Field(
        default=8.0, gt=0, le=60, description="Pictures sampled per second. More show faster motion and cost more."
    )
    length_s: Duration = Field(
        default=1.0, gt=0, description="How far back a window reaches. Longer shows slower events."
    )
    stride_s: Duration = Field(
        default=1.0, gt=0, description="How often a window is scored. Longer costs less and notices later."
    )
    frames: int = Field(
        default=8, ge=1, le=64, description="Pictures in a window, spread evenly over it: at most fps times length."
    )

    def plan(self) -> WindowPlan:
        return WindowPlan(**self.model_dump())

    def check(self) -> None:
        self.plan()
        if self.stride_s * self.fps < 1:
            raise UsageError(
                f"a stride of {self.stride_s:g} s is shorter than the {1 / self.fps:g} s between two pictures",
                advice="raise stride or fps",
            )


class IdleConfig(Section):
    """Watching a still scene by its key frames only, which saves most of the decoding and scoring."""

    enabled: bool = Field(
        default=False, description="Turn on for scenes that are often still and have little to spare."
    )
    after_s: Duration = Field(
        default=30.0, gt=0, description="How long nothing must move before the scene counts as still."
    )
    floor_s: Duration = Field(
        default=5.0,
        gt=0,
        description="How often a still scene is scored all the same: what happens slowly is seen this late.",
    )

    def settings(self) -> IdleSettings:
        return IdleSettings(**self.model_dump())


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
    max_duration_s: Duration = Field(default=300.0, gt=0, description="An event that lasts this long is ended.")

    def policy(self) -> PolicySettings:
        return PolicySettings(**self.model_dump())

    def check(self) -> None:
        self.policy()


class EvidenceConfig(Section):
    """What is kept of an event."""

    snapshot: bool = Field(default=True, description="Keep a picture of the worst moment, with its boxes.")
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

    def check(self) -> None:
        if self.pre_roll_s + self.post_roll_s > self.max_clip_s:
            raise UsageError("pre_roll and post_roll together are longer than max_clip", advice="raise max_clip")


class MotionConfig(Section):
    """How the motion scorer judges this camera."""

    sensitivity: float = Field(
        default=1.0, gt=0, le=100, description="Factor on how unusual motion is: above 1 scores higher, below 1 lower."
    )
    warm_up_s: Duration = Field(
        default=8.0, gt=0, description="How long the scene is only learnt after a start; scores are unknown meanwhile."
    )


class CameraDefaults(Section):
    """What holds for every camera that does not say otherwise: any key of a camera but `source`."""

    enabled: bool = Field(default=True, description="Off keeps the camera in the file but does not watch it.")
    rtsp_transport: Literal["tcp", "udp"] = Field(
        default="tcp",
        description="How RTSP carries the video. `udp` only for cameras that can't do `tcp`: it loses packets.",
    )
    open_timeout_s: Duration = Field(
        default=10.0, gt=0, le=300, description="How long connecting may take. Raise for cameras that wake up slowly."
    )
    stall_s: Duration = Field(
        default=5.0,
        gt=0,
        le=300,
        description="Without a picture for this long the camera counts as stalled and is reopened.",
    )
    hwaccel: Literal["none", "auto", "cuda", "qsv", "vaapi", "videotoolbox", "d3d11va"] = Field(
        default="none", description="Decode on this hardware; `auto` takes what is there and falls back to software."
    )
    skip_unreferenced: bool = Field(
        default=True, description="Do not decode pictures that no other one needs. Turn off if motion looks jerky."
    )
    size: Pixels | None = Field(default=None, description="Picture size to ask a webcam for. Other sources ignore it.")
    fps: float | None = Field(
        default=None, gt=0, le=240, description="Pictures per second to ask a webcam for. Other sources ignore it."
    )
    pace: Literal["realtime", "max"] = Field(
        default="realtime", description="How fast a file is played: like a camera, or as fast as it can be scored."
    )
    window: WindowConfig = Field(default=WindowConfig(), description="What a scorer looks at, and how often.")
    zones: tuple[Polygon, ...] = Field(
        default=(),
        description="Areas to look at; everywhere when there are none. Points are fractions from the upper left.",
    )
    masks: tuple[Polygon, ...] = Field(
        default=(), description="Areas to ignore, such as a clock, a road or a tree. They win over zones."
    )
    idle: IdleConfig = Field(default=IdleConfig(), description="Watching a still scene more cheaply.")
    smoothing: SmoothingConfig = Field(default=EwmaConfig(), description="How scores are smoothed over time.")
    alerts: AlertsConfig = Field(default=AlertsConfig(), description="When people are told.")
    evidence: EvidenceConfig = Field(default=EvidenceConfig(), description="What is kept of an event.")
    motion: MotionConfig = Field(default=MotionConfig(), description="For the motion scorer.")

    def check(self) -> None:
        if self.idle.enabled and self.idle.floor_s < self.window.stride_s:
            raise UsageError(
                "idle.floor is shorter than window.stride: a still scene would be scored more often than a busy one",
                advice="raise idle.floor",
            )

    def motion_settings(self) -> MotionSettings:
        return MotionSettings(zones=self.zones, masks=self.masks, **self.motion.model_dump())


class CameraConfig(CameraDefaults):
    """One camera. What it does not set comes from `defaults`, key by key."""

    source: SourceAddress = Field(
        description="Where the video comes from: a URL (`rtsp`, `rtsps`, `http`, `https`, `synthetic`), a file, "
        "a webcam's number such as `0`, or a device such as `/dev/video0`."
    )


ScorerTimeout = Annotated[
    Duration, Field(gt=0, description="A batch that takes the scorer longer is given up, and its windows are unknown.")
]


class MotionScorerConfig(Section):
    """Unusual motion, with nothing to download. Each camera's `motion` section steers it."""

    kind: Literal["motion"] = Field(default="motion", description="The default kind.")
    timeout_s: ScorerTimeout = 30.0


class RecordedScorerConfig(Section):
    """Responses that were recorded before: for tests and debugging."""

    kind: Literal["recorded"] = Field(
        default="recorded", description="Answers from a file instead of looking at pictures."
    )
    responses: FilePath = Field(description="The file of responses, in JSON lines.")
    timeout_s: ScorerTimeout = 30.0


class InternVL2ScorerConfig(Section):
    """A vision-language model in this process. It needs the `vlm` extra and, but for tiny models, a GPU."""

    kind: Literal["internvl2"] = Field(
        default="internvl2", description="Understands what it sees, and says it in a sentence."
    )
    model: ModelName = Field(
        description="The folder of an original InternVL2 checkpoint, or its name on the Hugging Face hub, such as "
        "`OpenGVLab/InternVL2-8B`, if need be with `@revision`."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="`auto` is the GPU where there is one.")
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        default="auto", description="The numbers it computes with; `auto` is `bfloat16` on a GPU, else `float32`."
    )
    scoring: Literal["likelihood", "scale", "thresholds", "faithful"] = Field(
        default="likelihood",
        description="Where a score comes from: how likely the model finds the words of its verdict, the digits of a "
        "scale, or a yes to each of nine thresholds; `faithful` has it write the verdict for every window, which is "
        "slow and knows only 0 and 1.",
    )
    definition: str | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description="What counts as abnormal, in a sentence; by default the usual crimes, accidents and dangers.",
    )
    questions: tuple[Question, ...] = Field(
        default=(), max_length=10, description="Questions that guide the model's look at the frames."
    )
    explain_above: Score = Field(
        default=0.5, description="Windows with this score or more get a sentence. Higher costs less time."
    )
    timeout_s: ScorerTimeout = 30.0

    def check(self) -> None:
        self.wording()

    def wording(self) -> Wording:
        return Wording(self.definition, self.questions)


ScorerConfig = Annotated[
    MotionScorerConfig | RecordedScorerConfig | InternVL2ScorerConfig,
    Field(discriminator="kind"),
    default_kind("motion"),
]


class FeedConfig(Section):
    """The ZeroMQ publisher of alerts and of the cameras' states."""

    bind: Endpoint = Field(
        default="tcp://127.0.0.1:5557", description="Where subscribers connect. The default lets in this machine only."
    )
    scores: bool = Field(default=True, description="Publish every score as well as alerts: for plots and debugging.")


class HttpConfig(Section):
    """Health (`/healthz`, `/readyz`) and metrics (`/metrics`)."""

    bind: Listen = Field(
        default=HostPort("127.0.0.1", 8787), description="Where to serve them. The default lets in this machine only."
    )


class RetentionConfig(Section):
    """How long snapshots and clips are kept: whichever bound is reached first, the oldest go."""

    age_s: Duration = Field(default=7 * 86400.0, gt=0, description="Evidence older than this is deleted.")
    size_bytes: Size = Field(
        default=5 * 10**9, gt=0, description="When all cameras together take more, the oldest is deleted."
    )


class DataConfig(Section):
    """What is written to disk. Use a local disk: the outbox is a database, and network shares break it."""

    dir: FilePath = Field(default=Path("vigil-data"), description="The folder for the outbox, snapshots and clips.")
    retention: RetentionConfig = Field(default=RetentionConfig(), description="When evidence is deleted.")


class EngineConfig(Section):
    """What all cameras share."""

    staleness_s: Duration = Field(
        default=2.0, gt=0, description="A window that waits longer for the scorer is dropped. Raise for slow scorers."
    )
    max_batch: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Most windows scored at once; else as many as the scorer takes. Lower it to use less GPU memory.",
    )


def _camera_name(name: str) -> str:
    if not _CAMERA_NAME.fullmatch(name):
        raise ValueError("a camera's name has 1 to 64 letters, digits, - or _")
    return name


class WatchConfig(Section):
    """Every section may be left out, and every key that is not required."""

    cameras: Mapping[Annotated[str, AfterValidator(_camera_name)], CameraConfig] = Field(
        default_factory=dict, description="The cameras, each under its name: 1 to 64 letters, digits, `-` or `_`."
    )
    defaults: CameraDefaults = Field(
        default=CameraDefaults(), description="Any key of a camera but `source`, for all cameras that lack it."
    )
    scorer: ScorerConfig = Field(default=MotionScorerConfig(), description="What judges the pictures.")
    feed: FeedConfig = Field(default=FeedConfig(), description="Where alerts are published.")
    http: HttpConfig = Field(default=HttpConfig(), description="Health and metrics.")
    data: DataConfig = Field(default=DataConfig(), description="What is written to disk.")
    engine: EngineConfig = Field(default=EngineConfig(), description="What all cameras share.")

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        cameras = raw.get("cameras")
        if isinstance(cameras, dict | None):
            cameras = {name: merged(raw.get("defaults"), camera) for name, camera in (cameras or {}).items()}
        return raw | {"cameras": cameras}
