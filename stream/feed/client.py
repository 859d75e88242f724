"""The receiving end of the feed, for any program. Knows the wire, not what is behind it; imports nothing heavy.

    with subscribe(cameras=["front"], since="all", position=Path("front.position")) as feed:
        for event in feed:
            if isinstance(event, Received):
                print(event.message)

Besides what was asked for, the events say what was missed and how the connection is: see `stream.feed.events`.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import zmq
import zmq.asyncio

from engine.errors import UsageError
from stream.feed.events import Event, Handshake, Position, Received, Since
from stream.feed.messages import DEFAULT_ENDPOINT, AlertMessage, Kind
from stream.feed.position import PositionFile
from stream.feed.sockets import connect
from stream.feed.tracker import Tracker
from stream.keys import ClientKey, load_client_key

HIGH_WATER_MARK = 20_000  # messages kept while the program is busy; alerts beyond are fetched, others missed
_AT_ONCE = 100  # messages taken from the socket before they are handed out

_ALERTS: tuple[Kind, ...] = ("alerts",)
_REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
_Socket = TypeVar("_Socket", bound=zmq.Socket[Any])


def subscribe(
    endpoint: str = DEFAULT_ENDPOINT,
    *,
    cameras: Collection[str] | None = None,
    kinds: Collection[Kind] = _ALERTS,
    since: Since = "now",
    position: Path | None = None,
    catch_up: str | None = None,
    key: Path | None = None,
    timeout_s: float | None = None,
) -> Subscription:
    """Connect and listen; to be used in a `with`. None for `cameras` means all.

    Alerts come in order and each once, those that were told before first: with `since="all"` all that are kept, with
    "open" the last one of each event that is open, with a `Position` those after it, with "now" none. What gets lost
    on the way is fetched, from the publisher's catch-up address unless `catch_up` names another. With `position`, a
    file, each alert is noted in it once the next event is asked for or the `with` ends without an exception; the
    next run goes on after it, whatever `since` says. `key` is a file that `vigil keys new` made, for a feed with keys.

    Iterating waits for ever, while publishers come, go and come back; it raises FeedError when the key is refused, also
    later, and with `timeout_s` when no message of these kinds came for that long. Raises UsageError for an endpoint or
    a key that makes no sense, FeedError for a position that can't be read or kept.
    """
    return Subscription(endpoint, *_start(endpoint, cameras, kinds, since, position, catch_up, key, timeout_s))


def asubscribe(
    endpoint: str = DEFAULT_ENDPOINT,
    *,
    cameras: Collection[str] | None = None,
    kinds: Collection[Kind] = _ALERTS,
    since: Since = "now",
    position: Path | None = None,
    catch_up: str | None = None,
    key: Path | None = None,
    timeout_s: float | None = None,
) -> AsyncSubscription:
    """As `subscribe`, for `async with` and `async for`. Noting a position holds the event loop while the disk syncs."""
    return AsyncSubscription(endpoint, *_start(endpoint, cameras, kinds, since, position, catch_up, key, timeout_s))


def _start(
    endpoint: str,
    cameras: Collection[str] | None,
    kinds: Collection[Kind],
    since: Since,
    position: Path | None,
    catch_up: str | None,
    key: Path | None,
    timeout_s: float | None,
) -> tuple[Tracker, PositionFile | None, ClientKey | None]:
    client_key = load_client_key(key) if key else None
    file = PositionFile(position) if position else None
    since = (file.load() if file else None) or since
    now_s = time.monotonic()
    tracker = Tracker(
        endpoint, kinds, cameras, timeout_s, now_s, since=since, catch_up=catch_up, has_key=key is not None
    )
    return tracker, file, client_key


class _Events:
    """What has come and is not handed out yet, and how far the program is with what was."""

    def __init__(self, tracker: Tracker, file: PositionFile | None, key: ClientKey | None) -> None:
        self._tracker = tracker
        self._file = file
        self._key = key
        self._events: deque[Event] = deque()
        self._last: Position | None = None  # after the last alert that was handed out

    @property
    def silent_s(self) -> float:
        """Seconds since the publisher's last sign of life; it sends one every HEARTBEAT_S."""
        return self._tracker.silent_s(time.monotonic())

    def _hand_out(self) -> Event:
        event = self._events.popleft()
        if isinstance(event, Received) and isinstance(event.message, AlertMessage) and event.message.epoch:
            self._last = Position(event.message.epoch, event.message.seq)
        return event

    def _finished(self) -> None:
        """The program has dealt with all that was handed out."""
        position = self._last if self._events else self._tracker.position
        if self._file and position:
            self._file.save(position)


