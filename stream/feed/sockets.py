"""Where the feed's sockets are bound and connected: addresses, limits, and what ZeroMQ's errors mean."""

from __future__ import annotations

import errno
from typing import Any, TypeVar

import zmq

from engine.errors import FeedError, UsageError
from stream.feed.endpoint import parse
from stream.feed.messages import DEFAULT_ENDPOINT
from stream.loopback import is_loopback

MAX_MESSAGE_BYTES = 32 << 20
RECONNECT_FIRST_MS, RECONNECT_LONGEST_MS = 100, 2000

_Socket = TypeVar("_Socket", bound=zmq.Socket[Any])


def bind(socket: zmq.Socket[bytes], endpoint: str, what: str) -> str:
    """Bind the socket of the sending end, and say to what: a `*` for the port becomes the port.

    `what` names it in errors, as in "the feed". Raises UsageError for an endpoint that makes no sense or that other
    machines could reach, FeedError for one that can't be bound.
    """
    address = parse(endpoint)
    if address is not None and not is_loopback(address[0]):
        raise UsageError(
            f"{what} at {endpoint} would be open to the whole network, without keys",
            advice=f"use tcp://127.0.0.1:{address[1]}, and from other machines an SSH tunnel: "
            "ssh -N -L 5557:127.0.0.1:5557 -L 5558:127.0.0.1:5558 THIS_MACHINE",
        )
    socket.set(zmq.IPV6, 1 if "[" in endpoint else 0)
    try:
        socket.bind(endpoint.replace("//localhost:", "//127.0.0.1:"))
    except zmq.ZMQError as error:
        raise _bind_error(endpoint, what, error) from error
    return str(socket.get_string(zmq.LAST_ENDPOINT))


def connect(socket: zmq.Socket[Any], endpoint: str) -> None:
    """Connect the socket of the receiving end. Raises UsageError for an endpoint that makes no sense."""
    parse(endpoint)
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
