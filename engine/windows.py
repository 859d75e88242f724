"""Which frames a camera samples and which of them make a window. Pure arithmetic on stream time.

One fixed grid per camera: slot n is the stretch [n, n+1) / fps of a segment's time, and the first picture
in a slot stands for it. A window holds `frames` slots, `step` apart; windows end `stride` slots apart. Slots
that no window needs are never converted, and overlapping windows share the frames of the slots they share.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from engine.errors import UsageError
from engine.types import Frame, Tier, Window

# Time stamps carried over RTP are rounded to its clock and can fall just short of a slot's edge.
EDGE_TOLERANCE_S = 0.002


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """The sampling grid and the windows on it: by default 8 frames of the last second, every second.

    `length_s` and `stride_s` are rounded to the grid: `step` slots between a window's frames, `stride`
    slots between windows.
    """

    fps: float = 8.0
    length_s: float = 1.0
    stride_s: float = 1.0
    frames: int = 8

    def __post_init__(self) -> None:
        if not (self.fps > 0 and self.length_s > 0 and self.stride_s > 0 and self.frames >= 1):
            raise UsageError("a window needs fps, length, stride and frames above zero")
        if self.frames > round(self.fps * self.length_s):
            raise UsageError(
                f"a window of {self.length_s:g} s at {self.fps:g} frames per second holds "
                f"{round(self.fps * self.length_s)} frames, not {self.frames}",
                advice="raise fps or length, or ask for fewer frames",
            )

    @property
    def step(self) -> int:
        return max(1, round(self.length_s * self.fps / self.frames))

    @property
    def stride(self) -> int:
        return max(1, round(self.stride_s * self.fps))

    @property
    def first_end(self) -> int:
        """The slot at which the first full window of a segment ends."""
        return (self.frames - 1) * self.step

    @property
    def kept(self) -> int:
        """Sampled frames that may still be needed by a coming window."""
        return self.first_end // math.gcd(self.step, self.stride) + 1

    def slot(self, pts_s: float) -> int:
        return math.floor((pts_s + EDGE_TOLERANCE_S) * self.fps)

    def wants(self, slot: int) -> bool:
        """Whether some window looks at this slot."""
        return slot % math.gcd(self.step, self.stride) == 0


class Windower:
    """Turns one camera's sampled frames, in order, into windows. Holds frames, not pixels of its own.

    A slot without a picture (a slow camera, a lost packet) is filled by the newest frame since the slot
    before it, else left out: a window then has fewer frames. A window without a new frame is not made, and
    none spans a change of segment.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self.plan = plan
        self._frames: deque[Frame] = deque(maxlen=plan.kept)
        self._segment: int | None = None
        self._next = 0  # index of the next window
        self._last_slot = -1  # newest slot that has been in a window

    def push(self, frame: Frame) -> list[Window]:
        """The windows that this frame completes: none or one; two when it also shows that the last end is missing."""
        plan = self.plan
        self._enter(frame.segment)
        due = []
        if frame.slot > self._end(self._next):  # the end slot stayed empty
            missed = (frame.slot - 1 - plan.first_end) // plan.stride
            due += self._make(missed)
            self._next = missed + 1
        self._frames.append(frame)
        if frame.slot == self._end(self._next):
            due += self._make(self._next)
            self._next += 1
        return due

    def idle(self, frame: Frame, *, due: bool) -> list[Window]:
        """For a scene that is watched by key frames: when it is `due`, a window of this one frame that ends there."""
        self._enter(frame.segment)
        self._frames.append(frame)
        self._last_slot = frame.slot
        self._next = max(self._next, (frame.slot - self.plan.first_end) // self.plan.stride + 1)
        index, length_s = self._next - 1, self.plan.length_s
        return [Window(frame.camera, frame.segment, index, (frame,), length_s, Tier.IDLE)] if due else []

    def _enter(self, segment: int) -> None:
        if segment != self._segment:
            self._segment = segment
            self._frames.clear()
            self._next = 0
            self._last_slot = -1

    def _end(self, index: int) -> int:
        return self.plan.first_end + index * self.plan.stride

    def _make(self, index: int) -> list[Window]:
        end, step = self._end(index), self.plan.step
        chosen: list[Frame] = []
        upper = end - self.plan.first_end
        for frame in self._frames:
            if frame.slot > end:
                break
            while frame.slot > upper:
                upper += step
            if frame.slot <= upper - step:
                continue  # older than the window
            if chosen and chosen[-1].slot > upper - step:
                chosen[-1] = frame  # a newer frame for the same place
            else:
                chosen.append(frame)
        if not chosen or chosen[-1].slot <= self._last_slot:
            return []
        self._last_slot = chosen[-1].slot
        newest = chosen[-1]
        return [Window(newest.camera, newest.segment, index, tuple(chosen), self.plan.length_s)]
