"""What is replayed: which windows of a video, and which videos on which machine. Opens no file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from engine.errors import UsageError
from engine.windows import WindowPlan
from offline_eval.datasets.base import Video
from offline_eval.methods.corevad import SEGMENT_FRAMES, SEGMENT_PICTURES


@dataclass(frozen=True, slots=True)
class RawSegments:
    """For parity with CoReVAD: consecutive segments of raw frames whatever the frame rate, with pictures spread over
    each, its first and last frame among them; all of its frames where there are no more."""

    frames: int = SEGMENT_FRAMES
    pictures: int = SEGMENT_PICTURES


@dataclass(frozen=True, slots=True)
class OfflineCentredWindows:
    """For parity with VERA: eight raw frames of the 300 around every 16th, whatever the frame rate. The second half
    of a window is its centre's future, and windows are cut at the video's end, which must be known: never live."""


Plan = WindowPlan | RawSegments | OfflineCentredWindows
"""The windows of a live camera, or those of a published method."""

_KINDS: dict[type[Plan], str] = {
    WindowPlan: "grid",
    RawSegments: "raw segments",
    OfflineCentredWindows: "around centres",
}


def plan_settings(plan: Plan) -> dict[str, str]:
    """What tells one plan from another, in words."""
    return {"window": _KINDS[type(plan)]} | {f"window.{name}": f"{value:g}" for name, value in asdict(plan).items()}


def are_published_segments(settings: Mapping[str, str]) -> bool:
    """Whether what was judged with these settings are the segments of `RawSegments`."""
    return plan_settings(RawSegments()).items() <= settings.items()


@dataclass(frozen=True, slots=True)
class Shard:
    """The `number`th of `count` machines, counted from 1."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError(f"shard {self.number}/{self.count} makes no sense", advice="such as 1/4 to 4/4")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From `i/n`. Raises UsageError."""
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if found is None:
            raise UsageError(f"shard {text!r} is no i/n", advice="such as 1/4 to 4/4")
        return cls(int(found[1]), int(found[2]))

    @property
    def name(self) -> str:
        """For a file's name; empty for the only shard."""
        return f"{self.number}-of-{self.count}" if self.count > 1 else ""

    def of(self, videos: Iterable[Video]) -> list[Video]:
        """This shard's videos, longest first: the same on every machine that is given the same videos in any order.

        Each video goes to the shard with the fewest frames so far, so that shards end at about the same time.
        """
        shards: list[list[Video]] = [[] for _ in range(self.count)]
        frames = [0] * self.count
        for video in sorted(videos, key=lambda each: (-(each.frame_count or 0), each.name)):
            least = frames.index(min(frames))
            shards[least].append(video)
            frames[least] += video.frame_count or 0
        return shards[self.number - 1]
