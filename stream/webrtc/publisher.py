"""Somebody who publishes: the pictures go to a door, and the end is noticed. Knows aiortc."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from engine.errors import SourceError, SourceFault, UsageError
from stream.webrtc.bounds import Inflow
from stream.webrtc.door import Incoming
from stream.webrtc.peer import IceServer, Over, Peer

UNTAKEN_S = 60.0  # longer than a camera waits between two attempts: nobody watches it any more
GAP_S = 1.0  # without a picture what is missing is no longer waited for


@dataclass(frozen=True, slots=True)
class PublisherSettings:
    """How long a publisher may take to connect and be silent, and what helps it through a network."""

    connect_s: float
    silence_s: float
    ice: Sequence[IceServer] = ()


class Publisher(Peer):
    """`incoming` gets the pictures and why they ended."""

    def __init__(self, name: str, settings: PublisherSettings) -> None:
        super().__init__(settings.ice)
        self.incoming = Incoming()
        self._name = name
        self._settings = settings
        self._track: MediaStreamTrack | None = None
        self._inflow: Inflow | None = None
        self._taking: asyncio.Task[None] | None = None

    async def run(self) -> None:
        self._taking = asyncio.create_task(self._take())
        try:
            await super().run()
        finally:
            self._taking.cancel()
            await asyncio.wait([self._taking])

    def end(self, over: Over) -> None:
        super().end(over)
        self.incoming.end(SourceError(f"publisher {self._name}: {over.why}", over.fault))

    def _agree(self) -> None:
        for transceiver in self.connection.getTransceivers():
            if transceiver.kind == "video" and self._track is None and transceiver.receiver.track is not None:
                self._track = transceiver.receiver.track
                self._inflow = Inflow(transceiver.receiver, self.incoming.dropped)
                transceiver.direction = "recvonly"
            else:
                transceiver.direction = "inactive"  # nobody would take what comes
        if self._track is None:
            raise UsageError("the offer has no video that is sent")

    async def _look(self) -> Over | None:
        now_s, settings, incoming = time.monotonic(), self._settings, self.incoming
        if self._taking is None or self._taking.done():
            return Over("it has left")
        if now_s - incoming.taken_s > UNTAKEN_S:
            return Over("nobody watches it")
        if incoming.came_s is None:
            if now_s - self.begun_s > settings.connect_s:
                return Over(f"no picture within {settings.connect_s:g} s", SourceFault.UNREACHABLE)
        elif now_s - incoming.came_s > settings.silence_s:
            return Over(f"no picture for {settings.silence_s:g} s", SourceFault.LOST)
        if now_s - (incoming.came_s or self.begun_s) > GAP_S and self._inflow is not None:
            self._inflow.give_up_gap()
        return None

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
