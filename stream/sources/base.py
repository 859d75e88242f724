"""The seam between cameras and the rest: what a source yields and how it is opened and closed.

A source knows its protocol and nothing else: not the sampling grid, the ring, the wall clock, or
reconnecting. It is one attempt: opened once, iterated once, closed once, all from one thread, except
`close`, which any thread may call to make a blocked `open` or iteration give up soon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from engine.types import Image


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream is, as found after opening, or after it changed in mid-stream.

    `header` describes the codec well enough to remux packets without the source (`stream.remux`).
    `announced_fps` is what the stream claims; it is for display only and never used for time.
    """

    codec: str
    width: int
    height: int
    time_base: Fraction
    header: bytes
    announced_fps: float | None = None
    decoder: str = ""  # e.g. "h264 (software)", "h264 (cuda)"


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One encoded video packet, as the camera sent it; times are in the stream's time base."""

    data: bytes
    pts: int | None
    dts: int | None
    duration: int
    is_key: bool


def seconds(ticks: int, time_base: Fraction) -> float:
    """The same as `float(ticks * time_base)`, without the fraction in between, which takes ten times as long."""
    return ticks * time_base.numerator / time_base.denominator


class Picture(Protocol):
    """One decoded picture whose pixels are converted only when asked for."""

    @property
    def pts_s(self) -> float | None:
        """Presentation time as the stream says it, seconds; None when it says nothing."""
        ...

    @property
    def is_key(self) -> bool: ...

    def write_rgb(self, out: Image) -> None:
        """Scale to `out`'s [H, W, 3] (squashing) and write RGB uint8 into it."""
        ...


# A StreamInfo opens each stretch of one codec and resolution; a packet precedes the pictures decoded from it.
Item = StreamInfo | EncodedPacket | Picture


class Source(Protocol):
    """One attempt at one camera or file."""

    live: bool
    """True when frames come at their own pace; False when the reader must pace or drain them."""

    keyframes_only: bool
    """Set by the reader between items: decode key frames only, where the source can. Packets still flow."""

    dropped: Counter[str]
    """Pictures that came and are not handed out, by reason. The reader may put its own there before it opens."""

    def open(self) -> StreamInfo:
        """Connect. Raises SourceError within the open timeout."""
        ...

    def __iter__(self) -> Iterator[Item]:
        """Yield until the stream ends. Raises SourceError, STALLED when silent for the read timeout.

        Plain exhaustion means a file is over; a live source raises SourceError(ENDED) instead.
        """
        ...

    def close(self) -> None:
        """Give everything back. Safe to call twice.

        From another thread it only asks the owner to give up soon, and never blocks.
        """
        ...
