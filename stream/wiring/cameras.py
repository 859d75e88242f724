"""Makes what a camera is watched with: its source, its cleaning, and what decides its alerts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.util import find_spec

from engine.cleaning import Chain, Cleaner, Identity
from engine.encoder import TextEncoder
from engine.errors import UsageError
from engine.lrc import LocalResponseCleaning
from engine.meaning import Meaning, MeaningSettings, Scenes
from engine.memory import Memory
from engine.motion import MotionScorer
from engine.policy import AlertPolicy
from engine.prompts.scenes import ABNORMAL
from engine.scorer import LanguageScorer, Scorer
from engine.timeline import CameraTimeline
from engine.types import Definition
from stream.config.models import (
    CameraConfig,
    CameraDefaults,
    CleaningConfig,
    WatchConfig,
)
from stream.desk import Desk, Track
from stream.evidence.clip import ClipSettings
from stream.ids import Ids
from stream.rings import PacketRing
from stream.session import Pace
from stream.sources.base import Source
from stream.sources.pyav import PyAvOptions, PyAvSource, patience_s
from stream.sources.synthetic import SyntheticSource
from stream.sources.webcam import WebcamSource
from stream.urls import SourceKind, kind_of, publishers_name
from stream.webrtc.door import Doors
from stream.webrtc.source import WebRtcSource

HISTORY_POINTS = 3600  # of each camera's timeline: an hour at one window a second
PACKETS_BYTES = 32 << 20  # per camera at most; 25 s of a 10 Mbit/s camera
RECENT_BYTES_PER_S = 512 << 10  # of what is held to try wordings on: 4 Mbit/s
PACKETS_SLACK_S = 10.0  # beyond the pre-roll: an event is told some seconds after it began
FAST_FILE_S = 120.0  # a file at full pace passes the evidence thread by that much between two looks


def make_source(config: CameraConfig, doors: Doors | None = None) -> Source:
    """A fresh attempt at a camera; publishers come by `doors`. Raises UsageError for a source that makes no sense."""
    url = config.source.url
    match kind_of(url):
        case SourceKind.SYNTHETIC:
            return SyntheticSource(url)
        case SourceKind.WEBCAM:
            device = int(url) if url.isdigit() else url
            return WebcamSource(device, size=config.size, fps=config.fps, read_timeout_s=config.stall_s)
        case SourceKind.WEBRTC:
            name = publishers_name(url)
            if name is None or doors is None:
                raise UsageError(f"{config.source}: publishers are taken only while `vigil watch` runs")
            if find_spec("aiortc") is None:
                raise UsageError(f"{config.source} needs the webrtc extra", advice="pip install -e '.[console,webrtc]'")
            return WebRtcSource(name, doors[name], config.stall_s)
        case _:
            if config.scaling == "exact" and find_spec("PIL") is None:
                raise UsageError(f"{config.source}: `scaling: exact` needs Pillow", advice="pip install -e '.[vlm]'")
            options = PyAvOptions(
                rtsp_transport=config.rtsp_transport,
                open_timeout_s=config.open_timeout_s,
                read_timeout_s=config.stall_s,
                hwaccel=None if config.hwaccel == "none" else config.hwaccel,
                skip_unreferenced=config.skip_unreferenced,
                wanted_fps=config.window.fps,
                exact=config.scaling == "exact",
            )
            return PyAvSource(url, options)


def stall_s(config: CameraConfig) -> float:
    """How long a camera may be silent before it counts as stalled."""
    return patience_s(config.source.url, config.stall_s)


def open_timeout_s(config: CameraConfig) -> float:
    """How long opening may take. A publisher comes when it comes."""
    return math.inf if publishers_name(config.source.url) else config.open_timeout_s


def waits_for(config: CameraConfig) -> str | None:
    """Whom a camera waits for while it is opened, in words, when that is somebody."""
    name = publishers_name(config.source.url)
    return f"waits for a publisher at /whip/{name}" if name else None


def make_cleaner(config: CleaningConfig, definition: Definition, sentences: TextEncoder | None) -> Cleaner:
    """One track's cleaning; none without a way to compare sentences."""
    if sentences is None:
        return Identity()
    parts: list[Cleaner] = []
    if neighbours := config.neighbour_settings():
        parts.append(LocalResponseCleaning(sentences, neighbours))
    if memory := config.memory_settings():
        parts.append(Memory(sentences, memory))
    if config.meaning:
        abnormal = (definition.text,) if definition.text else ABNORMAL
        parts.append(Meaning(sentences, Scenes.of(sentences, abnormal), MeaningSettings()))
    return Chain(*parts)


def make_desk(
    name: str, config: CameraConfig, new_id: Ids, scorer: Scorer, sentences: TextEncoder | None = None
) -> Desk:
    """What decides a camera's alerts and holds what their evidence is made from."""
    evidence = config.evidence
    held_s = PACKETS_SLACK_S + config.window.length_s + config.alerts.min_duration_s
    if evidence.clip:
        held_s += evidence.pre_roll_s
    if Pace(config.pace) is Pace.MAX:
        held_s += FAST_FILE_S
    recent_s = evidence.recent_s if isinstance(scorer, LanguageScorer) else 0.0
    return Desk(
        camera=name,
        tracks=tuple(
            Track(
                definition,
                (definition, policy, config.smoothing, config.cleaning),
                scorer.info_for(definition) if isinstance(scorer, LanguageScorer) else scorer.info,
                CameraTimeline(
                    name,
                    make_cleaner(config.cleaning, definition, sentences),
                    config.smoothing.smoother(),
                    HISTORY_POINTS,
                ),
                AlertPolicy(name, policy, lambda _time_s: new_id()),
            )
            for definition, policy in config.policies().items()
        ),
        packets=PacketRing(max(held_s, recent_s), max(PACKETS_BYTES, int(recent_s * RECENT_BYTES_PER_S))),
        clip=ClipSettings(evidence.pre_roll_s, evidence.post_roll_s, evidence.max_clip_s) if evidence.clip else None,
        snapshots=evidence.snapshot,
        boxes=evidence.boxes,
    )


def introduce(scorer: Scorer, name: str, config: CameraDefaults) -> None:
    """Tell a scorer what it has to know of a camera, new or changed."""
    match scorer:
        case LanguageScorer():
            scorer.define(name, tuple(config.policies()))
        case MotionScorer():
            scorer.configure(name, config.motion_settings())


def watched(config: WatchConfig) -> Mapping[str, CameraConfig]:
    """The cameras that are not turned off. Where nobody can try a wording, nothing is held for that."""
    cameras = {name: camera for name, camera in config.cameras.items() if camera.enabled}
    if config.console.bind is not None:
        return cameras
    return {name: _without_recent(camera) for name, camera in cameras.items()}


def _without_recent(camera: CameraConfig) -> CameraConfig:
    return camera.model_copy(update={"evidence": camera.evidence.model_copy(update={"recent_s": 0.0})})
