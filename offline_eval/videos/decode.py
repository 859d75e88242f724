"""Reads one video, on a thread of its own, into windows for a batcher: lossless, held back while the batcher is full.

Windows on the live grid are made by the very session that watches a camera. Knows no scorer and no store.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.batcher import MicroBatcher, Overflow
from engine.errors import SourceError, SourceFault
from engine.types import Frame, Window
from engine.windows import WindowPlan
from offline_eval.datasets.base import Video
from offline_eval.methods.corevad import segment_pictures
from offline_eval.methods.vera import offline_windows
from offline_eval.videos.plan import Plan, RawSegments
from offline_eval.videos.times import frame_times
from stream.clock import SystemClock
from stream.rings import PacketRing
from stream.session import CameraSession, Pace, SessionSettings, SessionStats, StateChange
from stream.sources.base import EncodedPacket, Picture, StreamInfo
from stream.sources.pyav import PyAvOptions, PyAvSource
from stream.timing import STAMP_DIGITS, StreamClock

log = logging.getLogger(__name__)

EPOCH_S = 1_000_000_000.0
"""The UTC time at which every video begins, so that nothing depends on the day of the replay."""


class VideoClock(SystemClock):
    """Real, but for the time of day."""

    def time(self) -> float:
        return EPOCH_S


class _Reader(Protocol):
    def run(self) -> None: ...

    def stop(self) -> None: ...


class VideoReading:
    """One video being read. `video.path` is where it lies; `stats` may be read while it goes on."""

    def __init__(self, video: Video, plan: Plan, frame_size: tuple[int, int], batcher: MicroBatcher) -> None:
        self.video = video
        self.stats = SessionStats(touched_s=time.monotonic())
        self.error: SourceError | None = None  # once `ended`
        self.size_bytes = 0  # of the file, once `ended`
        self.times_s: Sequence[float] = ()  # when each frame is shown, since the first one; from the first window on
        self._stopped = False
        self._reader: _Reader
        path = self._path = Path(video.path or "").resolve()  # a whole path is never taken for a device or a URL
        if isinstance(plan, WindowPlan):
            self._reader = CameraSession(
                SessionSettings(video.name, plan, frame_size, pace=Pace.MAX),
                lambda: PyAvSource(str(path), PyAvOptions(wanted_fps=plan.fps), camera=video.name),
                packets=PacketRing(0.0, 0),  # no clips are made
                batcher=batcher,
                report=self._hear,
                clock=VideoClock(),
                rng=random.Random(0),
                stats=self.stats,
            )
        else:
            source = PyAvSource(str(path), PyAvOptions(skip_unreferenced=False), camera=video.name)
            if isinstance(plan, RawSegments):
                self._reader = _SegmentReader(video.name, source, plan, frame_size, batcher, self.stats)
            else:
                frames = video.known_frame_count()
                self._reader = _CentredReader(video.name, source, frames, frame_size, batcher, self.stats)
        self._thread = threading.Thread(target=self._run, name=f"vigil-video-{video.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it will offer no more windows."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._stopped = True
        self._reader.stop()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self.times_s = frame_times(self._path, self._goes_on)
            self._reader.run()
            self.size_bytes = self._path.stat().st_size
        except SourceError as error:
            self.error = error
        except Exception as error:  # whatever goes wrong with one video must not end the others
            log.debug("reading failed", exc_info=True, extra={"camera": self.video.name})
            self.error = SourceError(f"{type(error).__name__} while reading: {error}", SourceFault.INVALID)

    def _goes_on(self) -> bool:
        self.stats.touched_s = time.monotonic()
        return not self._stopped

    def _hear(self, change: StateChange) -> None:
        self.error = change.error


class _RawReader(ABC):
    """Reads every frame of a file; windows are made by the numbers of frames, counted from 0."""

    def __init__(
        self,
        name: str,
        source: PyAvSource,
        frame_size: tuple[int, int],
        batcher: MicroBatcher,
        stats: SessionStats,
    ) -> None:
        self._name = name
        self._source = source
        self._size = frame_size
        self._batcher = batcher
        self._stats = stats
        self._times = StreamClock(live=False)
        self._times.interrupt("the file was opened")
        self._now_s = 0.0
        self._stopped = False

    def run(self) -> None:
        try:
            self._source.open()
            for item in self._source:
                if self._stopped:
                    return
                self._stats.touched_s = time.monotonic()
                if isinstance(item, EncodedPacket):
                    self._stats.packets += 1
                elif not isinstance(item, StreamInfo):
                    self._stats.pictures += 1
                    self._take(item, self._stats.pictures - 1)
            if not self._stopped:
                self._finish()
        finally:
            self._source.close()

    def stop(self) -> None:
        self._stopped = True
        self._source.close()

    @abstractmethod
    def _take(self, picture: Picture, number: int) -> None: ...

    @abstractmethod
    def _finish(self) -> None:
        """There are no more pictures."""

    def _time_s(self, picture: Picture) -> float:
        """Seconds since the video's first picture. A break in the stamps is no break for segments: one goes on."""
        stamp = self._times.push(picture.pts_s, time.monotonic(), EPOCH_S)
        if stamp is not None:
            self._now_s = round(stamp.time_s - EPOCH_S, STAMP_DIGITS)
        return self._now_s

    def _frame(self, number: int, picture: Picture, time_s: float) -> Frame:
        width, height = self._size
        image = np.empty((height, width, 3), np.uint8)
        picture.write_rgb(image)
        image.flags.writeable = False
        return Frame(self._name, 0, number, time_s, EPOCH_S + time_s, time.monotonic(), image)


