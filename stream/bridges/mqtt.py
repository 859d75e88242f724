"""Publishes alerts and the cameras' states on an MQTT broker, and tells Home Assistant of them. Needs the extra `mqtt`.

Alerts are letters: each is published, in order, and the broker has confirmed it before the next; its snapshot and
explanation go before it. `available`, `status` and `event` show what is the case now. Topics are in docs/bridges.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import msgspec
from aiomqtt import Client, MqttCodeError, MqttError, Will

from stream.bridges.board import Board
from stream.bridges.home_assistant import discovery_topics, entities
from stream.bridges.sink import Failed, Letter, Unreachable
from stream.feed.catch_up import History, Kept
from stream.feed.messages import UNREADABLE, AlertMessage, StatusMessage

KEEPALIVE_S = 20  # a broker that hears nothing for half as long again tells the last will
TIMEOUT_S = 10.0  # for each answer of the broker
GOODBYE_S = 0.5
MOST_INCOMING = 1000
STATES = ("status", "event", "explanation", "snapshot")  # retained, of each camera
ANNOUNCED = "discovery"  # retained, of each camera: below which topic Home Assistant was told of it
_CAMERA = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DISCOVERY = re.compile(rb"[A-Za-z0-9_/-]{1,200}")


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """`tls` is None for a plain connection. With `discovery`, Home Assistant's prefix, cameras are announced there.

    Snapshots larger than `largest_snapshot_bytes` are left out.
    """

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    prefix: str = "vigil"
    discovery: str | None = "homeassistant"
    largest_snapshot_bytes: int = 1_000_000


class EventState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether an event is open at a camera; and if so, the newest of them as its last alert tells it."""

    state: str
    open: int
    id: str | None = None
    severity: str | None = None
    definition: str | None = None
    score: float | None = None
    top_score: float | None = None
    start_time: float | None = None
    explanation: str | None = None


class MqttSink:
    """A `Sink`. `board` tells how the cameras are; the snapshots are in the folder `data`."""

    def __init__(self, settings: MqttSettings, board: Board, data: Path) -> None:
        self._settings = settings
        self._board = board
        self._data = data

    @asynccontextmanager
    async def session(self, history: History) -> AsyncIterator[_Session]:
        settings = self._settings
        where = f"the broker {settings.host}:{settings.port}"
        client = Client(
            settings.host,
            settings.port,
            username=settings.user,
            password=settings.password,
            tls_context=settings.tls,
            will=Will(f"{settings.prefix}/available", "offline", qos=1, retain=True),
            keepalive=KEEPALIVE_S,
            timeout=TIMEOUT_S,
            max_queued_incoming_messages=MOST_INCOMING,
        )
        fault = None  # raised outside of `except`, so that nothing holds the library's frames with their socket
        try:
            await client.__aenter__()
        except MqttCodeError as error:
            fault = Unreachable(f"{where} refuses the connection ({error})", advice="check user and password")
        except MqttError as error:
            fault = Unreachable(f"{where} can't be reached ({error})")
        if fault:
            raise fault
        session = _Session(client, where, settings, self._board, self._data)
        try:
            await session.greet(history.open_events())
            yield session
        finally:
            await session.leave()


