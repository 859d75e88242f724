"""Small encoded clips for tests, and any video file as the packets and pictures that a source would yield."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np

from engine.types import Image
from stream.remux import describe
from stream.rings import PacketRing
from stream.sources.base import EncodedPacket, StreamInfo

REAL_CLIPS = Path(__file__).parents[3].parent / "shared" / "data" / "clips"
FPS = 10
_QUIET = {"libx265": {"x265-params": "log-level=none:keyint=10"}}


@dataclass(frozen=True)
class Video:
    info: StreamInfo
    packets: list[EncodedPacket]

    def time_s(self, packet: EncodedPacket) -> float:
        """Its own time in seconds; packets of raw streams have none."""
        assert packet.pts is not None
        return float(packet.pts * self.info.time_base)


def picture(number: int, width: int = 160, height: int = 120) -> Image:
    """Grey that rises with `number`, and a white bar that moves."""
    image = np.full((height, width, 3), 10 + 4 * number % 200, np.uint8)
    image[:, 2 * number % width : 2 * number % width + 10] = 255
    return image


def encode(path: Path, codec: str = "libx264", seconds: float = 4.0, width: int = 160, height: int = 120) -> Path:
    """A clip of `picture`s at 10 pictures a second, a key frame each second, in the container its name says."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options={"g": "10", **_QUIET.get(codec, {})})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(round(seconds * FPS)):
            frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path) -> Video:
    """What a source would say of this file. The file is closed when this returns."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert stream.time_base is not None
        info = StreamInfo(
            context.codec.canonical_name, context.width, context.height, stream.time_base, describe(stream), None, ""
        )
        packets = [
            EncodedPacket(bytes(packet), packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe)
            for packet in container.demux(stream)
            if packet.size
        ]
    return Video(info, packets)


def pictures(path: Path) -> list[Image]:
    """Every picture of a file in the order shown, as RGB."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


def times_s(path: Path) -> list[float]:
    """When each picture of a file is shown."""
    with av.open(str(path)) as container:
        return [float(frame.time or 0.0) for frame in container.decode(video=0)]


def fill(
    ring: PacketRing,
    video: Video,
    *,
    epoch_s: float = 0.0,
    segment: int = 0,
    after_s: float = -10.0,
    until_s: float = 1e9,
) -> None:
    """Append the packets to be decoded in (after_s, until_s], as if the video had begun at `epoch_s`."""
    for packet in video.packets:
        if after_s < float((packet.dts or 0) * video.info.time_base) <= until_s:
            time_s = video.time_s(packet)
            ring.append(video.info, segment, packet, time_s, epoch_s + time_s)


def without_times(packet: EncodedPacket) -> EncodedPacket:
    return replace(packet, pts=None, dts=None, duration=0)
