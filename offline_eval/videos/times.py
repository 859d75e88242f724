"""When each frame of a video file is shown, by the clock that a watched file goes by. Knows no scorer.

Annotations count frames, live time is in seconds, and files keep no constant rate: this is where one becomes the
other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import av

from engine.errors import SourceError, SourceFault
from stream.timing import STAMP_DIGITS, StreamClock

_TOLERANCE_S = 2 * 10**-STAMP_DIGITS  # as stamps are rounded


def frame_times(path: Path, go_on: Callable[[], bool] = lambda: True) -> list[float]:
    """Seconds after the first frame, in the order shown: from packets, so quickly. `go_on` is asked at each packet.

    Raises SourceError for a file that can't be read.
    """
    stamps: list[float | None] = []
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                if not go_on():
                    break
                ticks = packet.pts if packet.pts is not None else packet.dts
                if packet.size:
                    stamps.append(
                        None if ticks is None or stream.time_base is None else float(ticks * stream.time_base)
                    )
    except (av.FFmpegError, OSError, IndexError) as error:
        raise SourceError(f"{path.name} cannot be opened ({type(error).__name__})", SourceFault.INVALID) from error
    if None not in stamps:  # else all there is to go by is their order
        stamps.sort()
    return _by_clock(stamps)


def frame_at(times_s: Sequence[float], time_s: float) -> int:
    """The frame that is shown at a time, counted from 0."""
    return max(0, bisect_right(times_s, time_s + _TOLERANCE_S) - 1)


def _by_clock(stamps: Sequence[float | None]) -> list[float]:
    """What the clock of a file makes of stamps: it closes gaps."""
    clock = StreamClock(live=False)
    start_s, now_s = 1.0, 0.0  # a clock's zero is no time
    times_s = []
    for raw_s in stamps:
        stamp = clock.push(raw_s, 0.0, start_s)
        if stamp is not None:
            now_s = stamp.time_s - start_s
        times_s.append(now_s)
    return times_s
