"""Reads one video, on a thread of its own, into windows for a batcher: lossless, held back while the batcher is full.

Windows on the live grid are made by the very session that watches a camera. Knows no scorer and no store.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.batcher import MicroBatcher, Overflow
from engine.errors import SourceError, SourceFault
from engine.gate import IdleSettings
from engine.types import Frame, Window
from engine.windows import WindowPlan
from offline_eval.datasets.base import Video
from offline_eval.methods.corevad import segment_pictures
from offline_eval.videos.plan import Plan, RawSegments
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
        self._reader: _Reader
        path = self._path = Path(video.path or "").resolve()  # a whole path is never taken for a device or a URL
        if isinstance(plan, WindowPlan):
            self._reader = CameraSession(
                SessionSettings(video.name, plan, frame_size, IdleSettings(), Pace.MAX),
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
            self._reader = _SegmentReader(video.name, source, plan, frame_size, batcher, self.stats)
        self._thread = threading.Thread(target=self._run, name=f"vigil-video-{video.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it will offer no more windows."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._reader.stop()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._reader.run()
            self.size_bytes = self._path.stat().st_size
        except SourceError as error:
            self.error = error
        except Exception as error:  # whatever goes wrong with one video must not end the others
            log.debug("reading failed", exc_info=True, extra={"camera": self.video.name})
            self.error = SourceError(f"{type(error).__name__} while reading: {error}", SourceFault.INVALID)

    def _hear(self, change: StateChange) -> None:
        self.error = change.error


class _SegmentReader:
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
        self._name = name
        self._source = source
        self._plan = plan
        self._size = frame_size
        self._batcher = batcher
        self._stats = stats
        self._times = StreamClock(live=False)
        self._times.interrupt("the file was opened")
        self._held: list[Picture] = []
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
                    self._held.append(item)
                    if len(self._held) == self._plan.frames:
                        self._offer()
            if self._held and not self._stopped:
                self._offer()
        finally:
            self._source.close()

    def stop(self) -> None:
        self._stopped = True
        self._source.close()

    def _offer(self) -> None:
        held, self._held = self._held, []
        start = self._stats.pictures - len(held)
        chosen = set(segment_pictures(start, start + len(held)).tolist())
        times_s = [self._time_s(picture) for picture in held]
        frames = tuple(
            self._frame(start + at, picture, times_s[at]) for at, picture in enumerate(held) if start + at in chosen
        )
        index = start // self._plan.frames
        length_s = round(times_s[-1] - times_s[0], STAMP_DIGITS)
        self._batcher.offer(Window(self._name, 0, index, frames, length_s), Overflow.BLOCK)

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