class _SegmentReader(_RawReader):
    """Consecutive segments of raw frames. A segment's pictures are known when it is complete; until then the decoded
    frames are held, of which only the chosen ones are converted."""

    def __init__(
        self,
        name: str,
        source: PyAvSource,
        plan: RawSegments,
        frame_size: tuple[int, int],
        batcher: MicroBatcher,
        stats: SessionStats,
    ) -> None:
        super().__init__(name, source, frame_size, batcher, stats)
        self._plan = plan
        self._held: list[Picture] = []

    def _take(self, picture: Picture, number: int) -> None:
        self._held.append(picture)
        if len(self._held) == self._plan.frames:
            self._offer(number + 1)

    def _finish(self) -> None:
        if self._held:
            self._offer(self._stats.pictures)

    def _offer(self, end: int) -> None:
        held, self._held = self._held, []
        start = end - len(held)
        chosen = set(segment_pictures(start, end).tolist())
        times_s = [self._time_s(picture) for picture in held]
        frames = tuple(
            self._frame(start + at, picture, times_s[at]) for at, picture in enumerate(held) if start + at in chosen
        )
        length_s = round(times_s[-1] - times_s[0], STAMP_DIGITS)
        self._batcher.offer(Window(self._name, 0, start // self._plan.frames, frames, length_s), Overflow.BLOCK)


class _CentredReader(_RawReader):
    """Windows around centres in a video of known length, so that each picture's windows are known when it comes."""

    def __init__(
        self,
        name: str,
        source: PyAvSource,
        frame_count: int,
        frame_size: tuple[int, int],
        batcher: MicroBatcher,
        stats: SessionStats,
    ) -> None:
        super().__init__(name, source, frame_size, batcher, stats)
        windows = offline_windows(frame_count).tolist()
        self._windows = deque(enumerate(windows))
        self._wanted = {number for numbers in windows for number in numbers}
        self._frames: dict[int, Frame] = {}  # that coming windows show

    def _take(self, picture: Picture, number: int) -> None:
        time_s = self._time_s(picture)
        if number in self._wanted:
            self._frames[number] = self._frame(number, picture, time_s)
        while self._windows and self._windows[0][1][-1] <= number:
            self._offer()

    def _finish(self) -> None:
        while self._windows and self._frames:
            self._offer()

    def _offer(self) -> None:
        index, numbers = self._windows.popleft()
        frames = tuple(self._frames[number] for number in numbers if number in self._frames)
        if frames:  # none are there where the file ends earlier than was said
            length_s = round(frames[-1].pts_s - frames[0].pts_s, STAMP_DIGITS)
            self._batcher.offer(Window(self._name, 0, index, frames, length_s), Overflow.BLOCK)
        first = self._windows[0][1][0] if self._windows else math.inf
        self._frames = {number: frame for number, frame in self._frames.items() if number >= first}
