"""The sending end of the feed: one ZeroMQ socket that any number of programs subscribe to. Knows no outbox."""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import zmq

from engine.errors import FeedError
from stream.feed.messages import (
    AlertMessage,
    Message,
    ScoreMessage,
    StatusMessage,
    encode,
    encode_sequence,
    topic,
    topic_of,
)
from stream.feed.sockets import Entrance

HIGH_WATER_MARK = 20_000  # messages kept for each subscriber that falls behind; then it misses some, and sees that
MAX_SUBSCRIPTION_BYTES = 4 << 10
GREETED_AT_ONCE = 1000  # subscriptions; the next ones wait, so that a flood of them holds up no alert
LINGER_MS = 1000  # how long closing waits for what subscribers have not fetched yet


class FeedPublisher:
    """Binds `endpoint` (tcp:// or ipc://) and sends. Used from one thread; no call ever blocks.

    New subscribers get the current status of the cameras they ask for, and those whose key was revoked are cut off, as
    soon as `greet` is called: every publishing call does so, and the owner does when it is idle. Without `scores` those
    are not sent. Whoever is in the same process may hear all messages, scores in any case, by `heard`. Raises as
    `stream.feed.sockets.Entrance` does.
    """

    def __init__(self, endpoint: str, *, scores: bool = True, keys: Path | None = None) -> None:
        self.run = uuid.uuid4().hex
        self.catch_up: str | None = None  # where what was told before can be asked for; it goes into every status
        self.heard: Callable[[Message], None] = _by_nobody
        self._scores = scores
        self._sequences: defaultdict[str, int] = defaultdict(int)
        self._statuses: dict[str, StatusMessage] = {}
        self._last_alert_seq = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = self._context.socket(zmq.XPUB)
            self._socket.set(zmq.SNDHWM, HIGH_WATER_MARK)
            self._socket.set(zmq.LINGER, LINGER_MS)
            self._socket.set(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION_BYTES)
            self._socket.set(zmq.XPUB_VERBOSE, 1)  # also hear of a subscription that another subscriber has already
            self._entrance = Entrance(self._socket, endpoint, "the feed", keys)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self.bound_endpoint = self._entrance.endpoint

    def publish_alert(self, message: AlertMessage, jpeg: bytes | None = None) -> None:
        self.greet()
        self._last_alert_seq = max(self._last_alert_seq, message.seq)
        self._send(message, jpeg)

    def publish_status(self, message: StatusMessage) -> None:
        self.greet()
        self._statuses[message.camera] = message
        self._send_status(message)

    def publish_score(self, message: ScoreMessage) -> None:
        self.greet()
        if self._scores:
            self._send(message)
        else:
            self.heard(message)

    def greet(self) -> None:
        """Send new subscribers the status of their cameras again; cut off who is let in no more."""
        self._entrance.look()
        prefixes = set()
        for _ in range(GREETED_AT_ONCE):
            if not self._socket.poll(0, zmq.POLLIN):
                break
            request = self._socket.recv(zmq.NOBLOCK)
            if request[:1] == b"\x01":
                prefixes.add(request[1:])
        for message in self._statuses.values() if prefixes else ():
            if topic_of(message).encode().startswith(tuple(prefixes)):
                self._send_status(message)

    def forget(self, camera: str) -> None:
        """The camera was removed: its status is not sent again."""
        self._statuses.pop(camera, None)

    def close(self, within_s: float = math.inf) -> None:
        """Give subscribers `LINGER_MS` to fetch the rest, and no longer than `within_s`. Safe to call twice."""
        if not self._socket.closed:
            self._socket.close(linger=int(min(LINGER_MS, 1000 * within_s)))
        if self._entrance.close(within_s):
            self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send_status(self, message: StatusMessage) -> None:
        """One that is sent again says what is true now of the alerts."""
        now_true = msgspec.structs.replace(
            message,
            alerts_sent=self._sequences[topic(AlertMessage.kind, message.camera)],
            last_alert_seq=max(message.last_alert_seq, self._last_alert_seq),
            catch_up=self.catch_up,
        )
        self._send(now_true)

    def _send(self, message: Message, jpeg: bytes | None = None) -> None:
        name = topic_of(message)
        self._sequences[name] += 1
        stamped = msgspec.structs.replace(message, run=self.run)
        self.heard(stamped)
        frames = [name.encode(), encode_sequence(self._sequences[name]), encode(stamped)]
        try:
            self._socket.send_multipart(frames if jpeg is None else [*frames, jpeg], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            raise FeedError(f"the feed could not send on {self.bound_endpoint}: {error}") from error


def _by_nobody(_message: Message) -> None:
    return None
