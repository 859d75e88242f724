"""Where the feed's sockets are bound and connected: addresses, keys, limits, and what ZeroMQ's errors mean."""

from __future__ import annotations

import errno
import logging
import math
from pathlib import Path
from typing import Any

import zmq

from engine.errors import FeedError, UsageError
from stream.feed.doorkeeper import Doorkeeper
from stream.feed.endpoint import parse, require_loopback
from stream.feed.messages import DEFAULT_ENDPOINT
from stream.keys import ClientKey

MAX_MESSAGE_BYTES = 32 << 20
TRIES = 20  # at opening again what was open, before that is an error
RECONNECT_FIRST_MS, RECONNECT_LONGEST_MS = 100, 2000
TAKES_NOTHING_MS = 30_000  # then a peer's connection is ended and what waited for it let go; it comes back by itself

_log = logging.getLogger(__name__)


class Entrance:
    """Where others reach a socket of the sending end: bound to `endpoint`, which `what` names in errors ("the feed").

    With `keys`, a folder, only their owners get in. Used on the socket's thread. Raises UsageError for an endpoint that
    makes no sense or that other machines could reach without keys, and for keys that can't be used; FeedError for an
    endpoint that can't be bound. To be closed after the socket.
    """

    def __init__(self, socket: zmq.Socket[bytes], endpoint: str, what: str, keys: Path | None = None) -> None:
        if keys is None:
            require_loopback(endpoint, what)
        self._socket = socket
        self._what = what
        self._is_open = False
        self._tries = 0  # at opening it again
        self._revocations = 0
        self._doorkeeper = Doorkeeper(socket.context, keys, what) if keys else None
        try:
            if self._doorkeeper:
                self._doorkeeper.lock(socket)
            socket.set(zmq.IPV6, 1 if "[" in endpoint else 0)
            socket.set(zmq.TCP_MAXRT, TAKES_NOTHING_MS)
            self.endpoint = self._open(endpoint.replace("//localhost:", "//127.0.0.1:"))  # a `*` became the port
        except BaseException:
            self.close()
            raise

    def look(self) -> None:
        """Cut off who was revoked; to be called a few times a second.

        ZeroMQ asks about a key once, and can't end one connection: all are ended, and who may come back does so.
        """
        if self._doorkeeper is None:
            return
        if not self._is_open:
            self._open_again()
        elif self._doorkeeper.revocations != self._revocations:
            self._revocations = self._doorkeeper.revocations
            linger_ms = self._socket.get(zmq.LINGER)
            self._socket.set(zmq.LINGER, 0)  # the revoked one gets nothing that still waits for it
            self._socket.unbind(self.endpoint)
            self._socket.set(zmq.LINGER, linger_ms)
            self._is_open = False

    def close(self, within_s: float = math.inf) -> bool:
        """Whether the socket's context has no socket of this any more. Safe to call twice."""
        return self._doorkeeper is None or self._doorkeeper.close(within_s)

    def _open_again(self) -> None:
        try:
            self._open(self.endpoint)
        except FeedError as error:  # letting go of the address takes ZeroMQ a moment
            self._tries += 1
            if self._tries == TRIES:
                _log.error("%s; it is tried again and again", error)

    def _open(self, endpoint: str) -> str:
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            raise _bind_error(endpoint, self._what, error) from error
        self._is_open = True
        self._tries = 0
        return str(self._socket.get_string(zmq.LAST_ENDPOINT))


def connect(socket: zmq.Socket[Any], endpoint: str, key: ClientKey | None = None) -> None:
    """Connect the socket of the receiving end. Raises UsageError for an endpoint that makes no sense."""
    parse(endpoint)
    if key:
        socket.set(zmq.CURVE_PUBLICKEY, key.public.encode())
        socket.set(zmq.CURVE_SECRETKEY, key.secret.encode())
        socket.set(zmq.CURVE_SERVERKEY, key.server.encode())
    socket.set(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    socket.set(zmq.RECONNECT_IVL, RECONNECT_FIRST_MS)
    socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_LONGEST_MS)
    socket.set(zmq.IPV6, 1)
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        raise UsageError(f"{endpoint!r} is no address of a feed", advice=f"use one like {DEFAULT_ENDPOINT}") from error


def _bind_error(endpoint: str, what: str, error: zmq.ZMQError) -> FeedError:
    advice = {
        errno.EADDRINUSE: "another program, or another Vigil, has it: stop that one or choose another port",
        errno.ENOENT: "its directory does not exist: create it",
        errno.EACCES: "choose a port above 1023 or a directory this user may write to",
        errno.ENAMETOOLONG: "choose a shorter path",
    }.get(error.errno or 0, f"use {DEFAULT_ENDPOINT}")
    return FeedError(f"{what} could not be bound to {endpoint} ({zmq.strerror(error.errno or 0)})", advice=advice)
