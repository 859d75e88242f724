"""Makes the parts that a configuration names. The one place where its vocabulary meets the parts' own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.cleaning import Identity
from engine.errors import UsageError
from engine.internvl2.scoring import Scoring
from engine.motion import MotionScorer
from engine.policy import AlertPolicy
from engine.recorded import RecordedScorer
from engine.scorer import Scorer
from engine.timeline import CameraTimeline
from stream.alerts import Desk
from stream.config.models import CameraConfig, InternVL2ScorerConfig, RecordedScorerConfig, WatchConfig
from stream.evidence.clip import ClipSettings
from stream.ids import Ids
from stream.models import find_model
from stream.responses import read_responses
from stream.rings import PacketRing
from stream.session import Pace
from stream.sources.base import Source
from stream.sources.pyav import PyAvOptions, PyAvSource, patience_s
from stream.sources.synthetic import SyntheticSource
from stream.sources.webcam import WebcamSource
from stream.urls import SourceKind, kind_of

HISTORY_POINTS = 3600  # of each camera's timeline: an hour at one window a second
PACKETS_BYTES = 32 << 20  # per camera at most; 25 s of a 10 Mbit/s camera
PACKETS_SLACK_S = 10.0  # beyond the pre-roll: an event is told some seconds after it began
FAST_FILE_S = 120.0  # a file at full pace passes the evidence thread by that much between two looks


def make_source(config: CameraConfig) -> Source:
    """A fresh attempt at a camera. Raises UsageError for a source that makes no sense."""
    url = config.source.url
    match kind_of(url):
        case SourceKind.SYNTHETIC:
            return SyntheticSource(url)
        case SourceKind.WEBCAM:
            device = int(url) if url.isdigit() else url
            return WebcamSource(device, size=config.size, fps=config.fps, read_timeout_s=config.stall_s)
        case _:
            options = PyAvOptions(
                rtsp_transport=config.rtsp_transport,
                open_timeout_s=config.open_timeout_s,
                read_timeout_s=config.stall_s,
                hwaccel=None if config.hwaccel == "none" else config.hwaccel,
                skip_unreferenced=config.skip_unreferenced,
                wanted_fps=config.window.fps,
            )
            return PyAvSource(url, options)


def stall_s(config: CameraConfig) -> float:
    """How long a camera may be silent before it counts as stalled."""
    return patience_s(config.source.url, config.stall_s)


def make_scorer(config: WatchConfig) -> Scorer:
    """Raises ScorerError or UsageError for one that can't be built."""
    match config.scorer:
        case RecordedScorerConfig(responses=path):
            return RecordedScorer(read_responses(path), name=path.name)
        case InternVL2ScorerConfig() as wanted:
            return make_internvl2_scorer(wanted)
        case _:
            return MotionScorer({name: camera.motion_settings() for name, camera in watched(config).items()})


def make_internvl2_scorer(config: InternVL2ScorerConfig) -> Scorer:
    """Finds or fetches the checkpoint and loads it: minutes, for a large one."""
    try:
        import torch

        from engine.internvl2.load import load
        from engine.internvl2.scorer import InternVL2Scorer, InternVL2Settings
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the scorer internvl2 needs {error.name}, which is not installed",
            advice="pip install -e '.[vlm]' in Vigil's folder",
        ) from error
    device = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    dtype = config.dtype if config.dtype != "auto" else "bfloat16" if device == "cuda" else "float32"
    folder = find_model(config.model)
    settings = InternVL2Settings(Scoring(config.scoring), config.wording(), config.explain_above)
    internvl2 = load(folder, dtype=getattr(torch, dtype), device=torch.device(device))
    name = folder.name if Path(config.model).expanduser().is_dir() else config.model
    return InternVL2Scorer(internvl2, settings, name=name)


def make_desk(name: str, config: CameraConfig, new_id: Ids) -> Desk:
    """What decides a camera's alerts and holds what their evidence is made from."""
    evidence = config.evidence
    held_s = PACKETS_SLACK_S + config.window.length_s + config.alerts.min_duration_s
    if evidence.clip:
        held_s += evidence.pre_roll_s
    if Pace(config.pace) is Pace.MAX:
        held_s += FAST_FILE_S
    return Desk(
        camera=name,
        timeline=CameraTimeline(name, Identity(), config.smoothing.smoother(), HISTORY_POINTS),
        policy=AlertPolicy(name, config.alerts.policy(), lambda _time_s: new_id()),
        packets=PacketRing(held_s, PACKETS_BYTES),
        clip=ClipSettings(evidence.pre_roll_s, evidence.post_roll_s, evidence.max_clip_s) if evidence.clip else None,
        snapshots=evidence.snapshot,
    )


def watched(config: WatchConfig) -> Mapping[str, CameraConfig]:
    """The cameras that are not turned off."""
    return {name: camera for name, camera in config.cameras.items() if camera.enabled}
