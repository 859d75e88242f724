"""Real WebRTC peers that publish by WHIP and watch by WHEP, each on a thread and a loop of its own.

Their network can be made bad: packets are lost and late as a seeded generator has it, or all of them are lost.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from fractions import Fraction
from typing import Any

import av
import httpx2
import numpy as np
from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError

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


class Weather:
    """What becomes of a peer's packets, in both directions."""

    def __init__(self, *, loss: float = 0.0, jitter_s: float = 0.0, seed: int = 1) -> None:
        self.gone = False  # no packet passes
        self.lost = 0
        self._loss = loss
        self._jitter_s = jitter_s
        self._rng = random.Random(seed)

    def over(self, pass_on: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def passed(*packet: Any, **told: Any) -> None:
            if self.gone or self._rng.random() < self._loss:
                self.lost += 1
                return
            if self._jitter_s:
                await asyncio.sleep(self._rng.random() * self._jitter_s)
            try:
                await pass_on(*packet, **told)
            except ConnectionError:
                self.lost += 1

        async def begun(*packet: Any, **told: Any) -> None:  # a later one may overtake it
            asyncio.get_running_loop().create_task(passed(*packet, **told))

        return begun


class WebRtcPeer:
    """Makes an offer by `post`; what it offers is a subclass's."""

    def __init__(self, url: str, weather: Weather | None = None, **headers: str) -> None:
        self.location = ""
        self._weather = weather
        self._client = httpx2.Client(base_url=url, timeout=PATIENCE_S, headers=headers)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="webrtc-peer")
        self._thread.start()
        self._peer: RTCPeerConnection | None = None

    def offer_to(self, path: str, **headers: str) -> Any:
        """The endpoint's response; an answer is accepted."""
        self.hang_up()
        response = self._client.post(
            path, content=self._there(self._offer()), headers={"Content-Type": "application/sdp"} | headers
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

    def vanish(self) -> None:
        """As when the device is out of power: no packet more in either direction, and no goodbye."""
        self._there(self._cut_off())

    def close(self) -> None:
        self.hang_up()
        self._there(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._loop.close()
        self._client.close()

    async def _offer(self) -> str:
        self._peer = RTCPeerConnection()
        self._prepare(self._peer)
        await self._peer.setLocalDescription(await self._peer.createOffer())
        if self._weather is not None:
            for transceiver in self._peer.getTransceivers():
                transport = transceiver.sender.transport
                for name in ("_send_rtp", "_handle_rtp_data", "_handle_rtcp_data"):
                    setattr(transport, name, self._weather.over(getattr(transport, name)))
        return str(self._peer.localDescription.sdp)

    def _prepare(self, peer: RTCPeerConnection) -> None:
        raise NotImplementedError

    async def _accept(self, answer: str) -> None:
        assert self._peer is not None
        await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def _cut_off(self) -> None:
        assert self._peer is not None
        for transceiver in self._peer.getTransceivers():
            await transceiver.sender.transport.transport._connection.close()

    async def _settle(self) -> None:
        me = {asyncio.current_task()}
        if others := asyncio.all_tasks() - me:
            _, left = await asyncio.wait(others, timeout=PATIENCE_S / 2)
            assert not left
        if late := asyncio.all_tasks() - me:  # what aiortc begins when it is closed while it connects
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=PATIENCE_S / 2)

    def _there(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)


class Publisher(WebRtcPeer):
    """Publishes a scene from `publish` until it ends that with `ask`, or hangs up without a word."""

    def __init__(self, url: str, weather: Weather | None = None, **headers: str) -> None:
        super().__init__(url, weather, **headers)
        self.scene = Scene()

    def publish(self, name: str, **headers: str) -> Any:
        return self.offer_to(f"/whip/{name}", **headers)

    def fall_silent(self) -> None:
        """Stay there, and send nothing."""
        assert self._peer is not None
        for sender in self._peer.getSenders():
            sender.replaceTrack(None)

    def _prepare(self, peer: RTCPeerConnection) -> None:
        peer.addTransceiver(self.scene, direction="sendonly")
        peer.addTransceiver("audio", direction="recvonly")


class Viewer(WebRtcPeer):
    """Watches from `watch` on: the newest picture, how many came, and the scores that were told."""

    def __init__(self, url: str, weather: Weather | None = None, **headers: str) -> None:
        super().__init__(url, weather, **headers)
        self.picture: np.ndarray[Any, Any] | None = None
        self.pictures = 0
        self.scores: list[dict[str, Any]] = []
        self.over = False
        self._looking: asyncio.Task[None] | None = None

    def watch(self, camera: str) -> Any:
        return self.offer_to(f"/whep/{camera}")

    def _prepare(self, peer: RTCPeerConnection) -> None:
        peer.addTransceiver("video", direction="recvonly")
        channel: RTCDataChannel = peer.createDataChannel("scores")
        channel.on("message", self._hear)
        peer.on("track", self._see)

    def _hear(self, line: str) -> None:
        self.scores.append(json.loads(line))

    def _see(self, track: MediaStreamTrack) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look(track))

    async def _look(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.VideoFrame)
                self.picture = frame.to_ndarray(format="rgb24")
                self.pictures += 1
        except MediaStreamError:
            self.over = True

    async def _settle(self) -> None:
        if self._looking is not None:
            self._looking.cancel()  # of a connection that never came about
        await super()._settle()
