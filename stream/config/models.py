"""Every key of a configuration file: its kind, its default and what it is for. Knows no YAML and opens nothing.

A section that the engine has a value for makes it (`plan`, `policy`, ...), and is held to that value's own
rules when it is validated.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from engine.errors import UsageError
from engine.gate import IdleSettings
from engine.lrc import LrcSettings, Replaces
from engine.memory import VERA, MemorySettings
from engine.motion.settings import MotionSettings
from engine.picture import HealthSettings, PictureFault
from engine.policy import PolicySettings
from engine.prompts.questions import VERA_UCF_CRIME, VERA_XD_VIOLENCE
from engine.scoring import USUAL, Wording
from engine.smoothing import Ewma, NoSmoothing, OneSidedGaussian, Smoother
from engine.types import Definition
from engine.windows import WindowPlan
from stream.bridges.addresses import may_post
from stream.config.fields import (
    AlertTypes,
    ApiKey,
    BrokerAddress,
    Duration,
    Endpoint,
    FilePath,
    HostPort,
    Listen,
    ModelName,
    PictureSize,
    Pixels,
    Polygon,
    Question,
    Score,
    ServerAddress,
    Size,
    SourceAddress,
    Topic,
    WebhookAddress,
)
from stream.config.section import Section, default_kind, merged
from stream.feed.endpoint import require_loopback
from stream.feed.messages import AlertMessage
from stream.loopback import is_loopback
from stream.urls import host_of, publishers_name

GRID = (64, 36)  # on which zones and masks have to leave something
LONGEST_NAME = 60  # of a definition, where alerts name it
SHORTEST_TOKEN = 16
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _camera_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a camera's name has 1 to 64 letters, digits, - or _")
    return name


def _webhook_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("a webhook's name has 1 to 64 letters, digits, - or _")
    return name


CameraName = Annotated[str, AfterValidator(_camera_name)]


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
    max_duration_s: Duration = Field(
        default=300.0,
        gt=0,
        description="An event that lasts this long is ended. While the score just stays high, no other follows it.",
    )

    def policy(self) -> PolicySettings:
        return PolicySettings(**self.model_dump())

    def check(self) -> None:
        self.policy()


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


class HealthConfig(Section):
    """Which faults of the picture are told while pictures come; `docs/cameras.md` says what each sees."""

    covered: bool = Field(default=True, description="The picture shows next to nothing. Off for a room without light.")
    frozen: bool = Field(default=True, description="The same picture comes again and again. Off for drawn pictures.")
    blurred: bool = Field(default=True, description="The picture is far less sharp than usual.")
    moved: bool = Field(default=True, description="It is another view than the usual one. Off for a camera that pans.")
    after_s: Duration = Field(
        default=20.0, gt=0, le=3600, description="How long a fault must last. Raise if something often blocks the view."
    )

    def settings(self) -> HealthSettings:
        return HealthSettings(frozenset(fault for fault in PictureFault if getattr(self, fault)), self.after_s)


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
    publish_token: ApiKey | None = Field(
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
    definitions: tuple[Annotated[DefinitionConfig, BeforeValidator(_definition)], ...] = Field(
        default=(),
        max_length=16,
        description="What counts as abnormal, for scorers that understand words; the usual dangers when there is none. "
        "Each further one costs little.",
    )
    evidence: EvidenceConfig = Field(default=EvidenceConfig(), description="What is kept of an event.")
    motion: MotionConfig = Field(default=MotionConfig(), description="For the motion scorer.")
    health: HealthConfig = Field(default=HealthConfig(), description="Which faults of the picture are told.")

    def check(self) -> None:
        if self.publish_token:
            _require_length(self.publish_token)
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


ScorerTimeout = Annotated[
    Duration, Field(gt=0, description="A batch that takes the scorer longer is given up, and its windows are unknown.")
]


ScoringWay = Annotated[
    Literal["likelihood", "scale", "thresholds", "faithful"],
    Field(
        description="Where a score comes from: how likely the model finds the words of its verdict, the digits of a "
        "scale, or a yes to each of nine thresholds; `faithful` has it write the verdict for every window, which is "
        "slow and knows only 0 and 1."
    ),
]
QUESTIONS: Mapping[str, tuple[str, ...]] = {"vera-ucf-crime": VERA_UCF_CRIME, "vera-xd-violence": VERA_XD_VIOLENCE}


def _questions(raw: object) -> object:
    return QUESTIONS.get(raw, raw) if isinstance(raw, str) else raw


GuidingQuestions = Annotated[
    tuple[Question, ...],
    BeforeValidator(_questions),
    Field(
        max_length=10,
        description="Questions that guide the model's look at the frames: a list, or the name of a published set, "
        "`vera-ucf-crime` or `vera-xd-violence`.",
    ),
]
ExplainAbove = Annotated[
    Score | None,
    Field(
        description="Windows with this score or more get a sentence at once, before anything is decided: slow, but "
        "cleaning and meaning can use it. Not set: only events are explained."
    ),
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
    scoring: ScoringWay = "likelihood"
    questions: GuidingQuestions = ()
    explain_above: ExplainAbove = None
    timeout_s: ScorerTimeout = 30.0

    def check(self) -> None:
        self.wording()

    def wording(self) -> Wording:
        return Wording(questions=self.questions)


class OpenAIScorerConfig(Section):
    """A vision-language model behind servers that speak OpenAI's API: vLLM, SGLang, LMDeploy. It needs the `openai`
    extra. How to start servers, and how many, is in [scaling.md](scaling.md).
    """

    kind: Literal["openai"] = Field(
        default="openai", description="Asks a model on other GPUs or other machines, with the same prompts."
    )
    urls: tuple[ServerAddress, ...] = Field(
        min_length=1,
        max_length=64,
        description="Where the servers are, such as `http://127.0.0.1:8000/v1`. Several share the load, and one that "
        "fails is left out.",
    )
    model: str = Field(min_length=1, max_length=500, description="What the servers call the model.")
    api_key: ApiKey | None = Field(
        default=None,
        description="What the servers want as a key, such as `${VLLM_KEY}`. Not set: the secret `OPENAI_API_KEY`, if "
        "there is one.",
    )
    size: Pixels = Field(
        default=PictureSize(448, 448),
        description="Pictures are squashed to this. The default is what InternVL2 sees as one tile.",
    )
    concurrency: int = Field(
        default=32, ge=1, le=1024, description="Requests at once, over all servers. Raise for many GPUs."
    )
    scoring: ScoringWay = "likelihood"
    questions: GuidingQuestions = ()
    explain_above: ExplainAbove = None
    timeout_s: ScorerTimeout = 30.0

    def check(self) -> None:
        Wording(questions=self.questions)


ScorerConfig = Annotated[
    MotionScorerConfig | RecordedScorerConfig | InternVL2ScorerConfig | OpenAIScorerConfig,
    Field(discriminator="kind"),
    default_kind("motion"),
]


class ClipConfig(Section):
    """The model that compares pictures with sentences, for cleaning. Without its weights everything else works."""

    model: str = Field(default="ViT-B-16", min_length=1, description="Any model of open_clip, by its name there.")
    weights: str = Field(
        default="openai",
        min_length=1,
        description="open_clip's name of published weights, fetched once; or a `.safetensors` file (OpenAI's in a file "
        "need a model whose name ends in `-quickgelu`); or `off`.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="`auto` is the GPU where there is one.")


class FeedConfig(Section):
    """The ZeroMQ publisher of alerts and of the cameras' states."""

    bind: Endpoint = Field(
        default="tcp://127.0.0.1:5557", description="Where subscribers connect. The default lets in this machine only."
    )
    catch_up: Endpoint | None = Field(
        default=None,
        description="Where subscribers ask for alerts that they missed. By default the port after `bind`'s.",
    )
    keys: FilePath | None = Field(
        default=None,
        description="The folder that `vigil keys` made, such as `vigil-keys`: only who has a key of it hears the feed. "
        "An address that other machines reach needs it. See [security.md](security.md).",
    )
    scores: bool = Field(default=True, description="Publish every score as well as alerts: for plots and debugging.")

    def check(self) -> None:
        if self.keys is None:
            require_loopback(self.bind, "the feed")
            if self.catch_up:
                require_loopback(self.catch_up, "catch-up")


