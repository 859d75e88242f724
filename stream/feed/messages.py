"""The feed's messages and how they lie on the wire. Knows no socket and imports nothing heavy.

On the wire a message is [topic, sequence (8 bytes, big endian), json, jpeg?]. The topic is
`KIND/CAMERA/`; its slash at the end keeps `front` from matching `front2`, for subscriptions match
prefixes. The sequence counts a topic's messages from 1 within one `run` of the publisher, so any
subscriber sees gaps in what it asked for. An alert's own `seq` counts the outbox's alerts of all
cameras within the outbox's `epoch`, which outlives restarts.

All times are seconds since the Unix epoch, in UTC. Fields may be added: decoders ignore unknown ones.
"""

from __future__ import annotations

import struct
from typing import ClassVar, Literal, get_args

import msgspec

from engine.errors import FeedError, UsageError

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5557"
HEARTBEAT_S = 5.0  # a camera's status is sent when it changes and at least this often

Kind = Literal["alerts", "status", "scores"]


class AlertBox(msgspec.Struct, frozen=True, kw_only=True):
    """A rectangle in fractions of the picture's width and height: 0 <= x1 < x2 <= 1, and so for y."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str = ""


class AlertTiming(msgspec.Struct, frozen=True, kw_only=True):
    """When the picture was taken, its window ended, its score was known, and the alert was handed to the outbox."""

    frame_time: float
    window_end: float
    scored_time: float
    published_time: float


class AlertModel(msgspec.Struct, frozen=True, kw_only=True):
    """Who judged."""

    scorer: str
    name: str
    prompt_sha256: str | None = None


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="vigil.alert/1"):
    """Something about an event: it began (`new`), is known better (`update`), or is over (`end`).

    All messages of an event share its `id`. `start_time` is when the abnormal stretch began, which lies
    before the moment it was noticed; `end_time` is null until `end`. The outbox sets `seq` and `epoch`,
    the publisher `run`. A subscriber that acts on alerts keeps the last (`epoch`, `seq`) it has dealt
    with: a message may come twice, and a new `epoch` counts from 1 again.
    """

    kind: ClassVar[Kind] = "alerts"

    seq: int = 0
    epoch: str = ""
    type: Literal["new", "update", "end"]
    id: str
    camera: str
    time: float  # when `score` was this: the end of the newest window
    start_time: float
    end_time: float | None = None
    end_reason: str | None = None  # null until `end`: calm, max_duration, camera_lost, shutdown, restart, ...
    severity: str
    score: float  # in [0, 1]: now
    top_score: float  # ... and the highest since the event began
    threshold: float
    definition: str = "default"
    fault: str | None = None  # what is wrong with the camera (docs/cameras.md); null for an event of the scene
    explanation: str | None = None
    explanation_state: str = "provisional"  # or pending: it is being written; or final: it will not change
    boxes: tuple[AlertBox, ...] = ()
    has_snapshot: bool = False  # whether `snapshot` is there; follows it, and so for `has_clip`
    has_clip: bool = False
    snapshot: str | None = None  # a path relative to the data directory
    snapshot_note: str | None = None  # why there is none, or none yet: an update names it when it is there
    snapshot_time: float | None = None  # when it was taken, and `boxes` were there
    clip: str | None = None
    clip_note: str | None = None  # what to know before playing it, such as "HEVC: not every browser plays it"
    clip_start_time: float | None = None  # of its first picture
    timing: AlertTiming
    model: AlertModel
    suppressed_count: int = 0
    run: str = ""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "has_snapshot", self.snapshot is not None)
        msgspec.structs.force_setattr(self, "has_clip", self.clip is not None)


class StatusMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="vigil.status/1"):
    """How a camera is: sent when that changes, to new subscribers, and as a heartbeat.

    A `fault` may come with any state: a camera is `live` when its pictures come, also while they show a fault.

    The publisher sets `run`, `catch_up`, and the two by which a subscriber notices that the latest alerts
    never reached it, though no other alert follows: `last_alert_seq` of all cameras, `alerts_sent` of this one.
    """

    kind: ClassVar[Kind] = "status"

    camera: str
    state: str  # connecting, live, stalled, offline, ended, ...
    since: float  # when this began; of a camera that is not live, when it was last
    time: float  # when this was true
    fault: str | None = None  # docs/cameras.md has the codes
    message: str | None = None
    advice: str | None = None
    fps: float | None = None  # as measured
    reconnects: int = 0
    last_alert_seq: int = 0  # the outbox's newest alert, of any camera; 0 for none
    epoch: str = ""  # the outbox's
    alerts_sent: int = 0  # the last sequence of this camera's alert topic in this run
    outbox_pending: int = 0  # alerts that were told but are only in memory: the disk does not take them
    catch_up: str | None = None  # where alerts that were told before can be asked for
    run: str = ""


class ScoreMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="vigil.score/1"):
    """A camera's score at a window's end; null is unknown, which never means normal.

    `score` is the smoothed one that alerts are made from; `raw` and `cleaned` are this window's own.
    `held` marks a point that repeats the last value because its own is unknown, and `reason` says why. `amended`
    marks a point that was told before and is corrected in the light of the next one.
    """

    kind: ClassVar[Kind] = "scores"

    camera: str
    time: float  # of the window's end
    pts_s: float  # the same in the stream's own time, since the segment began
    segment: int
    index: int
    raw: float | None
    cleaned: float | None
    score: float | None
    held: bool = False
    text: str | None = None
    reason: str = ""
    definition: str = "default"
    amended: bool = False
    run: str = ""


Message = AlertMessage | StatusMessage | ScoreMessage

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what decoding raises, of whatever comes

_SEQUENCE = struct.Struct(">Q")
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def topic(kind: Kind, camera: str | None = None) -> str:
    """A camera's topic, or the prefix that all cameras' topics of this kind share."""
    if kind not in get_args(Kind):
        raise UsageError(f"{kind!r} is no kind of message", advice=f"use one of {', '.join(get_args(Kind))}")
    if camera is None:
        return f"{kind}/"
    if not camera or "/" in camera:
        raise UsageError(f"{camera!r} can't name a camera on the feed", advice="a name is not empty and has no slash")
    return f"{kind}/{camera}/"


def topic_of(message: Message) -> str:
    return topic(message.kind, message.camera)


def encode(message: Message) -> bytes:
    """One line of JSON."""
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """Raises FeedError for what is no JSON, has a schema not known here, or lacks a field."""
    try:
        return _decoder.decode(data)
    except UNREADABLE as error:
        raise FeedError(f"not a message of this feed: {error}", advice="are both ends of the same version?") from error


def encode_sequence(sequence: int) -> bytes:
    return _SEQUENCE.pack(sequence)


def decode_sequence(data: bytes) -> int:
    """Raises FeedError for anything but 8 bytes."""
    if len(data) != _SEQUENCE.size:
        raise FeedError(f"a sequence has {_SEQUENCE.size} bytes, this one {len(data)}")
    return int(_SEQUENCE.unpack(data)[0])
