"""Somebody who watches a camera: its newest pictures go out as video, its scores on the viewer's data channel.

Knows aiortc and a camera's preview. Pictures are scaled and encoded on the loop's executor, and only while somebody
watches; what a viewer is too slow for is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
from aiortc import MediaStreamTrack, RTCDataChannel, RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from av.video.reformatter import Interpolation

from engine.errors import UsageError, VigilError
from engine.types import Image
from stream.preview import Preview, Shown
from stream.webrtc.peer import IceServer, Over, Peer

WIDEST_PX = 640
FASTEST_FPS = 10.0
REPEAT_S = 1.0  # without a newer picture the last one is sent again, so that silence means that the line is broken
MOST_BUFFERED_BYTES = 1 << 16  # of scores, on a slow line
NO_VIDEO = "the offer has no video that is received"
_POLL_S = 0.02
_CLOCK_HZ = 90_000

Look = Callable[[], Awaitable[Preview | None]]


@dataclass(frozen=True, slots=True)
class ViewerSettings:
    """How long a viewer may take to connect, and then give no sign of life; and what helps it through a network."""

    connect_s: float = 20.0
    silence_s: float = 15.0  # some receivers report every 5 s only
    ice: Sequence[IceServer] = ()


class Viewer(Peer):
    """`look` finds the camera as it is now, on this loop; None when it is no more."""

    def __init__(self, camera: str, look: Look, settings: ViewerSettings) -> None:
        super().__init__(settings.ice)
        self.camera = camera
        self._find = look
        self._settings = settings
        self._track = PreviewTrack()
        self._channel: RTCDataChannel | None = None
        self._packets = 0  # that have come from it
        self._alive_s: float | None = None  # when the last one did, monotonic
        self._video = self.connection.addTransceiver(self._track, direction="sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        self._video.setCodecPreferences(sorted(codecs, key=lambda each: each.name != "VP8"))  # costs the least
        self.connection.on("datachannel", self._open)

    async def answer(self, offer: str) -> str:
        answer = await super().answer(offer)
        if self._video.currentDirection != "sendonly":
            raise UsageError(NO_VIDEO)
        return answer

    def tell(self, line: str) -> None:
        """Send this if the viewer has a data channel, and takes what it is sent."""
        channel = self._channel
        if channel and channel.readyState == "open" and channel.bufferedAmount < MOST_BUFFERED_BYTES:
            channel.send(line)

    async def close(self) -> None:
        self._track.stop()
        await super().close()

    def _agree(self) -> None:
        for transceiver in self.connection.getTransceivers():
            if transceiver is not self._video:
                transceiver.direction = "inactive"
        if self._video.mid is None:
            raise UsageError(NO_VIDEO)

    def _open(self, channel: RTCDataChannel) -> None:
        self._channel = channel

    async def _look(self) -> Over | None:
        try:
            self._track.preview = await self._find()
        except VigilError as error:
            return Over(str(error))
        if self._track.preview is None:
            return Over(f"there is no camera {self.camera} any more")
        now_s = time.monotonic()
        reports = await self.connection.getStats()
        packets = sum(each.packetsReceived for each in reports.values() if each.type == "transport")
        if packets != self._packets:
            self._packets, self._alive_s = packets, now_s
        if self._alive_s is None and now_s - self.begun_s > self._settings.connect_s:
            return Over("it did not connect")
        if self._alive_s is not None and now_s - self._alive_s > self._settings.silence_s:
            return Over("it is silent")
        return None


class PreviewTrack(MediaStreamTrack):
    """A camera's pictures as they come, as fast as the viewer's sender asks for them, up to `FASTEST_FPS`."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.preview: Preview | None = None
        self._seen: Shown | None = None
        self._begun_s = time.monotonic()
        self._due_s = 0.0

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(self._due_s - time.monotonic())
        shown = await self._next()
        now_s = time.monotonic()
        self._due_s = max(self._due_s, now_s - _POLL_S) + 1 / FASTEST_FPS
        frame = await asyncio.get_running_loop().run_in_executor(None, _frame, shown.image)
        frame.pts, frame.time_base = round((now_s - self._begun_s) * _CLOCK_HZ), Fraction(1, _CLOCK_HZ)
        return frame

    async def _next(self) -> Shown:
        asked_s = time.monotonic()
        while self.readyState == "live":
            shown = self.preview.fresh(WIDEST_PX) if self.preview else None
            if shown is not None and shown is not self._seen:
                self._seen = shown
                return shown
            if self.preview:
                self.preview.ask(WIDEST_PX)
            if self._seen is not None and time.monotonic() - asked_s > REPEAT_S:
                return self._seen
            await asyncio.sleep(_POLL_S)
        raise MediaStreamError


def _frame(image: Image) -> av.VideoFrame:
    """[H, W, 3] RGB as an encoder wants it: small, and with even sides."""
    height, width = image.shape[:2]
    scale = min(1.0, WIDEST_PX / width)
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        max(2, round(width * scale) // 2 * 2),
        max(2, round(height * scale) // 2 * 2),
        "yuv420p",
        interpolation=Interpolation.AREA,
    )