Begin = Annotated[
    Literal["now", "start"],
    Field(
        alias="from",
        description="Where it begins when it is new: with what is told from then on, or with the oldest alert that is "
        "kept. Afterwards it goes on where it was.",
    ),
]


class MqttConfig(Section):
    """An MQTT broker that gets alerts and the cameras' states, for Home Assistant and others. It needs the `mqtt`
    extra. The topics are in [bridges.md](bridges.md).
    """

    url: BrokerAddress = Field(
        description="`mqtt://USER:${MQTT_PASSWORD}@HOST:1883`, or `mqtts://` for TLS, by default on port 8883."
    )
    ca: FilePath | None = Field(
        default=None, description="The certificates that the broker's has to be signed by, in PEM; else the system's."
    )
    prefix: Topic = Field(default="vigil", description="What topics begin with. Every Vigil of a broker needs its own.")
    discovery: Topic = Field(
        default="homeassistant",
        description="Home Assistant's prefix, for cameras to appear there by themselves; or `off`.",
    )
    largest_snapshot_bytes: Size = Field(
        default=1_000_000,
        le=100_000_000,
        description="Larger snapshots are not sent; `0` sends none. Lower it for a broker that takes none so large.",
    )
    from_: Begin = "now"


class WebhookConfig(Section):
    """A URL that every alert is posted to. It needs the `webhooks` extra. How receivers check the signature is in
    [bridges.md](bridges.md).
    """

    name: Annotated[str, AfterValidator(_webhook_name)] = Field(
        description="What logs and metrics call it: letters, digits, `-` or `_`."
    )
    url: WebhookAddress = Field(description="`https`, or `http` for a receiver in this network. It is never logged.")
    secret: ApiKey | None = Field(
        default=None, description="What posts are signed with, such as `${HOOK_SECRET}`. Not set: they are not signed."
    )
    allow_private: bool = Field(
        default=False, description="Let it go to addresses that are not of the Internet: this machine, a local network."
    )
    types: AlertTypes = Field(default=("new", "update", "end"), min_length=1, description="Which alerts are posted.")
    severity: Literal["detection", "alert"] = Field(
        default="detection", description="Post alerts of this severity and above."
    )
    cameras: tuple[CameraName, ...] = Field(default=(), description="Post alerts of these cameras only.")
    timeout_s: Duration = Field(default=10.0, gt=0, le=120, description="How long the receiver may take to answer.")
    from_: Begin = "now"

    def wants(self, alert: AlertMessage) -> bool:
        return (
            alert.type in self.types
            and (self.severity == "detection" or alert.severity == self.severity)
            and (not self.cameras or alert.camera in self.cameras)
        )

    def check(self) -> None:
        scheme, host = self.url.url.partition("://")[0].lower(), host_of(self.url.url) or ""
        with contextlib.suppress(ValueError):  # a name: it is looked up, and checked, at each post
            if not may_post(scheme, "127.0.0.1" if is_loopback(host) else host, allow_private=self.allow_private):
                raise UsageError(
                    f"this webhook must not go to {host}",
                    advice="use https" if self.allow_private else "set allow_private if it is meant",
                )
        if scheme == "http" and not self.allow_private:
            raise UsageError("http would send alerts in the open", advice="use https, or set allow_private")


