"""Turns what a subscriber's socket delivers into events. Knows no socket: frames, link changes and time come in."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.errors import FeedError, UsageError
from stream.feed.endpoint import as_reached, parse
from stream.feed.events import (
    SILENT_AFTER_S,
    Event,
    Garbage,
    Handshake,
    Link,
    Missed,
    Position,
    Received,
    Restarted,
    Since,
)
from stream.feed.join import Join
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
SILENT_HANDSHAKES = 20  # about two seconds of trying


class Tracker:
    """Follows one subscription. `now_s` is always the monotonic clock.

    For alerts it listens to those of all cameras, whose numbers show what is missing, and to all states, which tell
    the newest number; in any case to the states of the cameras asked for, as heartbeats. `catch_up` is where to ask
    for alerts that did not come; None is where the publisher says. `has_key`: the socket shows one.
    """

    def __init__(
        self,
        endpoint: str,
        kinds: Collection[Kind],
        cameras: Collection[str] | None,
        timeout_s: float | None,
        now_s: float,
        *,
        since: Since = "now",
        catch_up: str | None = None,
        has_key: bool = False,
    ) -> None:
        if isinstance(cameras, str):
            raise UsageError(f"cameras={cameras!r} is one name", advice=f"use cameras=[{cameras!r}]")
        self._endpoint = endpoint
        self._kinds = frozenset(kinds)
        self._cameras = None if cameras is None else frozenset(cameras)
        self._join = Join(since, cameras)
        self._address_given = catch_up is not None
        if catch_up is not None:
            parse(catch_up)
            self._join.address = catch_up
        everything: set[Kind] = {"alerts", "status"} if "alerts" in self._kinds else set()
        heard: set[Kind] = {"status", *kinds}
        names: Collection[str | None] = (None,) if cameras is None else cameras
        self.topics = sorted(
            {topic(kind) for kind in everything} | {topic(kind, name) for kind in heard - everything for name in names}
        )
        self._has_key = has_key
        self._silent_handshakes = 0  # before the first that succeeded
        self._refusal: tuple[str, str] | None = None  # what is wrong and what to try, when waiting is no use
        self._timeout_s = timeout_s
        self._run = ""
        self._last: dict[str, int] = {}  # topic -> the sequence up to which nothing is open
        self._link: Link | None = None
        self._started_s = now_s
        self._received_s = now_s  # the last message that was asked for
        self._heard_s = now_s  # the last sign of life

    @property
    def position(self) -> Position | None:
        """Up to where alerts have been handed out; None while that is not known."""
        return self._join.position

    def silent_s(self, now_s: float) -> float:
        """Seconds since the publisher last gave a sign of life."""
        return now_s - self._heard_s

    def wait_s(self, now_s: float) -> float:
        """How long `tick` has nothing to say unless something comes first."""
        if self._refusal:
            return 0.0
        due_s = [now_s + HEARTBEAT_S]
        if (join_due_s := self._join.due_s(now_s)) is not None:
            due_s.append(join_due_s)
        if self._link is None:
            due_s.append(self._started_s + WAITING_AFTER_S)
        if self._link is Link.CONNECTED:
            due_s.append(self._heard_s + SILENT_AFTER_S)
        if self._timeout_s is not None:
            due_s.append(self._received_s + self._timeout_s)
        return max(0.0, min(due_s) - now_s)

    def tick(self, now_s: float) -> list[Event]:
        """What time alone brings.

        Raises FeedError when the publisher refuses the connection, or nothing that was asked for came for the timeout.
        """
        if self._refusal:
            message, advice = self._refusal
            raise FeedError(message, advice=advice)
        if events := self._join.tick(now_s):
            return self._noted(events, now_s)
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
        self._refusal = None
        self._join.connected()
        return self._move(Link.CONNECTED)

    def disconnected(self) -> list[Event]:
        self._join.disconnected()
        return self._move(Link.LOST) if self._link in (Link.CONNECTED, Link.SILENT) else []

    def refused(self, how: Handshake) -> list[Event]:
        """The connection was refused, and how. Those that it is no use to try again, ZeroMQ does not try again."""
        end = f"the feed at {self._endpoint}"
        match how:
            case Handshake.KEY:
                self._refusal = (
                    f"{end} does not let this key in",
                    "it was revoked, or is not known there: ask for a new one, made by `vigil keys new NAME`",
                )
            case Handshake.MECHANISM if self._has_key:
                self._refusal = (f"{end} has no keys", "leave out the key, or set feed.keys there")
            case Handshake.MECHANISM:
                self._refusal = (f"{end} wants a key", "ask for one, made there by `vigil keys new NAME`: --key FILE")
            case Handshake.NONSENSE:
                self._refusal = (f"what answers at {self._endpoint} is no feed", "check the address")
            case Handshake.SILENT if self._has_key and self._link in (None, Link.WAITING):
                self._silent_handshakes += 1
                if self._silent_handshakes >= SILENT_HANDSHAKES:
                    self._refusal = (
                        f"what answers at {self._endpoint} is not the server that this key was made for",
                        "check the address; if the server has a new key, ask for one, made by `vigil keys new NAME`",
                    )
        return []

    def ask(self, now_s: float) -> tuple[str, bytes] | None:
        """A request for alerts that is due, and where to send it; None for nothing. It counts as sent."""
        return self._join.ask(now_s)

    def answer(self, data: bytes, now_s: float) -> list[Event]:
        """The reply to what was asked last."""
        return self._noted(self._join.answer(data, now_s), now_s)

    def unasked(self, reason: str) -> list[Event]:
        """What was to be asked can't be sent at all."""
        return self._join.failed(reason)

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
        if "alerts" in self._kinds:
            match message:
                case AlertMessage():
                    return self._noted(events + self._join.alert(message, sequence, jpeg, now_s), now_s)
                case StatusMessage():
                    self._learn_address(message.catch_up)
                    events += self._join.heard(message.run, message.epoch, message.last_alert_seq, now_s)
        if message.kind in self._kinds and (self._cameras is None or message.camera in self._cameras):
            events += self._count(name, sequence)
            events.append(Received(name, sequence, message, jpeg))
        return self._noted(events, now_s)

    def _noted(self, events: list[Event], now_s: float) -> list[Event]:
        if any(isinstance(event, Received) for event in events):
            self._received_s = now_s
        return events

    def _learn_address(self, told: str | None) -> None:
        if self._address_given:
            return
        try:
            self._join.address = as_reached(told, self._endpoint) if told else None
        except UsageError:
            self._join.address = None

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

    def _count(self, name: str, sequence: int) -> list[Event]:
        """Note that `sequence` came; what lies between it and the last one is missed.

        A topic heard for the first time may begin anywhere: this subscriber joined late.
        """
        last = self._last.get(name, sequence - 1)
        self._last[name] = max(last, sequence)
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
