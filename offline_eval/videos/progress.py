"""How far a replay has come and how long it will still take, on a terminal or as plain lines. Knows no scorer."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bars

from offline_eval.datasets.base import Video

log = logging.getLogger(__name__)

RECENT_S = 180.0  # the pace of so long ago still counts: videos differ in what they cost
WORTH_SAYING_S = 5.0  # a pace measured over less says nothing
LINE_EVERY_S = 30.0


class Progress(Protocol):
    """Is told what happens, from one thread. Entered once, left once."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...

    def begin(self, videos: Sequence[Video], resumed: int) -> None:
        """These are to be replayed; `resumed` others were done before."""
        ...

    def reading(self, video: str, frames: int) -> None:
        """So many frames of a video have been read. Called often."""
        ...

    def finished(self, video: str) -> None: ...

    def failed(self, video: str, problem: str) -> None: ...


class Estimate:
    """How long the rest takes if it goes on as it went over the last minutes. Knows no clock."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()  # (now, frames read)

    def push(self, now_s: float, read: int) -> None:
        samples = self._samples
        if samples and now_s - samples[-1][0] < 1.0:
            return
        samples.append((now_s, read))
        while len(samples) > 2 and samples[1][0] <= now_s - RECENT_S:
            samples.popleft()

    def left_s(self, now_s: float, left: int) -> float | None:
        """For `left` frames; None while nothing can be said. It rises while nothing is read."""
        if not self._samples:
            return None
        (start_s, first), (_, newest) = self._samples[0], self._samples[-1]
        if now_s - start_s < WORTH_SAYING_S or newest <= first:
            return None
        return left * (now_s - start_s) / (newest - first)


class Tally:
    """Frames and videos so far. What a failed video has left no longer counts as work to do."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._estimate = Estimate()
        self._lengths: dict[str, int] = {}
        self._read: dict[str, int] = {}
        self.videos = self.finished = self.failed = 0
        self.frames = self.read = 0  # in all, and of those read

    def begin(self, videos: Sequence[Video]) -> None:
        self._lengths = {video.name: video.frame_count or 0 for video in videos}
        self.videos, self.frames = len(videos), sum(self._lengths.values())
        self._estimate.push(self._monotonic(), 0)

    def reading(self, video: str, frames: int) -> None:
        frames = min(frames, self._lengths[video])
        self.read += frames - self._read.get(video, 0)
        self._read[video] = frames
        self._estimate.push(self._monotonic(), self.read)

    def end(self, video: str, *, failed: bool) -> None:
        self.failed += failed
        self.finished += not failed
        if failed:
            read, length = self.of(video)
            self.frames -= length - read
            self._lengths[video] = read
        self.reading(video, self._lengths[video])

    def of(self, video: str) -> tuple[int, int]:
        """Frames read and frames in all of one video."""
        return self._read.get(video, 0), self._lengths[video]

    def left(self) -> str:
        """In words."""
        left_s = self._estimate.left_s(self._monotonic(), self.frames - self.read)
        return "" if not left_s else f"about {in_words(left_s)} left"

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        share = 100 * self.read // max(1, self.frames)
        left = self.left()
        return f"{self.finished} of {self.videos} videos{failed}, {share} %" + (f", {left}" if left else "")


class PlainProgress:
    """A line in the log per finished video, and one now and then."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._tally = Tally(monotonic)
        self._told_s = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        pass

    def begin(self, videos: Sequence[Video], resumed: int) -> None:
        self._tally.begin(videos)
        log.info("%s", _opening(len(videos), resumed))

    def reading(self, video: str, frames: int) -> None:
        self._tally.reading(video, frames)
        if self._monotonic() - self._told_s >= LINE_EVERY_S:
            self._tell(str(self._tally))

    def finished(self, video: str) -> None:
        self._tally.end(video, failed=False)
        self._tell(f"{video} is finished: {self._tally}")

    def failed(self, video: str, problem: str) -> None:
        self._tally.end(video, failed=True)
        log.warning("%s failed: %s", video, problem)

    def _tell(self, line: str) -> None:
        self._told_s = self._monotonic()
        log.info("%s", line)


class BarProgress:
    """Bars at the foot of a terminal: one for all, one per video under way. The log goes on above them."""

    def __init__(self, stream: TextIO) -> None:
        self._tally = Tally(time.monotonic)
        self._stream = stream
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=Console(file=stream),
            refresh_per_second=4,
        )
        self._tasks: dict[str, TaskID] = {}
        self._shown = ExitStack()

    def __enter__(self) -> Self:
        self._shown.enter_context(_log_above(self._bars, self._stream))
        self._shown.enter_context(self._bars)
        return self

    def __exit__(self, *failure: object) -> None:
        self._shown.close()

    def begin(self, videos: Sequence[Video], resumed: int) -> None:
        self._tally.begin(videos)
        log.info("%s", _opening(len(videos), resumed))
        self._all = self._bars.add_task("", total=self._tally.frames, left="")
        self._show()

    def reading(self, video: str, frames: int) -> None:
        self._tally.reading(video, frames)
        read, length = self._tally.of(video)
        if video not in self._tasks:
            self._tasks[video] = self._bars.add_task(f"  {video[:40]}", total=length, left="")
        self._bars.update(self._tasks[video], completed=read)
        self._show()

    def finished(self, video: str) -> None:
        self._end(video, failed=False)

    def failed(self, video: str, problem: str) -> None:
        self._end(video, failed=True)
        log.warning("%s failed: %s", video, problem)

    def _end(self, video: str, *, failed: bool) -> None:
        self._tally.end(video, failed=failed)
        if task := self._tasks.pop(video, None):
            self._bars.remove_task(task)
        self._show()

    def _show(self) -> None:
        tally = self._tally
        text = f"{tally.finished} of {tally.videos} videos" + (f", {tally.failed} failed" if tally.failed else "")
        self._bars.update(self._all, description=text, completed=tally.read, total=tally.frames, left=tally.left())


def progress_on(stream: TextIO) -> Progress:
    """Bars where there is a terminal to draw them on."""
    return BarProgress(stream) if stream.isatty() else PlainProgress()


def in_words(seconds: float) -> str:
    """Two units at most, rounded as an estimate should be."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(1, round(seconds / 5) * 5)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _opening(videos: int, resumed: int) -> str:
    return f"{videos} videos to replay" + (f", {resumed} were done before" if resumed else "")


@contextmanager
def _log_above(bars: Bars, stream: TextIO) -> Iterator[None]:
    """Have log lines printed by the bars' console, so that they do not tear the bars."""
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)]
    ours = [handler for handler in handlers if handler.stream is stream]
    for handler in ours:
        handler.setStream(_Console(bars.console))
    try:
        yield
    finally:
        for handler in ours:
            handler.setStream(stream)


class _Console:
    """The console as a stream for a log handler."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> None:
        self._console.out(text, end="", highlight=False)

    def flush(self) -> None:
        pass