class HttpConfig(Section):
    """Health (`/healthz`, `/readyz`) and metrics (`/metrics`)."""

    bind: Listen = Field(
        default=HostPort("127.0.0.1", 8787),
        description="Where to serve them, or `off`. An address that other machines reach needs a `token`.",
    )
    token: ApiKey | None = Field(
        default=None,
        description="What to show for `/readyz` and `/metrics`, as `Authorization: Bearer TOKEN`, such as "
        "`${VIGIL_HTTP_TOKEN}`: 16 characters or more. `/healthz` is open to all.",
    )

    def check(self) -> None:
        if self.token:
            _require_length(self.token)
        elif self.bind and not is_loopback(self.bind.host):
            raise UsageError(
                f"health and metrics at {self.bind} would be open to the whole network",
                advice="give it a token: run `export VIGIL_HTTP_TOKEN=$(openssl rand -hex 24)` and put `http: {token: "
                f"'${{VIGIL_HTTP_TOKEN}}'}}` into the file; or use 127.0.0.1:{self.bind.port}, behind a proxy or an "
                "SSH tunnel",
            )


def _require_length(token: SecretStr) -> None:
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise UsageError(f"a token has {SHORTEST_TOKEN} characters or more", advice="make one: openssl rand -hex 24")


class TokenConfig(Section):
    """Somebody who may sign in to the console."""

    name: str = Field(min_length=1, max_length=60, description="Who it is: marks and changes are signed with it.")
    role: Literal["viewer", "operator", "admin"] = Field(
        description="A `viewer` looks; an `operator` also marks alerts and changes definitions; an `admin` may do all."
    )
    token: ApiKey = Field(description="What they sign in with, such as `${CONSOLE_TOKEN}`: 16 characters or more.")

    def check(self) -> None:
        _require_length(self.token)


class IceConfig(Section):
    """A server that helps publishers of `webrtc` cameras through a network. In one network none is needed."""

    url: str = Field(
        pattern=r"^(stuns?|turns?):[^\s]+$", description="Such as `stun:192.0.2.1:3478` or `turn:192.0.2.1:3478`."
    )
    user: str | None = Field(default=None, description="For TURN.")
    password: ApiKey | None = Field(default=None, description="For TURN, such as `${TURN_PASSWORD}`.")


