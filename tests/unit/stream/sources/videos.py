"""Small videos that tests make for themselves, and what a plain decoder makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from engine.types import Image
from stream.sources.base import EncodedPacket, Item, Picture, StreamInfo

REAL_CLIPS = Path(__file__).parents[4].parent / "shared" / "data" / "clips"


def scene(number: int, width: int, height: int) -> Image:
    """A textured background before which a square moves: every picture differs from all others."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([rows * 2 % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)
    left, top = 3 * number % (width - 15), 2 * number % (height - 15)
    image[top : top + 16, left : left + 16] = (255, number % 256, 0)
    return image


def encode(
    path: Path,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (160, 96),
    fps: int = 10,
    pictures: int = 30,
    gop: int = 10,
    b_frames: int = 0,
    pix_fmt: str = "yuv420p",
    sound: bool = False,
    first: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """Write `pictures` of the scene to `path`, in the container that its name says."""
    settings = {"g": str(gop), "bf": str(b_frames)}
    if codec == "libx264":
        settings |= {"preset": "ultrafast", "sc_threshold": "0"}
    elif codec == "libx265":
        settings = {"preset": "ultrafast", "x265-params": f"log-level=none:keyint={gop}:bframes={b_frames}"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=settings | (options or {}))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        audio = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for number in range(first, first + pictures):
            frame = av.VideoFrame.from_ndarray(scene(number, *size), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
            if audio is not None:
                samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000 // fps), np.float32), "fltp", "mono")
                samples.sample_rate, samples.pts = 8000, number * (8000 // fps)
                container.mux(audio.encode(samples))
        container.mux(stream.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
    return path


def joined(path: Path, *parts: Path) -> Path:
    """Files one after another: what MPEG-TS and raw streams allow, and how a camera that is switched over looks."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def rgb(picture: Picture, width: int, height: int) -> Image:
    out = np.zeros((height, width, 3), np.uint8)
    picture.write_rgb(out)
    return out


def plain(path: Path) -> list[av.VideoFrame]:
    """Every frame of a file, as PyAV gives them by itself."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def split(items: Iterable[Item]) -> tuple[list[StreamInfo], list[EncodedPacket], list[Picture]]:
    infos: list[StreamInfo] = []
    packets: list[EncodedPacket] = []
    pictures: list[Picture] = []
    for item in items:
        if isinstance(item, StreamInfo):
            infos.append(item)
        elif isinstance(item, EncodedPacket):
            packets.append(item)
        else:
            pictures.append(item)
    return infos, packets, pictures