class Subscription(_Events):
    """Iterates over what comes, in order. Used from one thread."""

    def __init__(self, endpoint: str, tracker: Tracker, file: PositionFile | None, key: ClientKey | None) -> None:
        super().__init__(tracker, file, key)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        with _ended_on_failure(self._context):
            self._socket, self._monitor = _subscribe(self._context, endpoint, tracker.topics, key)
        self._request: zmq.Socket[bytes] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        self._finished()
        while not self._events:
            if asked := self._tracker.ask(time.monotonic()):
                self._ask(*asked)
            poller = _poller(zmq.Poller(), self._monitor, self._socket, self._request)
            ready = dict(poller.poll(_poll_ms(self._tracker)))
            if self._monitor in ready:
                self._events += _link_change(self._tracker, self._monitor.recv_multipart())
            if self._request in ready and self._request:
                self._events += self._tracker.answer(self._request.recv(), time.monotonic())
                self._request.close()
                self._request = None
            if self._socket in ready:
                for _ in range(_AT_ONCE):
                    self._events += self._tracker.take(self._socket.recv_multipart(), time.monotonic())
                    if not self._socket.poll(0):
                        break
            if not self._events:
                self._events += self._tracker.tick(time.monotonic())
        return self._hand_out()

    def close(self) -> None:
        _disconnect(self._context, self._socket, self._monitor, self._request)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            self._finished()

    def _ask(self, address: str, request: bytes) -> None:
        if self._request:
            self._request.close()
        try:
            self._request = _requester(self._context, address, self._key)
        except UsageError as error:
            self._request = None
            self._events += self._tracker.unasked(error.message)
        else:
            self._request.send(request, zmq.NOBLOCK)


class AsyncSubscription(_Events):
    """Iterates over what comes, in order. Used from one event loop; a cancelled wait loses nothing."""

    def __init__(self, endpoint: str, tracker: Tracker, file: PositionFile | None, key: ClientKey | None) -> None:
        super().__init__(tracker, file, key)
        self._context = zmq.asyncio.Context()
        with _ended_on_failure(self._context):
            self._socket, self._monitor = _subscribe(self._context, endpoint, tracker.topics, key)
        self._request: zmq.asyncio.Socket | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        self._finished()
        while not self._events:
            if asked := self._tracker.ask(time.monotonic()):
                await self._ask(*asked)
            poller = _poller(zmq.asyncio.Poller(), self._monitor, self._socket, self._request)
            ready = dict(await poller.poll(_poll_ms(self._tracker)))
            if self._monitor in ready:
                self._events += _link_change(self._tracker, await self._monitor.recv_multipart())
            if self._request in ready and self._request:
                self._events += self._tracker.answer(await self._request.recv(), time.monotonic())
                self._request.close()
                self._request = None
            if self._socket in ready:
                self._events += self._tracker.take(await self._socket.recv_multipart(), time.monotonic())
            if not self._events:
                self._events += self._tracker.tick(time.monotonic())
        return self._hand_out()

    async def close(self) -> None:
        _disconnect(self._context, self._socket, self._monitor, self._request)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        if kind is None:
            self._finished()

    async def _ask(self, address: str, request: bytes) -> None:
        if self._request:
            self._request.close()
        try:
            self._request = _requester(self._context, address, self._key)
        except UsageError as error:
            self._request = None
            self._events += self._tracker.unasked(error.message)
        else:
            await self._request.send(request, zmq.NOBLOCK)


@contextlib.contextmanager
def _ended_on_failure(context: zmq.Context[Any]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        context.destroy(linger=0)
        raise


def _subscribe(
    context: zmq.Context[_Socket], endpoint: str, topics: Collection[str], key: ClientKey | None
) -> tuple[_Socket, _Socket]:
    """A subscribed socket, and another that tells when its connection comes and goes."""
    socket = context.socket(zmq.SUB)
    socket.set(zmq.RCVHWM, HIGH_WATER_MARK)
    # A peer whose machine lost power never closes its connection: pings notice.
    socket.set(zmq.HEARTBEAT_IVL, 5000)
    socket.set(zmq.HEARTBEAT_TIMEOUT, 15_000)
    for name in topics:
        socket.set(zmq.SUBSCRIBE, name.encode())
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | _REFUSALS)
    connect(socket, endpoint, key)
    return socket, monitor


def _requester(context: zmq.Context[_Socket], address: str, key: ClientKey | None) -> _Socket:
    """A socket for one request: with another for the next, a late reply is never taken for another's."""
    socket = context.socket(zmq.REQ)
    socket.set(zmq.LINGER, 0)
    try:
        connect(socket, address, key)
    except UsageError:
        socket.close()
        raise
    return socket


def _disconnect(
    context: zmq.Context[_Socket], socket: _Socket, monitor: _Socket, request: _Socket | None = None
) -> None:
    if not socket.closed:
        socket.disable_monitor()
    for each in (monitor, socket, request):
        if each is not None:
            each.close(linger=0)
    context.term()


_Poller = TypeVar("_Poller", bound=zmq.Poller)


def _poller(poller: _Poller, *sockets: zmq.Socket[Any] | None) -> _Poller:
    for socket in sockets:
        if socket is not None:
            poller.register(socket, zmq.POLLIN)
    return poller


def _link_change(tracker: Tracker, frames: list[bytes]) -> list[Event]:
    event, value = struct.unpack_from("=HI", frames[0])  # as zmq_socket_monitor describes it
    match event:
        case zmq.EVENT_HANDSHAKE_SUCCEEDED:
            return tracker.connected(time.monotonic())
        case zmq.EVENT_DISCONNECTED:
            return tracker.disconnected()
        case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return tracker.refused(Handshake.KEY)
        case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            mismatch = value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
            return tracker.refused(Handshake.MECHANISM if mismatch else Handshake.NONSENSE)
        case _:
            return tracker.refused(Handshake.SILENT)


def _poll_ms(tracker: Tracker) -> int:
    return int(1000 * tracker.wait_s(time.monotonic())) + 1
