"""Turns what a subscriber's socket delivers into events. Knows no socket: frames, link changes and time come in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import FeedError, UsageError
from stream.feed.messages import (
    HEARTBEAT_S,
    AlertMessage,
    Kind,
    Message,
    StatusMessage,
    decode,
    decode_sequence,
    topic,
    topic_of,
)

WAITING_AFTER_S = 1.0  # connecting is quick where somebody publishes
SILENT_AFTER_S = 3 * HEARTBEAT_S


@dataclass(frozen=True, slots=True)
class Received:
    """A message of a kind that was asked for; `jpeg` is an alert's picture, if it came with one."""

    topic: str
    sequence: int
    message: Message
    jpeg: bytes | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """`count` messages of the topic never came: this subscriber was too slow, or away."""

    topic: str
    count: int


@dataclass(frozen=True, slots=True)
class Restarted:
    """The publisher is another run: what it said between the last message and its end is unknown."""

    run: str


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


Event = Received | Missed | Restarted | Garbage | Link


class Tracker:
    """Follows one subscription. `now_s` is always the monotonic clock.

    It listens to the status of the cameras in any case: for the heartbeat, and because a status tells how
    many alerts were sent, which reveals a lost last alert.
    """

    def __init__(
        self,
        endpoint: str,
        kinds: Collection[Kind],
        cameras: Collection[str] | None,
        timeout_s: float | None,
        now_s: float,
    ) -> None:
        self._endpoint = endpoint
        self._kinds = frozenset(kinds)
        heard: set[Kind] = {"status", *kinds}
        if isinstance(cameras, str):
            raise UsageError(f"cameras={cameras!r} is one name", advice=f"use cameras=[{cameras!r}]")
        names: Collection[str | None] = (None,) if cameras is None else cameras
        self.topics = sorted(topic(kind, name) for kind in heard for name in names)
        self._timeout_s = timeout_s
        self._run = ""
        self._last: dict[str, int] = {}  # topic -> the sequence up to which nothing is open
        self._link: Link | None = None
        self._started_s = now_s
        self._received_s = now_s  # the last message that was asked for
        self._heard_s = now_s  # the last sign of life

    def silent_s(self, now_s: float) -> float:
        """Seconds since the publisher last gave a sign of life."""
        return now_s - self._heard_s

    def wait_s(self, now_s: float) -> float:
        """How long `tick` has nothing to say unless something comes first."""
        due_s = [now_s + HEARTBEAT_S]
        if self._link is None:
            due_s.append(self._started_s + WAITING_AFTER_S)
        if self._link is Link.CONNECTED:
            due_s.append(self._heard_s + SILENT_AFTER_S)
        if self._timeout_s is not None:
            due_s.append(self._received_s + self._timeout_s)
        return max(0.0, min(due_s) - now_s)

    def tick(self, now_s: float) -> list[Event]:
        """What time alone brings. Raises FeedError when nothing that was asked for came for the timeout."""
        if self._timeout_s is not None and now_s - self._received_s >= self._timeout_s:
            if self._link in (Link.CONNECTED, Link.SILENT):
                advice = "the feed is there but said nothing: wait longer, or check the cameras' names"
            else:
                advice = "nobody publishes there: is `vigil watch` running with this --feed?"
            raise FeedError(f"no message from {self._endpoint} in {self._timeout_s:g} s", advice=advice)
        if self._link is None and now_s - self._started_s >= WAITING_AFTER_S:
            return self._move(Link.WAITING)
        if self._link is Link.CONNECTED and self.silent_s(now_s) >= SILENT_AFTER_S:
            return self._move(Link.SILENT)
        return []

    def connected(self, now_s: float) -> list[Event]:
        self._heard_s = now_s
        return self._move(Link.CONNECTED)

    def disconnected(self) -> list[Event]:
        return self._move(Link.LOST) if self._link in (Link.CONNECTED, Link.SILENT) else []

    def take(self, frames: Sequence[bytes], now_s: float) -> list[Event]:
        """One multipart message off the wire."""
        self._heard_s = now_s
        events = self._move(Link.CONNECTED) if self._link is Link.SILENT else []
        try:
            name, sequence, message, jpeg = _parse(frames)
        except FeedError as error:
            self._skip(frames)
            return [*events, Garbage(error.message)]
        events += self._run_changes(message.run)
        if isinstance(message, StatusMessage) and "alerts" in self._kinds:
            events += self._count(topic(AlertMessage.kind, message.camera), message.alerts_sent + 1, upcoming=True)
        if message.kind in self._kinds:
            self._received_s = now_s
            events += self._count(name, sequence)
            events.append(Received(name, sequence, message, jpeg))
        return events

    def _move(self, link: Link) -> list[Event]:
        if link is self._link:
            return []
        self._link = link
        return [link]

    def _run_changes(self, run: str) -> list[Event]:
        if run == self._run:
            return []
        first = not self._run
        self._run = run
        self._last = dict.fromkeys(self._last, 0)
        return [] if first else [Restarted(run)]

    def _count(self, name: str, sequence: int, *, upcoming: bool = False) -> list[Event]:
        """Note that `sequence` came, or comes next; what lies between it and the last one is missed.

        A topic heard for the first time may begin anywhere: this subscriber joined late.
        """
        last = self._last.get(name, sequence - 1)
        self._last[name] = max(last, sequence - 1 if upcoming else sequence)
        missed = sequence - 1 - last
        return [Missed(name, missed)] if missed > 0 else []

    def _skip(self, frames: Sequence[bytes]) -> None:
        """A next message that could not be read did come: it is garbage, not missed as well."""
        try:
            name, sequence = frames[0].decode(), decode_sequence(frames[1])
        except (IndexError, UnicodeDecodeError, FeedError):
            return
        if self._last.get(name) == sequence - 1:
            self._last[name] = sequence


def _parse(frames: Sequence[bytes]) -> tuple[str, int, Message, bytes | None]:
    if len(frames) not in (3, 4):
        raise FeedError(f"a message has 3 or 4 frames, this one {len(frames)}")
    sequence, message = decode_sequence(frames[1]), decode(frames[2])
    try:
        name = topic_of(message)
    except UsageError as error:
        raise FeedError(error.message) from error
    if frames[0] != name.encode():
        raise FeedError(f"a message about {name} came under another topic")
    return name, sequence, message, frames[3] if len(frames) == 4 else None
