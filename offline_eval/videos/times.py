"""Which frame of its file each decoded picture is, and when the clock of a watched file shows it. Knows no scorer.

Annotations count frames, live time is in seconds, files keep no constant rate, and not every frame of a file can be
decoded: this is where one becomes the other.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import av

from engine.errors import SourceError, SourceFault
from stream.sources.base import seconds
from stream.timing import STAMP_DIGITS, StreamClock

EPOCH_S = 1_000_000_000.0
"""The UTC time at which every video begins, so that nothing depends on the day of the replay."""

_TOLERANCE_S = 2 * 10**-STAMP_DIGITS  # as times are rounded
_SAME_S = 1e-6  # two ways to compute one stamp


def frame_stamps(path: Path, go_on: Callable[[], bool] = lambda: True) -> list[float]:
    """Each frame's own stamp, seconds, in the order shown: from packets, so quickly. `go_on` is asked at each packet.

    Where some have none, all are NaN. Raises SourceError for a file that can't be read.
    """
    stamps: list[float] = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                if not go_on():
                    break
                ticks = packet.pts if packet.pts is not None else packet.dts
                if packet.size:
                    stamps.append(
                        math.nan if ticks is None or stream.time_base is None else seconds(ticks, stream.time_base)
                    )
    except (av.FFmpegError, OSError, IndexError) as error:
        raise SourceError(f"{path.name} cannot be opened ({type(error).__name__})", SourceFault.INVALID) from error
    if any(map(math.isnan, stamps)):  # all there is to go by is their order
        return [math.nan] * len(stamps)
    return sorted(stamps)


class Place(NamedTuple):
    """`frame` counts from 0 in the file, `time_s` from the first picture."""

    frame: int
    time_s: float


class PictureTimes:
    """Where each decoded picture of a file lies. Told of every one, in the order of decoding, and of every break.

    The time is that of the session which watches the file: the same clock over the same pictures. The frame is the one
    that has the picture's own stamp, so that pictures which can't be decoded shift nothing.
    """

    def __init__(self) -> None:
        self.stamps: Sequence[float] = ()  # of `frame_stamps`
        self.newest = Place(-1, 0.0)
        self._clock = StreamClock(live=False)
        self._frames, self._times_s = array("q"), array("d")

    def interrupt(self, why: str) -> None:
        self._clock.interrupt(why)

    def push(self, raw_s: float | None, *, sparse: bool = False) -> None:
        frame, time_s = self.newest
        stamp = self._clock.push(raw_s, 0.0, EPOCH_S, sparse=sparse)
        frame = self._frame_of(raw_s, frame)
        if stamp is None:  # too late to be shown
            self.newest = Place(frame, time_s)
            return
        time_s = round(stamp.time_s - EPOCH_S, STAMP_DIGITS)
        self.newest = Place(frame, time_s)
        self._frames.append(frame)
        self._times_s.append(time_s)

    def frame_at(self, time_s: float) -> int:
        """The frame that was shown at a time, of those decoded."""
        at = bisect_right(self._times_s, time_s + _TOLERANCE_S) - 1
        return self._frames[at] if at >= 0 else 0

    def _frame_of(self, raw_s: float | None, before: int) -> int:
        if raw_s is None or not self.stamps or math.isnan(self.stamps[0]):
            return before + 1
        return max(0, bisect_right(self.stamps, raw_s + _SAME_S) - 1)
