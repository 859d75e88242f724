"""One WebRTC connection from its offer to its end. What flows through it is a subclass's.

Knows aiortc and runs on one loop. Knows no HTTP and nobody's token.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription

from engine.errors import SourceFault, UsageError

LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server."""

    url: str
    user: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """Why a connection is over."""

    why: str
    fault: SourceFault = SourceFault.ENDED


class Peer(ABC):
    """`answer` first, then `run`; `close` in any case. `end` makes `run` return soon."""

    def __init__(self, ice: Sequence[IceServer]) -> None:
        servers = [RTCIceServer(each.url, each.user, each.password) for each in ice]
        self.over: Over | None = None
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self.begun_s = time.monotonic()

    async def answer(self, offer: str) -> str:
        """The answer's SDP. Raises UsageError for an offer that makes no sense."""
        try:
            await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        except Exception as error:  # the parser raises whatever it stumbles over
            raise UsageError(f"this is no offer that can be answered ({type(error).__name__})") from error
        self._agree()
        if "a=setup:passive" not in offer:
            self._be_called()
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self.connection.localDescription.sdp

    async def run(self) -> None:
        """Until it is over; `over` has the reason then."""
        while self.over is None:
            if self.connection.connectionState in ("failed", "closed"):
                self.end(Over("it has left"))
            elif (over := await self._look()) is not None:
                self.end(over)
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    def end(self, over: Over) -> None:
        """Only the first reason counts."""
        self.over = self.over or over

    async def close(self) -> None:
        self.end(Over("it was ended"))
        await self.connection.close()

    def _be_called(self) -> None:
        """Leave the first word of DTLS to the other one, as RFC 9725 wants it.

        As a client, aiortc speaks only with who has an elliptic key; GStreamer's is an RSA key. It has no public way.
        """
        transports = {each.receiver.transport for each in self.connection.getTransceivers()}
        if self.connection.sctp is not None:
            transports.add(self.connection.sctp.transport)
        for transport in transports:
            if transport._role == "auto":
                transport._set_role("server")

    @abstractmethod
    def _agree(self) -> None:
        """Choose of what is offered. Raises UsageError for an offer without it."""

    @abstractmethod
    async def _look(self) -> Over | None:
        """Whether it is over, which is asked again and again."""
