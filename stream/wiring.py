"""Makes the parts that a configuration names. The one place where its vocabulary meets the parts' own."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import random
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.aligned import Aligner, aligned
from engine.cleaning import Chain, Cleaner, Identity
from engine.encoder import TextEncoder
from engine.errors import UsageError, VigilError
from engine.lrc import LocalResponseCleaning
from engine.meaning import Meaning, MeaningSettings, Scenes
from engine.memory import Memory
from engine.motion import MotionScorer
from engine.policy import AlertPolicy
from engine.prompts.scenes import ABNORMAL
from engine.recorded import RecordedScorer
from engine.remembering import RememberingEncoder
from engine.scorer import LanguageScorer, Scorer
from engine.scoring import Scoring
from engine.timeline import CameraTimeline
from engine.types import Definition
from stream.bridges.board import Board
from stream.bridges.bridge import Bridge, Bridges, Wants, everything
from stream.bridges.ledger import Ledger
from stream.bridges.sink import Sink
from stream.config.models import (
    Begin,
    CameraConfig,
    CameraDefaults,
    CleaningConfig,
    ClipConfig,
    InternVL2ScorerConfig,
    MqttConfig,
    OpenAIScorerConfig,
    RecordedScorerConfig,
    WatchConfig,
    WebhookConfig,
)
from stream.config.secrets import Secrets
from stream.desk import Desk, Track
from stream.evidence.clip import ClipSettings
from stream.ids import Ids
from stream.metrics import Metrics
from stream.models import find_clip, find_model
from stream.outbox import Outbox, OutboxHistory
from stream.responses import read_responses
from stream.rings import PacketRing
from stream.session import Pace
from stream.sources.base import Source
from stream.sources.pyav import PyAvOptions, PyAvSource, patience_s
from stream.sources.synthetic import SyntheticSource
from stream.sources.webcam import WebcamSource
from stream.urls import SourceKind, kind_of

if TYPE_CHECKING:
    from stream.openai.scorer import OpenAIScorer

USUAL_KEY = "OPENAI_API_KEY"
log = logging.getLogger(__name__)

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
        case OpenAIScorerConfig() as wanted:
            scorer = make_openai_scorer(wanted)
            try:
                scorer.check()
            except BaseException:
                scorer.close()
                raise
            return scorer
        case _:
            return MotionScorer()  # told of each camera when it is added


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
    device, dtype = device_and_dtype(config)
    folder = find_model(config.model)
    settings = InternVL2Settings(Scoring(config.scoring), config.questions, config.explain_above)
    internvl2 = load(folder, dtype=getattr(torch, dtype), device=torch.device(device))
    name = folder.name if Path(config.model).expanduser().is_dir() else config.model
    return InternVL2Scorer(internvl2, settings, name=name)


def make_openai_scorer(config: OpenAIScorerConfig) -> OpenAIScorer:
    """Asks no server yet."""
    try:
        from stream.openai.judging import OpenAISettings
        from stream.openai.scorer import OpenAIScorer
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the scorer openai needs {error.name}, which is not installed",
            advice="pip install -e '.[openai]' in Vigil's folder",
        ) from error
    settings = OpenAISettings(
        Scoring(config.scoring),
        config.questions,
        config.explain_above,
        frame_size=config.size,
        concurrency=config.concurrency,
        timeout_s=config.timeout_s,
    )
    key = config.api_key.get_secret_value() if config.api_key else None
    if key is None:
        with contextlib.suppress(LookupError):
            key = Secrets.of(os.environ).look_up(USUAL_KEY)
    return OpenAIScorer([address.url for address in config.urls], config.model, settings, key=key)


def make_bridges(config: WatchConfig, outbox: Outbox, board: Board, metrics: Metrics) -> Bridges:
    """They run from now on. Raises UsageError or RuntimeFault, and none is left behind then."""
    sinks: list[tuple[str, Sink, Begin, Wants]] = []
    if config.mqtt is not None:
        sinks.append(("mqtt", _make_mqtt_sink(config.mqtt, board, config.data.dir), config.mqtt.from_, everything))
    sinks += [
        (f"webhook-{webhook.name}", _make_webhook_sink(webhook), webhook.from_, webhook.wants)
        for webhook in config.webhooks
    ]
    bridges: list[Bridge] = []
    with contextlib.ExitStack() as undo:
        for name, sink, begin, wants in sinks:
            ledger = Ledger(config.data.dir)
            undo.callback(ledger.close)
            history = OutboxHistory(outbox)
            undo.callback(history.close)
            bridge = Bridge(
                name,
                sink,
                history,
                ledger,
                begin=begin,
                metrics=metrics,
                rng=random.Random(),
                wants=wants,
            )
            undo.callback(Bridges([bridge]).close)
            bridges.append(bridge)
            metrics.bridge_lag.labels(name).set_function(functools.partial(_lag, outbox, bridge))
        undo.pop_all()
    return Bridges(bridges)


def _lag(outbox: Outbox, bridge: Bridge) -> int:
    return outbox.last_seq - bridge.seq


def _make_mqtt_sink(config: MqttConfig, board: Board, data: Path) -> Sink:
    try:
        from stream.bridges.mqtt import MqttSettings, MqttSink
    except ModuleNotFoundError as error:
        raise UsageError(
            f"MQTT needs {error.name}, which is not installed", advice="pip install -e '.[mqtt]' in Vigil's folder"
        ) from error
    broker = config.url
    settings = MqttSettings(
        broker.host,
        broker.port,
        broker.user,
        broker.password,
        tls=_tls_context(config.ca) if broker.tls else None,
        prefix=config.prefix,
        discovery=None if config.discovery == "off" else config.discovery,
        largest_snapshot_bytes=config.largest_snapshot_bytes,
    )
    return MqttSink(settings, board, data)


def _make_webhook_sink(config: WebhookConfig) -> Sink:
    try:
        from stream.bridges.webhook import WebhookSettings, WebhookSink
    except ModuleNotFoundError as error:
        raise UsageError(
            f"webhooks need {error.name}, which is not installed",
            advice="pip install -e '.[webhooks]' in Vigil's folder",
        ) from error
    secret = config.secret.get_secret_value() if config.secret else None
    return WebhookSink(
        WebhookSettings(config.url.url, secret, allow_private=config.allow_private, timeout_s=config.timeout_s)
    )


def _tls_context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise UsageError(
            f"{ca} holds no certificates ({error.strerror or error})", advice="mqtt.ca is a file in PEM"
        ) from error


def device_and_dtype(config: InternVL2ScorerConfig) -> tuple[str, str]:
    """What `auto` means on this machine. Needs torch."""
    import torch

    device = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return device, config.dtype if config.dtype != "auto" else "bfloat16" if device == "cuda" else "float32"


def with_cleaning(scorer: Scorer, config: WatchConfig) -> tuple[Scorer, TextEncoder | None]:
    """A scorer that understands words, with vectors for cleaning, and what gives sentences theirs.

    As it is, and None, where there is nothing to compare pictures and sentences with; the log says why.
    """
    if not isinstance(scorer, LanguageScorer):
        return scorer, None
    if config.clip.weights == "off":
        log.info("cleaning is off, as configured")
        return scorer, None
    try:
        aligner = make_aligner(config.clip)
    except VigilError as error:
        log.warning("cleaning is off: %s", error)
        return scorer, None
    log.info("cleaning with CLIP's %s, %s", config.clip.model, config.clip.weights)
    sentences = RememberingEncoder(aligner)
    every_window = any(each.cleaning.memory == "pictures" for each in (config.defaults, *config.cameras.values()))
    return aligned(scorer, aligner, sentences, every_window=every_window), sentences


def make_aligner(config: ClipConfig) -> Aligner:
    """Finds or fetches CLIP's weights and loads them. Raises VigilError."""
    found = find_clip(config.model, config.weights)
    import torch

    from engine.clip.load import load_aligner

    device = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return load_aligner(found, dtype=torch.float16 if device == "cuda" else torch.float32, device=torch.device(device))


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
        packets=PacketRing(held_s, PACKETS_BYTES),
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
    """The cameras that are not turned off."""
    return {name: camera for name, camera in config.cameras.items() if camera.enabled}
