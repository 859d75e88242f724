"""What a subscription yields: messages, and what is known of those that did not come. Knows no socket."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from stream.feed.messages import HEARTBEAT_S, Message

SILENT_AFTER_S = 3 * HEARTBEAT_S


@dataclass(frozen=True, slots=True)
class Position:
    """How far a subscriber is: it has dealt with all alerts up to `seq` of `epoch`; "" is whichever there is.

    An outbox that does not reach as far as `seq` is another one, or an older copy: `NewEpoch`.
    """

    epoch: str
    seq: Annotated[int, msgspec.Meta(ge=0)]


Since = Position | Literal["all", "open", "now"]


@dataclass(frozen=True, slots=True)
class Received:
    """A message of a kind that was asked for; `jpeg` is an alert's picture, if it came with one.

    `sequence` is 0 for an alert that was fetched by catch-up; those come without a picture.
    """

    topic: str
    sequence: int
    message: Message
    jpeg: bytes | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """`count` messages of the topic never came, and can't be had any more. For alerts the topic is `alerts/`."""

    topic: str
    count: int


@dataclass(frozen=True, slots=True)
class Restarted:
    """The publisher is another run. Scores and states that it told before its end may be missing."""

    run: str


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The publisher's outbox is another, or an older copy: what the old one had beyond the position is unknown."""

    epoch: str


@dataclass(frozen=True, slots=True)
class NoCatchUp:
    """Alerts that did not come can't be fetched, which is tried again with each hole. Told once until it works."""

    reason: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """Something came that is no message of this feed; it was dropped."""

    reason: str


class Link(StrEnum):
    """How the connection to the publisher is. Reconnecting happens by itself."""

    CONNECTED = "connected"  # or heard again, after SILENT
    WAITING = "waiting"  # nobody publishes there yet
    LOST = "lost"  # was connected
    SILENT = "silent"  # connected, yet not even a heartbeat came for SILENT_AFTER_S


class Handshake(StrEnum):
    """How the publisher's end refused the connection, before any message."""

    KEY = "key"  # it knows this client's key and does not let it in
    MECHANISM = "mechanism"  # one end has a key and the other takes none
    NONSENSE = "nonsense"  # what answers there speaks another language
    SILENT = "silent"  # it hung up without a word: the key is for another server, or nobody is behind a tunnel


Event = Received | Missed | Restarted | NewEpoch | NoCatchUp | Garbage | Link
