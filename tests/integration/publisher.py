"""A real WebRTC peer that publishes pictures by WHIP, on a thread and a loop of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from fractions import Fraction
from typing import Any

import av
import httpx2
import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

PATIENCE_S = 20.0
FPS = 15


class Scene(VideoStreamTrack):
    """Still noise, through which a bright square runs while `moving`."""

    def __init__(self, size: tuple[int, int] = (160, 120)) -> None:
        super().__init__()
        width, height = size
        self._still = np.random.default_rng(1).integers(60, 90, (height, width, 3), np.uint8)
        self._begun_s = time.monotonic()
        self._number = 0
        self.moving = threading.Event()

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(max(0.0, self._begun_s + self._number / FPS - time.monotonic()))
        image = self._still.copy()
        if self.moving.is_set():
            side = image.shape[0] // 2
            left = (self._number * 17) % (image.shape[1] - side)
            image[side // 2 : side // 2 + side, left : left + side] = 255
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = self._number * 90_000 // FPS, Fraction(1, 90_000)
        self._number += 1
        return frame


class Publisher:
    """Publishes from `publish` until `delete`, or until it hangs up without a word."""

    def __init__(self, url: str, **headers: str) -> None:
        self.scene = Scene()
        self._client = httpx2.Client(base_url=url, timeout=PATIENCE_S, headers=headers)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="publisher")
        self._thread.start()
        self._peer: RTCPeerConnection | None = None
        self.location = ""

    def publish(self, name: str) -> Any:
        """The endpoint's response; when that is an answer, pictures go out."""
        self.hang_up()
        response = self._client.post(
            f"/whip/{name}", content=self._there(self._offer()), headers={"Content-Type": "application/sdp"}
        )
        if response.status_code == 201:
            self.location = response.headers["location"]
            self._there(self._accept(response.text))
        return response

    def ask(self, method: str, path: str = "") -> int:
        return int(self._client.request(method, path or self.location).status_code)

    def hang_up(self) -> None:
        """Close the connection, saying nothing to the endpoint."""
        if self._peer is not None:
            self._there(self._peer.close())
            self._there(self._settle())

    def close(self) -> None:
        self.hang_up()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._loop.close()
        self._client.close()

    def fall_silent(self) -> None:
        """As when its network is gone: no packet more, and no goodbye."""
        assert self._peer is not None
        for sender in self._peer.getSenders():
            sender.replaceTrack(None)

    async def _offer(self) -> str:
        self._peer = RTCPeerConnection()
        self._peer.addTrack(self.scene)
        self._peer.addTransceiver("audio", direction="recvonly")
        await self._peer.setLocalDescription(await self._peer.createOffer())
        return str(self._peer.localDescription.sdp)

    async def _accept(self, answer: str) -> None:
        assert self._peer is not None
        await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def _settle(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=PATIENCE_S)

    def _there(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)
