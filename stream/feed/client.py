"""The receiving end of the feed, for any program. Knows the wire, not what is behind it; imports nothing heavy.

    with subscribe(cameras=["front"]) as feed:
        for event in feed:
            if isinstance(event, Received):
                print(event.message)

Besides what was asked for, the events say what was missed and how the connection is: see `stream.feed.tracker`.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Collection
from types import TracebackType
from typing import Any, Self, TypeVar

import zmq
import zmq.asyncio

from engine.errors import UsageError
from stream.feed.endpoint import parse
from stream.feed.messages import DEFAULT_ENDPOINT, Kind
from stream.feed.tracker import Event, Tracker

HIGH_WATER_MARK = 20_000  # messages kept while the program is busy; then it misses some
MAX_MESSAGE_BYTES = 32 << 20
RECONNECT_FIRST_MS, RECONNECT_LONGEST_MS = 100, 2000
_AT_ONCE = 100  # messages taken from the socket before they are handed out

_ALERTS: tuple[Kind, ...] = ("alerts",)
_Socket = TypeVar("_Socket", bound=zmq.Socket[Any])


def subscribe(
    endpoint: str = DEFAULT_ENDPOINT,
    *,
    cameras: Collection[str] | None = None,
    kinds: Collection[Kind] = _ALERTS,
    timeout_s: float | None = None,
) -> Subscription:
    """Connect and listen; to be used in a `with`. None for `cameras` means all.

    Iterating waits for ever, while publishers come, go and come back; with `timeout_s` it raises FeedError
    when no message of these kinds came for that long. Raises UsageError for an endpoint that makes no sense.
    """
    return Subscription(endpoint, Tracker(endpoint, kinds, cameras, timeout_s, time.monotonic()))


def asubscribe(
    endpoint: str = DEFAULT_ENDPOINT,
    *,
    cameras: Collection[str] | None = None,
    kinds: Collection[Kind] = _ALERTS,
    timeout_s: float | None = None,
) -> AsyncSubscription:
    """As `subscribe`, for `async with` and `async for`."""
    return AsyncSubscription(endpoint, Tracker(endpoint, kinds, cameras, timeout_s, time.monotonic()))


class Subscription:
    """Iterates over what comes, in order. Used from one thread."""

    def __init__(self, endpoint: str, tracker: Tracker) -> None:
        parse(endpoint)
        self._tracker = tracker
        self._events: deque[Event] = deque()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket, self._monitor = _connect(self._context, endpoint, tracker.topics)
        self._poller = zmq.Poller()
        self._poller.register(self._monitor, zmq.POLLIN)
        self._poller.register(self._socket, zmq.POLLIN)

    @property
    def silent_s(self) -> float:
        """Seconds since the publisher's last sign of life; it sends one every HEARTBEAT_S."""
        return self._tracker.silent_s(time.monotonic())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        while not self._events:
            ready = dict(self._poller.poll(_poll_ms(self._tracker)))
            if self._monitor in ready:
                self._events += _link_change(self._tracker, self._monitor.recv_multipart())
            if self._socket in ready:
                for _ in range(_AT_ONCE):
                    self._events += self._tracker.take(self._socket.recv_multipart(), time.monotonic())
                    if not self._socket.poll(0):
                        break
            if not self._events:
                self._events += self._tracker.tick(time.monotonic())
        return self._events.popleft()

    def close(self) -> None:
        _disconnect(self._context, self._socket, self._monitor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncSubscription:
    """Iterates over what comes, in order. Used from one event loop; a cancelled wait loses nothing."""

    def __init__(self, endpoint: str, tracker: Tracker) -> None:
        parse(endpoint)
        self._tracker = tracker
        self._events: deque[Event] = deque()
        self._context = zmq.asyncio.Context()
        self._socket, self._monitor = _connect(self._context, endpoint, tracker.topics)
        self._poller = zmq.asyncio.Poller()
        self._poller.register(self._monitor, zmq.POLLIN)
        self._poller.register(self._socket, zmq.POLLIN)

    @property
    def silent_s(self) -> float:
        """Seconds since the publisher's last sign of life; it sends one every HEARTBEAT_S."""
        return self._tracker.silent_s(time.monotonic())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            ready = dict(await self._poller.poll(_poll_ms(self._tracker)))
            if self._monitor in ready:
                self._events += _link_change(self._tracker, await self._monitor.recv_multipart())
            if self._socket in ready:
                self._events += self._tracker.take(await self._socket.recv_multipart(), time.monotonic())
            if not self._events:
                self._events += self._tracker.tick(time.monotonic())
        return self._events.popleft()

    async def close(self) -> None:
        _disconnect(self._context, self._socket, self._monitor)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _connect(context: zmq.Context[_Socket], endpoint: str, topics: Collection[str]) -> tuple[_Socket, _Socket]:
    """A subscribed socket, and another that tells when its connection comes and goes."""
    socket = context.socket(zmq.SUB)
    socket.set(zmq.RCVHWM, HIGH_WATER_MARK)
    socket.set(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    socket.set(zmq.RECONNECT_IVL, RECONNECT_FIRST_MS)
    socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_LONGEST_MS)
    socket.set(zmq.IPV6, 1)
    # A peer whose machine lost power never closes its connection: pings notice.
    socket.set(zmq.HEARTBEAT_IVL, 5000)
    socket.set(zmq.HEARTBEAT_TIMEOUT, 15_000)
    for name in topics:
        socket.set(zmq.SUBSCRIBE, name.encode())
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        _disconnect(context, socket, monitor)
        raise UsageError(f"{endpoint!r} is no address of a feed", advice=f"use one like {DEFAULT_ENDPOINT}") from error
    return socket, monitor


def _disconnect(context: zmq.Context[_Socket], socket: _Socket, monitor: _Socket) -> None:
    if not socket.closed:
        socket.disable_monitor()
    monitor.close(linger=0)
    socket.close(linger=0)
    context.term()


def _link_change(tracker: Tracker, frames: list[bytes]) -> list[Event]:
    (event,) = struct.unpack_from("=H", frames[0])  # as zmq_socket_monitor describes it
    connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
    return tracker.connected(time.monotonic()) if connected else tracker.disconnected()


def _poll_ms(tracker: Tracker) -> int:
    return int(1000 * tracker.wait_s(time.monotonic())) + 1
