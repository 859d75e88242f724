"""The values that flow from a camera to an alert. Knows nothing about where they come from.

Times: `pts_s` is the stream's own time in seconds since its segment began; `time_s` is UTC seconds
since the Unix epoch; `arrival_s` is the process's monotonic clock. See docs/time.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # [H, W, 3] RGB
Vector = NDArray[np.float32]  # [D]


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture on its camera's sampling grid.

    `image` is [H, W, 3] uint8 RGB at the scorer's size, squashed to it whatever the camera's aspect;
    it is a read-only view that is valid until its window is released. (camera, segment, slot) names
    the frame for ever, so work done on it can be shared between windows.
    """

    camera: str
    segment: int
    slot: int
    pts_s: float
    time_s: float
    arrival_s: float
    image: Image


class Tier(StrEnum):
    """How closely a camera is being watched."""

    FULL = "full"
    IDLE = "idle"  # nothing moves: key frames only, scored at the floor rate


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Window:
    """The frames of the last `length_s` seconds of one camera, oldest first: at least one, all of one segment.

    `index` counts strides since the segment began. Whoever takes a window calls `release` exactly once
    when its pixels are no longer needed.
    """

    camera: str
    segment: int
    index: int
    frames: tuple[Frame, ...]
    length_s: float
    tier: Tier = Tier.FULL
    release: Callable[[], None] = field(default=_nothing, repr=False, compare=False)

    @property
    def end(self) -> Frame:
        """The newest frame: the window's end in every clock."""
        return self.frames[-1]

    def copy(self) -> Window:
        """The same window with pixels of its own: for whoever needs it for longer than the camera can wait."""
        frames = tuple(replace(frame, image=frame.image.copy()) for frame in self.frames)
        return replace(self, frames=frames, release=_nothing)


@dataclass(frozen=True, slots=True)
class Definition:
    """What counts as abnormal, in a user's words.

    `name` is what alerts call it. Without a `text` it is the usual crimes, accidents and dangers; `ignore` says what
    never counts.
    """

    name: str = "default"
    text: str | None = None
    ignore: str | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in fractions of the picture's width and height: 0 <= x1 < x2 <= 1, and so for y."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a scorer says of one window.

    `score` is in [0, 1], or None for unknown, and then `reason` says why: unknown is never "normal".
    `worst` is the index in the window's frames of the one that speaks most for the score. `vector` is what the
    window looks like, to be compared with sentences. A camera may have several definitions: the judgement is by
    the first one, and `further` holds those by the others, by their names.
    """

    score: float | None
    text: str | None = None
    vector: Vector | None = None
    boxes: tuple[Box, ...] = ()
    worst: int = -1
    reason: str = ""
    further: Mapping[str, Judgement] = field(default_factory=dict)

    @classmethod
    def unknown(cls, reason: str) -> Judgement:
        return cls(score=None, reason=reason)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Who judged: goes into every alert, so that a result can be traced to what made it."""

    scorer: str
    name: str
    prompt_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """A camera's score at a window's end.

    `score` is the smoothed one that the alert policy sees, None until the first known judgement;
    `raw` and `cleaned` are this window's own, None when unknown. `held` marks a point that repeats the
    last value because its judgement is unknown. `length_s` is how far back from `time_s` its window looks.
    Where cleaning looks ahead, `amended` is the point before in the light of this one.
    """

    camera: str
    segment: int
    index: int
    pts_s: float
    time_s: float
    raw: float | None
    cleaned: float | None
    score: float | None
    held: bool
    text: str | None = None
    boxes: tuple[Box, ...] = ()
    reason: str = ""
    length_s: float = 0.0
    amended: ScorePoint | None = None
