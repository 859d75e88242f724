"""One publisher's connection: its offer is answered, its pictures go to a door, and its end is noticed.

Knows aiortc and runs on one loop. Knows no HTTP and nobody's token.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from engine.errors import SourceError, SourceFault, UsageError
from stream.webrtc.bounds import KeepLatest, bound
from stream.webrtc.door import Incoming

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
UNTAKEN_S = 60.0  # longer than a camera waits between two attempts: nobody watches it any more


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server."""

    url: str
    user: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """How long a publisher may take to connect and be silent, and what helps it through a network."""

    connect_s: float
    silence_s: float
    ice: Sequence[IceServer] = ()


class Peer:
    """A publisher from its offer to its end. `incoming` gets the pictures and why they ended."""

    def __init__(self, name: str, settings: PeerSettings) -> None:
        self.incoming = Incoming()
        self._name = name
        self._settings = settings
        servers = [RTCIceServer(each.url, each.user, each.password) for each in settings.ice]
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._waiting: KeepLatest | None = None
        self._track: MediaStreamTrack | None = None

    async def answer(self, offer: str) -> str:
        """The answer's SDP. Raises UsageError for an offer that makes no sense; `close` is needed in any case."""
        connection = self._connection
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        except Exception as error:  # the parser raises whatever it stumbles over
            raise UsageError(f"this is no offer that can be answered ({type(error).__name__})") from error
        for transceiver in connection.getTransceivers():
            if transceiver.kind == "video" and self._track is None and transceiver.receiver.track is not None:
                self._track = transceiver.receiver.track
                self._waiting = bound(transceiver.receiver)
                transceiver.direction = "recvonly"
            else:
                transceiver.direction = "inactive"  # nobody would take what comes
        if self._track is None:
            raise UsageError("the offer has no video that is sent")
        await connection.setLocalDescription(await connection.createAnswer())
        return connection.localDescription.sdp

    async def run(self) -> None:
        """Take pictures until it is over; `incoming` has the reason then."""
        taking = asyncio.create_task(self._take())
        try:
            self.incoming.end(await self._watch(taking))
        finally:
            taking.cancel()
            await asyncio.wait([taking])

    async def close(self) -> None:
        self.incoming.end(SourceError(f"publisher {self._name}: it was ended", SourceFault.ENDED))
        await self._connection.close()
        if self._waiting is not None and self._waiting.dropped:
            log.info("%d pictures came faster than they could be decoded", self._waiting.dropped)

    async def _take(self) -> None:
        """Whatever the camera does, nothing waits here: `incoming` keeps the newest."""
        assert self._track is not None
        while True:
            try:
                picture = await self._track.recv()
            except MediaStreamError:
                return
            if isinstance(picture, av.VideoFrame):
                self.incoming.put(picture)

    async def _watch(self, taking: asyncio.Task[None]) -> SourceError:
        """Why it is over, as soon as it is."""
        begun_s = time.monotonic()
        who, settings, incoming = f"publisher {self._name}", self._settings, self.incoming
        while not incoming.over:
            now_s = time.monotonic()
            if taking.done() or self._connection.connectionState in ("failed", "closed"):
                return SourceError(f"{who}: it has left", SourceFault.ENDED)
            if incoming.came_s is None and now_s - begun_s > settings.connect_s:
                return SourceError(f"{who}: no picture within {settings.connect_s:g} s", SourceFault.UNREACHABLE)
            if incoming.came_s is not None and now_s - incoming.came_s > settings.silence_s:
                return SourceError(f"{who}: no picture for {settings.silence_s:g} s", SourceFault.LOST)
            if now_s - incoming.taken_s > UNTAKEN_S:
                return SourceError(f"{who}: nobody watches it", SourceFault.ENDED)
            await asyncio.sleep(LOOK_EVERY_S)
        return SourceError(f"{who}: it was ended", SourceFault.ENDED)
