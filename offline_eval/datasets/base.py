"""What a benchmark's annotations say, whatever their format: videos, categories and abnormal spans.

Frames are counted from 0 and a span is half open, [start, end), whatever the protocol: `LabelEnds` says how
the written ends are meant. Knows nothing of scores, and opens no video.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from engine.errors import UsageError

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts"})


class LabelEnds(StrEnum):
    """Whether the last number of a label is the first normal frame again, or the last abnormal one."""

    EXCLUSIVE = "exclusive"  # VERA, CoReVAD
    INCLUSIVE = "inclusive"  # LAVAD, URF


class Span(NamedTuple):
    """Abnormal frames: `start` is the first, `end` the first after."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Video:
    """One annotated video.

    `spans` are in frames, in order, and never touch: one span is one event. Where the annotations give
    fractions of the length instead, `spans` is empty until `measured` knows the frame count. `categories` has
    one or more names when the video is anomalous (a video may show several kinds) and none when it is normal.
    """

    name: str  # the file's name without folder and suffix: what responses and videos are matched by
    categories: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    path: str | None = None  # as annotated; where the file really is once matched with a folder
    frame_count: int | None = None
    fractions: tuple[tuple[float, float], ...] = ()
    ends: LabelEnds = LabelEnds.EXCLUSIVE  # how `fractions` are meant

    @property
    def normal(self) -> bool:
        return not self.categories

    def known_frame_count(self) -> int:
        if self.frame_count is None:
            raise UsageError(
                f"{self.name}: its frame count is unknown",
                advice="give the folder with the videos, or annotations with lengths",
            )
        return self.frame_count

    def measured(self, frame_count: int) -> Video:
        """The video at its true length: fractions become frames, and spans are cut at its end.

        Published spans run past the end by a few frames here and there. A span wholly past it disappears.
        """
        last = frame_count - 1
        marks = [(min(round(start * frame_count), last), round(end * frame_count)) for start, end in self.fractions]
        spans = [Span(start, max(to_span(start, end, self.ends).end, start + 1)) for start, end in marks] or self.spans
        cut = [Span(start, min(end, frame_count)) for start, end in spans if start < frame_count]
        return replace(self, frame_count=frame_count, spans=joined(cut), fractions=())


@dataclass(frozen=True, slots=True)
class Dataset:
    """A benchmark's test videos.

    `fps` is the frame rate its authors publish. It turns frames into seconds and hours in the figures, so that
    figures do not depend on how somebody's copy was encoded; it is never used to read a video.
    """

    name: str
    fps: float
    entries: tuple[Video, ...]

    def videos(self) -> Iterator[Video]:
        return iter(self.entries)


Reader = Callable[[Path, LabelEnds], Dataset]
"""One data set's file: reads annotations, or raises ConfigError with all their problems."""


def to_span(start: int, end: int, ends: LabelEnds) -> Span:
    return Span(start, end + 1 if ends is LabelEnds.INCLUSIVE else end)


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """In order, with those that overlap or touch made one: an event is a maximal stretch of abnormal frames."""
    result: list[Span] = []
    for span in sorted(spans):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return tuple(result)


def video_name(path: str) -> str:
    """A video's name from a path or file name. Only a video suffix is cut off, since names contain dots.

    Composed Unicode, because file systems differ in how they write accents.
    """
    name = unicodedata.normalize("NFC", path.replace("\\", "/").rsplit("/", 1)[-1])
    stem, dot, suffix = name.rpartition(".")
    return stem if dot + suffix.lower() in VIDEO_SUFFIXES else name
