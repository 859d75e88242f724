"""A camera: where its pictures come from, and how they are looked at. Opens nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from engine.errors import UsageError
from engine.gate import IdleSettings
from engine.motion.settings import MotionSettings
from engine.picture import HealthSettings, PictureFault
from engine.policy import PolicySettings
from engine.types import Definition
from engine.windows import WindowPlan
from stream.config.fields import Duration, Pixels, Polygon, SourceAddress, Token
from stream.config.models.alerts import AlertsConfig, DefinitionConfig, DefinitionOrSentence, EvidenceConfig
from stream.config.models.timeline import CleaningConfig, EwmaConfig, SmoothingConfig
from stream.config.section import Section
from stream.urls import publishers_name

GRID = (64, 36)  # on which zones and masks have to leave something


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


class MotionConfig(Section):
    """How the motion scorer judges this camera."""

    sensitivity: float = Field(
        default=1.0, gt=0, le=100, description="Factor on how unusual motion is: above 1 scores higher, below 1 lower."
    )
    warm_up_s: Duration = Field(
        default=8.0, gt=0, description="How long the scene is only learnt after a start; scores are unknown meanwhile."
    )


class HealthConfig(Section):
    """Which faults of the picture are told while pictures come; `docs/cameras.md` says what each sees."""

    covered: bool = Field(default=True, description="The picture shows next to nothing. Off for a room without light.")
    frozen: bool = Field(default=True, description="The same picture comes again and again. Off for drawn pictures.")
    blurred: bool = Field(default=True, description="The picture is far less sharp than usual.")
    moved: bool = Field(default=True, description="It is another view than the usual one. Off for a camera that pans.")
    after_s: Duration = Field(
        default=20.0, gt=0, le=3600, description="How long a fault must last. Raise if something often blocks the view."
    )
    alerts: bool = Field(
        default=True, description="An alert when the camera fails for long, of severity `fault`. Off: only its status."
    )
    alert_after_s: Duration = Field(
        default=10.0,
        ge=0,
        le=86400,
        description="How long a camera must be stalled, offline, failed or show a fault before that is an alert.",
    )

    def settings(self) -> HealthSettings:
        return HealthSettings(frozenset(fault for fault in PictureFault if getattr(self, fault)), self.after_s)


class CameraDefaults(Section):
    """What holds for every camera that does not say otherwise: any key of a camera but `source`."""

    enabled: bool = Field(default=True, description="Off keeps the camera in the file but does not watch it.")
    rtsp_transport: Literal["tcp", "udp"] = Field(
        default="tcp",
        description="How RTSP carries the video. `udp` only for cameras that can't do `tcp`: it loses packets.",
    )
    open_timeout_s: Duration = Field(
        default=9.0,
        gt=0,
        le=300,
        description="How long connecting may take: half of it until the camera answers, half until its video is known. "
        "Raise for cameras that wake up slowly.",
    )
    stall_s: Duration = Field(
        default=4.0,
        gt=0,
        le=300,
        description="Without a picture for this long the camera counts as stalled and is reopened. The default is told "
        "within 5 s.",
    )
    hwaccel: Literal["none", "auto", "cuda", "qsv", "vaapi", "videotoolbox", "d3d11va"] = Field(
        default="none", description="Decode on this hardware; `auto` takes what is there and falls back to software."
    )
    skip_unreferenced: bool = Field(
        default=True, description="Do not decode pictures that no other one needs. Turn off if motion looks jerky."
    )
    scaling: Literal["fast", "exact"] = Field(
        default="fast",
        description="How pictures are scaled to the scorer's size. `exact` is how InternVL2 was trained, and takes 3 "
        "to 21 ms a frame (`docs/performance.md`). It needs Pillow; webcams and publishers ignore it.",
    )
    size: Pixels | None = Field(default=None, description="Picture size to ask a webcam for. Other sources ignore it.")
    fps: float | None = Field(
        default=None, gt=0, le=240, description="Pictures per second to ask a webcam for. Other sources ignore it."
    )
    publish_token: Token | None = Field(
        default=None,
        description="What lets publish to a `webrtc` source, such as `${PHONE_TOKEN}`: 16 characters or more. The "
        "console's operators may without it. Other sources ignore it.",
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
    cleaning: CleaningConfig = Field(
        default=CleaningConfig(), description="How answers of scorers that understand words are repaired."
    )
    smoothing: SmoothingConfig = Field(default=EwmaConfig(), description="How scores are smoothed over time.")
    alerts: AlertsConfig = Field(default=AlertsConfig(), description="When people are told.")
    definitions: tuple[DefinitionOrSentence, ...] = Field(
        default=(),
        max_length=16,
        description="What counts as abnormal, for scorers that understand words; the usual dangers when there is none. "
        "Each further one costs little.",
    )
    evidence: EvidenceConfig = Field(default=EvidenceConfig(), description="What is kept of an event.")
    motion: MotionConfig = Field(default=MotionConfig(), description="For the motion scorer.")
    health: HealthConfig = Field(default=HealthConfig(), description="Which faults of the picture are told.")

    def check(self) -> None:
        if self.idle.enabled and self.idle.floor_s < self.window.stride_s:
            raise UsageError(
                "idle.floor is shorter than window.stride: a still scene would be scored more often than a busy one",
                advice="raise idle.floor",
            )
        if not self.motion_settings().regions.raster(*GRID).any():
            raise UsageError("zones and masks leave nothing to watch", advice="shrink the masks")
        names = Counter(each.definition().name for each in self.definitions)
        if twice := [name for name, count in names.items() if count > 1]:
            raise UsageError(f"two definitions are called {twice[0]!r}", advice="give each a name of its own")
        for each in self.definitions:
            each.policy(self.alerts)

    def policies(self) -> Mapping[Definition, PolicySettings]:
        """What is watched for, and when each becomes an alert; at least one."""
        return {each.definition(): each.policy(self.alerts) for each in self.definitions or (DefinitionConfig(),)}

    def motion_settings(self) -> MotionSettings:
        return MotionSettings(zones=self.zones, masks=self.masks, **self.motion.model_dump())


class CameraConfig(CameraDefaults):
    """One camera. What it does not set comes from `defaults`, key by key."""

    source: SourceAddress = Field(
        description="Where the video comes from: a URL (`rtsp`, `rtsps`, `http`, `https`, `synthetic`), a file, "
        "a webcam's number such as `0`, a device such as `/dev/video0`, or `webrtc://NAME`: whoever publishes there."
    )

    def check(self) -> None:
        super().check()
        publishers_name(self.source.url)