class _Session:
    def __init__(self, client: Client, where: str, settings: MqttSettings, board: Board, data: Path) -> None:
        self._client = client
        self._where = where
        self._settings = settings
        self._board = board
        self._data = data
        self._open: dict[str, dict[str, AlertMessage]] = {}  # by camera and event, in the order of their last alerts
        self._open_from = 0  # alerts after this one tell what is open now
        self._shown: dict[str, dict[str, bytes]] = {}  # of each camera: what its topics were last told here
        self._gone: set[str] = set()  # cameras that the broker still has, and nobody watches
        self._elsewhere: dict[str, str] = {}  # cameras that Home Assistant was told of below another topic than now
        self._listening = asyncio.create_task(self._listen())

    async def greet(self, kept: Kept) -> None:
        """Say that Vigil is here and what is open, and ask which cameras the broker remembers."""
        self._open_from = kept.last_seq
        for _, body in kept.alerts:
            with contextlib.suppress(*UNREADABLE):  # a newer version's
                self._note(msgspec.json.decode(body, type=AlertMessage))
        prefix = self._settings.prefix
        try:  # before anything is told there: the broker then says what it was told by earlier runs
            await self._client.subscribe([(f"{prefix}/+/{topic}", 1) for topic in ("status", ANNOUNCED)])
        except MqttError as error:
            raise self._lost(error) from None
        await self.idle()
        try:
            await self._publish("available", b"online", retain=True)
        except MqttError as error:
            raise self._lost(error) from None

    async def deliver(self, letter: Letter) -> None:
        alert = letter.alert
        try:
            if not letter.again and alert.camera in self._board.cameras:
                await self._show_evidence(alert)
            await self._publish(f"{alert.camera}/alerts", letter.body)
            await self._publish("alerts", letter.body)
        except MqttError as error:
            raise Failed(f"{self._where} did not take alert {letter.place.seq} ({error})") from None
        if letter.place.seq > self._open_from and not letter.again:
            self._note(alert)

    async def idle(self) -> None:
        """Show what has changed of the cameras and of their events."""
        try:
            if self._listening.done():
                raise MqttError("the connection broke")
            cameras = self._board.cameras
            for camera in list(self._elsewhere):
                await self._take_back(camera, self._elsewhere[camera])
            for camera in (self._gone | self._shown.keys()) - cameras.keys():
                await self._remove(camera)
            for camera, status in cameras.items():
                await self._show(camera, status)
        except MqttError as error:
            raise self._lost(error) from None

    async def leave(self) -> None:
        """Say so, for a clean end has no last will; but without waiting long, for the broker may be what is wrong."""
        with contextlib.suppress(MqttError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._publish("available", b"offline", retain=True)
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        with contextlib.suppress(MqttError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._client.__aexit__(None, None, None)

    async def _show(self, camera: str, status: StatusMessage | None) -> None:
        if camera not in self._shown:
            self._shown[camera] = {}
            for topic, payload in self._announcement(camera).items():
                await self._publish_at(topic, payload, retain=True)
        if status is not None:
            await self._show_if_new(camera, "status", _shown_status(status))
        events = [each for each in self._open.get(camera, {}).values() if each.fault is None]
        await self._show_if_new(camera, "event", msgspec.json.encode(_event_state(events)))

    async def _show_evidence(self, alert: AlertMessage) -> None:
        if alert.snapshot and (jpeg := self._read(alert.snapshot)):
            await self._publish(f"{alert.camera}/snapshot", jpeg, retain=True)
        if alert.explanation and alert.fault is None:
            told = {name: getattr(alert, name) for name in ("explanation", "explanation_state", "id", "type", "time")}
            await self._publish(f"{alert.camera}/explanation", msgspec.json.encode(told), retain=True)

    async def _show_if_new(self, camera: str, state: str, payload: bytes) -> None:
        if self._shown[camera].get(state) != payload:
            await self._publish(f"{camera}/{state}", payload, retain=True)
            self._shown[camera][state] = payload

    async def _remove(self, camera: str) -> None:
        for topic in self._announcement(camera):
            await self._publish_at(topic, b"", retain=True)
        for state in STATES:
            await self._publish(f"{camera}/{state}", b"", retain=True)
        self._shown.pop(camera, None)
        self._gone.discard(camera)

    async def _take_back(self, camera: str, discovery: str) -> None:
        for topic in discovery_topics(discovery, self._settings.prefix, camera).values():
            await self._publish_at(topic, b"", retain=True)
        if self._settings.discovery is None:  # else it was told anew
            await self._publish(f"{camera}/{ANNOUNCED}", b"", retain=True)
        del self._elsewhere[camera]

    def _announcement(self, camera: str) -> dict[str, bytes]:
        """What Home Assistant is told, by topic; and first where, for a later run that is to tell it elsewhere."""
        prefix, discovery = self._settings.prefix, self._settings.discovery
        if discovery is None:
            return {}
        topics = discovery_topics(discovery, prefix, camera)
        about = entities(prefix, camera, version("vigil-vad"))
        return {f"{prefix}/{camera}/{ANNOUNCED}": discovery.encode()} | {
            topic: msgspec.json.encode(about[name]) for name, topic in topics.items()
        }

    def _note(self, alert: AlertMessage) -> None:
        events = self._open.setdefault(alert.camera, {})
        events.pop(alert.id, None)
        if alert.type != "end":
            events[alert.id] = alert

    def _read(self, name: str) -> bytes:
        """A file of the data directory; nothing for one that is gone, too large, or elsewhere."""
        path = (self._data / name).resolve()
        try:
            if (
                path.is_relative_to(self._data.resolve())
                and path.stat().st_size <= self._settings.largest_snapshot_bytes
            ):
                return path.read_bytes()
        except OSError:  # it was deleted meanwhile
            pass
        return b""

    async def _listen(self) -> None:
        """Until the connection ends. What the broker retained of cameras that nobody watches is to be taken away."""
        async for message in self._client.messages:
            camera, _, topic = str(message.topic).removeprefix(f"{self._settings.prefix}/").partition("/")
            if not (message.retain and message.payload and _CAMERA.fullmatch(camera)):
                continue
            self._gone.add(camera)
            if topic == ANNOUNCED and isinstance(message.payload, bytes) and _DISCOVERY.fullmatch(message.payload):
                told = message.payload.decode()
                if told != self._settings.discovery:
                    self._elsewhere[camera] = told

    async def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        await self._publish_at(f"{self._settings.prefix}/{topic}", payload, retain=retain)

    async def _publish_at(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """The broker has it when this returns. Raises MqttError, at once when the connection breaks."""
        sending = asyncio.ensure_future(self._client.publish(topic, payload, qos=1, retain=retain))
        try:
            await asyncio.wait({sending, self._listening}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise MqttError("the connection broke")
            sending.result()
        finally:
            sending.cancel()

    def _lost(self, error: MqttError) -> Unreachable:
        return Unreachable(f"{self._where} was lost ({error})")


class _ShownStatus(msgspec.Struct, frozen=True):
    """What is shown of a camera's status: what changes with it, so that it need not be told every few seconds."""

    camera: str
    state: str
    since: float
    fault: str | None
    message: str | None
    advice: str | None


def _shown_status(status: StatusMessage) -> bytes:
    return msgspec.json.encode(msgspec.convert(status, _ShownStatus, from_attributes=True))


def _event_state(events: list[AlertMessage]) -> EventState:
    if not events:
        return EventState(state="OFF", open=0)
    alert = events[-1]
    return EventState(
        state="ON",
        open=len(events),
        id=alert.id,
        severity=alert.severity,
        definition=alert.definition,
        score=alert.score,
        top_score=alert.top_score,
        start_time=alert.start_time,
        explanation=alert.explanation,
    )
