"""What benchmarks share: a clip to decode, what a process costs, and on what machine it was measured."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import cpu_model

_TEXTURE_SEED = 7
WALKERS = 6


def make_clip(
    path: Path,
    width: int,
    height: int,
    fps: int,
    seconds: float,
    gop: int,
    *,
    b_frames: bool = False,
    walkers: int = WALKERS,
    mbit_s: float | None = None,
) -> Path:
    """An H.264 clip of textured blocks that move over a textured ground with sensor noise: as hard as a street.

    Without `walkers` only the noise changes. With `mbit_s` it is encoded as by a camera: at that rate, each picture
    without looking at those to come; else all of it at one quality.
    """
    with av.open(str(path), "w") as container:
        rate = {"crf": "23"}
        if mbit_s is not None:
            bits = str(round(1e6 * mbit_s))
            rate = {"b": bits, "maxrate": bits, "bufsize": bits, "rc-lookahead": "0", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=fps, options={"preset": "veryfast", **rate})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = 2 if b_frames else 0
        scene = _Scene(width, height, walkers)
        for number in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(scene.picture(number / fps), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def repeat_clip(clip: Path, times: int, path: Path) -> Path:
    """The clip several times on end, not encoded again."""
    with av.open(str(path), "w") as container:
        stream: av.VideoStream | None = None
        offset = 0
        for _ in range(times):
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                stream = stream or container.add_stream_from_template(video)
                for packet in source.demux(video):
                    if packet.pts is None or packet.dts is None:  # PyAV's way to say that the end is reached
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    container.mux(packet)
                offset += video.duration or 0
    return path


class _Scene:
    def __init__(self, width: int, height: int, walkers: int) -> None:
        rng = np.random.default_rng(_TEXTURE_SEED)
        self._size = (width, height)
        self._ground = _texture(rng, width, height)
        side = max(8, height // 6)
        self._walkers = [_texture(rng, side // 2, side) for _ in range(walkers)]
        self._noise = [rng.normal(0, 3, (height, width, 1)).astype(np.int16) for _ in range(8)]

    def picture(self, time_s: float) -> NDArray[np.uint8]:
        width, height = self._size
        image = self._ground.copy()
        for index, walker in enumerate(self._walkers):
            tall, wide = walker.shape[:2]
            x = int(time_s * width / (6 + 2 * index) + index * width / len(self._walkers)) % (width - wide)
            y = (index + 1) * (height - tall) // (len(self._walkers) + 1)
            image[y : y + tall, x : x + wide] = walker
        noisy = image.astype(np.int16) + self._noise[int(time_s * 1000) % len(self._noise)]
        return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def _texture(rng: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    coarse = rng.integers(0, 256, (max(2, height // 8), max(2, width // 8), 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def pss_bytes(pid: int) -> int:
    """A process's share of memory: its own pages, and its part of those it shares. 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (OSError, ProcessLookupError):
        return 0
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def cpu_s(pid: int) -> float:
    """The CPU time a process has used, in user and system mode. 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Environment:
    """Where something was measured."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    pyav: str
    ffmpeg: str

    def __str__(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gb:.0f} GB; {self.system}; "
            f"Python {self.python}, PyAV {self.pyav}, FFmpeg {self.ffmpeg}"
        )

    def as_dict(self) -> dict[str, str | float]:
        return asdict(self)


def environment() -> Environment:
    """Of this process."""
    return Environment(
        cpu=cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        pyav=av.__version__,
        ffmpeg=av.ffmpeg_version_info,
    )