class ConsoleConfig(Section):
    """The page in the browser, and its API. It needs the `console` extra."""

    bind: Listen = Field(
        default=None, description="Where to serve it, such as 127.0.0.1:8788; an address others reach needs `tokens`."
    )
    tokens: tuple[TokenConfig, ...] = Field(
        default=(),
        max_length=64,
        description="Who may sign in. Without any, everybody on this machine is an admin, and nobody else gets in.",
    )
    ice_servers: tuple[IceConfig, ...] = Field(
        default=(), max_length=4, description="For publishers from other networks; the first of each kind is used."
    )

    def check(self) -> None:
        names = [each.name for each in self.tokens]
        secrets = {each.token.get_secret_value() for each in self.tokens}
        if len(set(names)) < len(names) or len(secrets) < len(names):
            raise UsageError("two tokens have the same name or are the same", advice="give everybody one of their own")
        if self.bind and not self.tokens and not is_loopback(self.bind.host):
            raise UsageError(
                f"the console at {self.bind} would be open to the whole network",
                advice="give it a token: run `export CONSOLE_TOKEN=$(openssl rand -hex 24)` and put `console: "
                "{tokens: [{name: me, role: admin, token: '${CONSOLE_TOKEN}'}]}` into the file; or use "
                f"127.0.0.1:{self.bind.port}, and from other machines `ssh -N -L {self.bind.port}:127.0.0.1:"
                f"{self.bind.port} THIS_MACHINE`",
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


class WatchConfig(Section):
    """Every section may be left out, and every key that is not required."""

    cameras: Mapping[CameraName, CameraConfig] = Field(
        default_factory=dict, description="The cameras, each under its name: 1 to 64 letters, digits, `-` or `_`."
    )
    defaults: CameraDefaults = Field(
        default=CameraDefaults(), description="Any key of a camera but `source`, for all cameras that lack it."
    )
    scorer: ScorerConfig = Field(default=MotionScorerConfig(), description="What judges the pictures.")
    clip: ClipConfig = Field(default=ClipConfig(), description="What compares pictures with sentences.")
    feed: FeedConfig = Field(default=FeedConfig(), description="Where alerts are published.")
    mqtt: MqttConfig | None = Field(default=None, description="Alerts and states on an MQTT broker.")
    webhooks: tuple[WebhookConfig, ...] = Field(
        default=(), max_length=32, description="URLs that alerts are posted to."
    )
    http: HttpConfig = Field(default=HttpConfig(), description="Health and metrics.")
    console: ConsoleConfig = Field(default=ConsoleConfig(), description="The page in the browser.")
    data: DataConfig = Field(default=DataConfig(), description="What is written to disk.")
    engine: EngineConfig = Field(default=EngineConfig(), description="What all cameras share.")

    def check(self) -> None:
        if self.scorer.kind == "motion" and any(camera.definitions for camera in self.cameras.values()):
            raise UsageError(
                "the motion scorer does not understand definitions", advice="use the scorer internvl2 or openai"
            )
        enabled = {name: camera for name, camera in self.cameras.items() if camera.enabled}
        published = {name: publishers_name(camera.source.url) for name, camera in enabled.items()}
        waiting = [name for name, publisher in published.items() if publisher]
        if waiting and self.console.bind is None:
            raise UsageError(
                f"the camera {waiting[0]} waits for a publisher, but the console, where they come in, is off",
                advice="add --console, or console.bind to the file",
            )
        if len({published[name] for name in waiting}) < len(waiting):
            raise UsageError("two cameras wait for the same publisher", advice="give each webrtc:// a name of its own")
        names = Counter(webhook.name for webhook in self.webhooks)
        if twice := [name for name, count in names.items() if count > 1]:
            raise UsageError(f"two webhooks are called {twice[0]!r}", advice="give each a name of its own")
        for webhook in self.webhooks:
            if unknown := [camera for camera in webhook.cameras if camera not in self.cameras]:
                raise UsageError(f"the webhook {webhook.name} names a camera {unknown[0]!r} that there is not")

    @model_validator(mode="before")
    @classmethod
    def _apply_defaults(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        cameras = raw.get("cameras")
        if isinstance(cameras, dict | None):
            cameras = {name: merged(raw.get("defaults"), camera) for name, camera in (cameras or {}).items()}
        return raw | {"cameras": cameras}
