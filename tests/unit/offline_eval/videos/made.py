"""Small videos and responses for tests of replays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from engine.timeline import WindowMeta
from engine.types import Box, Judgement, ModelInfo
from offline_eval.datasets.base import Video
from offline_eval.datasets.matching import Coverage, match
from offline_eval.videos.records import Finished, Run, WindowRecord
from offline_eval.videos.scorers import Recipe, configured
from offline_eval.videos.store import StoredVideo, read_videos
from stream.config import from_mapping
from tests.unit.stream.clips import encode

RUN = Run.of("made", ModelInfo("motion", "motion"), {"window": "grid", "window.fps": "8"})


def motion(**defaults: Any) -> Recipe:
    return configured(from_mapping({"defaults": defaults}))


def recorded(path: Path) -> Recipe:
    return configured(from_mapping({"scorer": {"kind": "recorded", "responses": str(path)}}))


def stored(name: str, scores: Sequence[float | None] = (0.1, None, 0.9)) -> StoredVideo:
    """A finished video with a window a second; the abnormal ones say more."""
    records = [
        WindowRecord.of(meta(name, index), 8 * index + 7, judged(score), 0.25) for index, score in enumerate(scores)
    ]
    return StoredVideo(Finished(name, len(records), 8 * len(records), 8 * len(records), 1000, 1.5), tuple(records))


def meta(name: str, index: int, segment: int = 0) -> WindowMeta:
    time_s = index + 0.875
    return WindowMeta(name, segment, index, time_s, time_s, 1.0)


def judged(score: float | None) -> Judgement:
    if score is None:
        return Judgement.unknown("warming up")
    if score < 0.5:
        return Judgement(score, "Nothing moves.")
    vector = np.array([0.1, -2.5, 3e-8], np.float32)
    return Judgement(score, "A man falls.", vector, (Box(0.1, 0.2, 0.3, 0.4, "man"),), 5)


def folder_of(folder: Path, **seconds: float) -> Coverage:
    """Videos by name, of so many seconds at 10 pictures a second, as a data set that was found."""
    folder.mkdir(exist_ok=True)
    for name, length_s in seconds.items():
        encode(folder / f"{name}.mp4", seconds=length_s)
    return match([Video(name) for name in seconds], folder)


def without_timings(folder: Path) -> dict[str, list[object]]:
    """What a store holds of each video, but for how long things took."""
    found: dict[str, list[object]] = {}
    for video in read_videos(folder):
        windows = [(window.window, window.frame, window.judgement) for window in video.windows]
        finished = video.finished
        found[video.name] = [finished.windows, finished.frames, finished.pictures, finished.bytes, *windows]
    return found


class Heard:
    """A `Progress` that remembers."""

    def __init__(self) -> None:
        self.begun: tuple[list[str], int] = ([], 0)
        self.read: dict[str, int] = {}
        self.ends: list[tuple[str, str]] = []
        self.left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.left = True

    def begin(self, videos: Sequence[Video], resumed: int) -> None:
        self.begun = [video.name for video in videos], resumed

    def reading(self, video: str, frames: int) -> None:
        self.read[video] = max(frames, self.read.get(video, 0))

    def finished(self, video: str) -> None:
        self.ends.append((video, ""))

    def failed(self, video: str, problem: str) -> None:
        self.ends.append((video, problem))
