"""The sending end of the feed: one ZeroMQ socket that any number of programs subscribe to. Knows no outbox."""

from __future__ import annotations

import errno
import uuid
from collections import defaultdict
from types import TracebackType
from typing import Self

import msgspec
import zmq

from engine.errors import FeedError, UsageError
from stream.feed.endpoint import parse
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
from stream.loopback import is_loopback

HIGH_WATER_MARK = 20_000  # messages kept for each subscriber that falls behind; then it misses some, and sees that
LINGER_MS = 1000  # how long closing waits for what subscribers have not fetched yet


class FeedPublisher:
    """Binds `endpoint` (tcp:// on loopback, or ipc://) and sends. Used from one thread; no call ever blocks.

    New subscribers get the current status of the cameras they ask for, as soon as `greet` is called: every
    publishing call does so, and the owner does when it is idle. Raises UsageError for an endpoint that
    makes no sense or that other machines could reach, FeedError for one that can't be bound.
    """

    def __init__(self, endpoint: str) -> None:
        _check(endpoint)
        self.run = uuid.uuid4().hex
        self._sequences: defaultdict[str, int] = defaultdict(int)
        self._statuses: dict[str, StatusMessage] = {}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.set(zmq.SNDHWM, HIGH_WATER_MARK)
        self._socket.set(zmq.LINGER, LINGER_MS)
        self._socket.set(zmq.XPUB_VERBOSE, 1)  # also hear of a subscription that another subscriber has already
        self._socket.set(zmq.IPV6, 1 if "[" in endpoint else 0)
        try:
            self._socket.bind(endpoint.replace("//localhost:", "//127.0.0.1:"))
        except zmq.ZMQError as error:
            self.close()
            raise _bind_error(endpoint, error) from error
        self.bound_endpoint = str(self._socket.get_string(zmq.LAST_ENDPOINT))

    def publish_alert(self, message: AlertMessage, jpeg: bytes | None = None) -> None:
        self.greet()
        self._send(message, jpeg)

    def publish_status(self, message: StatusMessage) -> None:
        self.greet()
        self._statuses[message.camera] = message
        self._send_status(message)

    def publish_score(self, message: ScoreMessage) -> None:
        self.greet()
        self._send(message)

    def greet(self) -> None:
        """Send new subscribers the status of their cameras again."""
        prefixes = set()
        while self._socket.poll(0, zmq.POLLIN):
            request = self._socket.recv(zmq.NOBLOCK)
            if request[:1] == b"\x01":
                prefixes.add(request[1:])
        for message in self._statuses.values() if prefixes else ():
            if topic_of(message).encode().startswith(tuple(prefixes)):
                self._send_status(message)

    def forget(self, camera: str) -> None:
        """The camera was removed: its status is not sent again."""
        self._statuses.pop(camera, None)

    def close(self) -> None:
        """Give subscribers `LINGER_MS` to fetch the rest, then let go. Safe to call twice."""
        self._socket.close()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send_status(self, message: StatusMessage) -> None:
        alerts_sent = self._sequences[topic(AlertMessage.kind, message.camera)]
        self._send(msgspec.structs.replace(message, alerts_sent=alerts_sent))

    def _send(self, message: Message, jpeg: bytes | None = None) -> None:
        name = topic_of(message)
        self._sequences[name] += 1
        stamped = msgspec.structs.replace(message, run=self.run)
        frames = [name.encode(), encode_sequence(self._sequences[name]), encode(stamped)]
        try:
            self._socket.send_multipart(frames if jpeg is None else [*frames, jpeg], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            raise FeedError(f"the feed could not send on {self.bound_endpoint}: {error}") from error


def _check(endpoint: str) -> None:
    address = parse(endpoint)
    if address is not None and not is_loopback(address[0]):
        raise UsageError(
            f"the feed at {endpoint} would be open to the whole network, without keys",
            advice=f"use tcp://127.0.0.1:{address[1]}, and from other machines an SSH tunnel: "
            "ssh -N -L 5557:127.0.0.1:5557 THIS_MACHINE",
        )


def _bind_error(endpoint: str, error: zmq.ZMQError) -> FeedError:
    advice = {
        errno.EADDRINUSE: "another program, or another Vigil, has it: stop that one or choose another port",
        errno.ENOENT: "its directory does not exist: create it",
        errno.EACCES: "choose a port above 1023 or a directory this user may write to",
        errno.ENAMETOOLONG: "choose a shorter path",
    }.get(error.errno or 0, "use tcp://127.0.0.1:5557")
    return FeedError(f"the feed could not be bound to {endpoint} ({zmq.strerror(error.errno or 0)})", advice=advice)
