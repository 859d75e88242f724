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
from collections.abc import Iterator
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
from offline_eval.videos.times import EPOCH_S, PictureTimes, frame_stamps
from stream.clock import SystemClock
from stream.rings import PacketRing
from stream.session import CameraSession, Pace, SessionSettings, SessionStats, StateChange
from stream.sources.base import EncodedPacket, Item, Picture, StreamInfo
from stream.sources.pyav import PyAvOptions, PyAvSource
from stream.timing import STAMP_DIGITS

log = logging.getLogger(__name__)


class VideoClock(SystemClock):
    """Real, but for the time of day."""

    def time(self) -> float:
        return EPOCH_S


class _VideoSource(PyAvSource):
    """Tells `times` of each picture right before whoever reads it sees it."""

    def __init__(self, path: Path, options: PyAvOptions, name: str, times: PictureTimes) -> None:
        super().__init__(str(path), options, camera=name)
        self._times = times

    def __iter__(self) -> Iterator[Item]:
        for item in super().__iter__():
            if isinstance(item, StreamInfo):
                self._times.interrupt("codec or resolution changed")
            elif not isinstance(item, EncodedPacket):
                self._times.push(item.pts_s, sparse=self.keyframes_only)
            yield item


class _Reader(Protocol):
    def run(self) -> None: ...

    def stop(self) -> None: ...


class VideoReading:
    """One video being read. `video.path` is where it lies; `stats` may be read while it goes on.

    With `exact` its pictures are scaled as those that models were trained with.
    """

    def __init__(
        self, video: Video, plan: Plan, frame_size: tuple[int, int], batcher: MicroBatcher, *, exact: bool = False
    ) -> None:
        self.video = video
        self.stats = SessionStats(touched_s=time.monotonic())
        self.error: SourceError | None = None  # once `ended`
        self.size_bytes = 0  # of the file, once `ended`
        self.frames = 0  # of the file, decoded or not; from the first window on
        self.undecoded = 0  # of those, the ones that the decoder refused; once `ended`
        self.times = PictureTimes()
        self._stopped = False
        self._reader: _Reader
        path = self._path = Path(video.path or "").resolve()  # a whole path is never taken for a device or a URL
        if isinstance(plan, WindowPlan):
            source = _VideoSource(path, PyAvOptions(wanted_fps=plan.fps, exact=exact), video.name, self.times)
            self._reader = CameraSession(
                SessionSettings(video.name, plan, frame_size, pace=Pace.MAX),
                lambda: source,
                packets=PacketRing(0.0, 0),  # no clips are made
                batcher=batcher,
                report=self._hear,
                clock=VideoClock(),
                rng=random.Random(0),
                stats=self.stats,
            )
        else:
            source = _VideoSource(path, PyAvOptions(skip_unreferenced=False, exact=exact), video.name, self.times)
            if isinstance(plan, RawSegments):
                self._reader = _SegmentReader(source, self.times, plan, video.name, frame_size, batcher, self.stats)
            else:
                self._reader = _CentredReader(
                    source, self.times, video.known_frame_count(), video.name, frame_size, batcher, self.stats
                )
        self._source = source
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
            self.times.stamps = frame_stamps(self._path, self._goes_on)
            self.frames = len(self.times.stamps)
            self._reader.run()
            if self.error is None and not self._stopped:
                self.undecoded = self._source.corrupt_packets
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
    """Reads every frame of a file; windows are made by the numbers of its frames, counted from 0."""

    def __init__(
        self,
        source: PyAvSource,
        times: PictureTimes,
        name: str,
        frame_size: tuple[int, int],
        batcher: MicroBatcher,
        stats: SessionStats,
    ) -> None:
        self._source = source
        self._times = times  # as the source tells it
        self._name = name
        self._size = frame_size
        self._batcher = batcher
        self._stats = stats
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
                    self._take(item, *self._times.newest)
            if not self._stopped:
                self._finish()
        finally:
            self._source.close()

    def stop(self) -> None:
        self._stopped = True
        self._source.close()

    @abstractmethod
    def _take(self, picture: Picture, number: int, time_s: float) -> None: ...

    @abstractmethod
    def _finish(self) -> None:
        """There are no more pictures."""

    def _frame(self, number: int, picture: Picture, time_s: float) -> Frame:
        width, height = self._size
        image = np.empty((height, width, 3), np.uint8)
        picture.write_rgb(image)
        image.flags.writeable = False
        return Frame(self._name, 0, number, time_s, EPOCH_S + time_s, time.monotonic(), image)


class _SegmentReader(_RawReader):
    """Consecutive segments of raw frames. A segment's pictures are known when it is complete; until then the decoded
    frames are held, of which only the chosen ones are converted. One of which no chosen frame could be decoded is left
    out. A break in the stamps is no break for segments: one goes on."""

    def __init__(
        self,
        source: PyAvSource,
        times: PictureTimes,
        plan: RawSegments,
        name: str,
        frame_size: tuple[int, int],
        batcher: MicroBatcher,
        stats: SessionStats,
    ) -> None:
        super().__init__(source, times, name, frame_size, batcher, stats)
        self._plan = plan
        self._index = 0
        self._held: list[tuple[int, Picture, float]] = []  # of the segment `index`

    def _take(self, picture: Picture, number: int, time_s: float) -> None:
        index = number // self._plan.frames
        if index > self._index:  # the last ones of the segment before could not be decoded
            self._offer()
            self._index = index
        self._held.append((number, picture, time_s))
        if number == self._end - 1:
            self._offer()

    def _finish(self) -> None:
        self._offer()

    @property
    def _end(self) -> int:
        return min((self._index + 1) * self._plan.frames, len(self._times.stamps))

    def _offer(self) -> None:
        held, self._held = self._held, []
        chosen = set(segment_pictures(self._index * self._plan.frames, self._end).tolist())
        frames = tuple(self._frame(*each) for each in held if each[0] in chosen)
        if frames:
            length_s = round(held[-1][2] - held[0][2], STAMP_DIGITS)
            self._batcher.offer(Window(self._name, 0, self._index, frames, length_s), Overflow.BLOCK)


class _CentredReader(_RawReader):
    """Windows around centres in a video of known length, so that each picture's windows are known when it comes."""

    def __init__(
        self,
        source: PyAvSource,
        times: PictureTimes,
        frame_count: int,
        name: str,
        frame_size: tuple[int, int],
        batcher: MicroBatcher,
        stats: SessionStats,
    ) -> None:
        super().__init__(source, times, name, frame_size, batcher, stats)
        windows = offline_windows(frame_count).tolist()
        self._windows = deque(enumerate(windows))
        self._wanted = {number for numbers in windows for number in numbers}
        self._frames: dict[int, Frame] = {}  # that coming windows show

    def _take(self, picture: Picture, number: int, time_s: float) -> None:
        while self._windows and self._windows[0][1][-1] < number:  # whose last frames could not be decoded
            self._offer()
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
        if frames:  # none are there where the file ends earlier than was said, or could not be decoded
            length_s = round(frames[-1].pts_s - frames[0].pts_s, STAMP_DIGITS)
            self._batcher.offer(Window(self._name, 0, index, frames, length_s), Overflow.BLOCK)
        first = self._windows[0][1][0] if self._windows else math.inf
        self._frames = {number: frame for number, frame in self._frames.items() if number >= first}
