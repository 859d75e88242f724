"""Cuts small pictures out of a video file, at the moments that a reader wants to see. Knows no page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer

from engine.errors import RuntimeFault
from offline_eval.metrics.alerts import Alerted
from offline_eval.report.data import Thumbnail

WIDTH_PX = 160
QUALITY = 60
MAX_THUMBNAILS = 4


def telling_frames(alerted: Alerted) -> list[int]:
    """The middle of each event and where each alert was told, some of them when there are many; else the middle."""
    last = alerted.video.known_frame_count() - 1
    told = {min(alert.told, last) for alert in alerted.alerts}
    frames = sorted(told | {(start + end) // 2 for start, end in alerted.video.spans}) or [last // 2]
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), MAX_THUMBNAILS)).astype(int)
    return [frames[index] for index in chosen]


def read_thumbnails(path: Path, frames: Iterable[int]) -> tuple[Thumbnail, ...]:
    """The pictures of these frames, counted from 0; those past the end are left out. Raises RuntimeFault."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise RuntimeFault(f"{path.name} has no video", advice="check the file")
            times = _times(container)
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            wanted = sorted({frame for frame in frames if 0 <= frame < len(times)})
            return tuple(Thumbnail(frame, _picture(container, times, frame)) for frame in wanted)
    except (av.FFmpegError, OSError) as error:
        raise RuntimeFault(f"{path.name}: no thumbnail ({type(error).__name__})", advice="check the file") from error


def _times(container: InputContainer) -> list[int]:
    """The presentation time of each frame in the stream's ticks, in order: read from packets, so quickly."""
    packets = container.demux(container.streams.video[0])
    return sorted(packet.pts for packet in packets if packet.size and packet.pts is not None)


def _picture(container: InputContainer, times: list[int], frame: int) -> bytes:
    """As JPEG: the frame itself, or the first one after it that can be decoded."""
    stream = container.streams.video[0]
    container.seek(times[frame], stream=stream)
    pictures = (each for each in container.decode(stream) if each.pts is not None and each.pts >= times[frame])
    picture = next(pictures, None)
    if picture is None:
        raise RuntimeFault(f"frame {frame} cannot be decoded", advice="check the file")
    height = max(2, round(WIDTH_PX * picture.height / picture.width))
    image = picture.reformat(width=WIDTH_PX, height=height, format="bgr24").to_ndarray()
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return encoded.tobytes()
