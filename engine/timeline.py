"""A camera's causal state between judgement and score point. Knows no pixels, thresholds or clocks.

Pure and synchronous: the same judgements give the same points, live and in replay.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from engine.cleaning import Cleaner
from engine.errors import RuntimeFault
from engine.smoothing import Smoother
from engine.types import Judgement, ScorePoint, Window


@dataclass(frozen=True, slots=True)
class WindowMeta:
    """What is left of a window when its pixels are released: whose it was and where it ended."""

    camera: str
    segment: int
    index: int
    pts_s: float
    time_s: float
    length_s: float

    @classmethod
    def of(cls, window: Window) -> Self:
        end = window.end
        return cls(window.camera, window.segment, window.index, end.pts_s, end.time_s, window.length_s)


class _Newest(NamedTuple):
    window: WindowMeta
    raw: float | None
    smoother: Smoother  # as it was before this window


class CameraTimeline:
    """Cleans and smooths one camera's judgements, in order, and remembers the last `history` points, one at least.

    Where the cleaner amends what it said of the window before, smoothing goes back to before that window: that point
    and the new one come out as if the amended judgement had been there at once. Until then its point was provisional.

    When nothing was known for `reset_after_s`, because the camera, the scorer or the network was out, cleaning
    and smoothing begin anew: a score from before says nothing about now. The same holds when time has run
    back, which a new segment may do after the machine's clock was set. After less, a new segment or windows that were
    dropped, both go on, and the cleaner is told that the next window has no neighbour.
    """

    def __init__(
        self, camera: str, cleaner: Cleaner, smoother: Smoother, history: int, *, reset_after_s: float = 60.0
    ) -> None:
        self.camera = camera
        self._cleaner = cleaner
        self._smoother = smoother
        self._reset_after_s = reset_after_s
        self._points: deque[ScorePoint] = deque(maxlen=history)
        self._newest: _Newest | None = None
        self._known_s = math.inf  # of the newest known judgement; infinite: none yet

    def push(self, window: WindowMeta, judgement: Judgement) -> ScorePoint:
        """The score at the window's end. Raises RuntimeFault, and changes nothing, for a window out of order.

        A window's place is its segment and stream time: both a repeated and a late one are out of order.
        """
        judgement = _sound(judgement)
        self._enter(window)
        now, revised = self._cleaner.push(judgement)
        amended = None
        if revised is not None and self._newest is not None:
            self._smoother = self._newest.smoother
            amended = self._point(self._newest.window, self._newest.raw, revised)
            self._points[-1] = amended
        self._newest = _Newest(window, judgement.score, self._smoother.copy())
        point = self._point(window, judgement.score, now)
        self._points.append(point)
        if now.score is not None:
            self._known_s = window.time_s
        return replace(point, amended=amended)

    @property
    def history(self) -> Sequence[ScorePoint]:
        """The newest points, oldest first: each as amended, where it was."""
        return tuple(self._points)

    def _enter(self, window: WindowMeta) -> None:
        before = None if self._newest is None else self._newest.window
        if window.camera != self.camera:
            raise RuntimeFault(f"{self.camera}: was given a window of camera {window.camera}")
        if before is not None and (window.segment, window.pts_s) <= (before.segment, before.pts_s):
            raise RuntimeFault(
                f"{self.camera}: window at {_name(window)} came after the one at {_name(before)}",
                advice="give each camera's windows once and in order",
            )
        back = before is not None and window.time_s < before.time_s
        if back or window.time_s - self._known_s >= self._reset_after_s:
            self._cleaner.reset()
            self._smoother.reset()
        elif before is not None and (window.segment, window.index) != (before.segment, before.index + 1):
            self._cleaner.skip()

    def _point(self, window: WindowMeta, raw: float | None, cleaned: Judgement) -> ScorePoint:
        """The window's point. Smoothing moves on."""
        score = self._smoother.push(window.time_s, cleaned.score)
        return ScorePoint(
            camera=window.camera,
            segment=window.segment,
            index=window.index,
            pts_s=window.pts_s,
            time_s=window.time_s,
            raw=raw,
            cleaned=cleaned.score,
            score=score,
            held=cleaned.score is None and score is not None,
            text=cleaned.text,
            boxes=cleaned.boxes,
            reason=cleaned.reason,
            length_s=window.length_s,
        )


def _name(window: WindowMeta) -> str:
    return f"{window.pts_s:.3f} s of segment {window.segment}"


def _sound(judgement: Judgement) -> Judgement:
    """The judgement, or unknown when its score is no number in [0, 1]; without its vector when that has no direction.

    The scoring worker refuses such answers already; this is the one guard for judgements that come another
    way, and nothing after it checks again.
    """
    score, vector = judgement.score, judgement.vector
    if not (score is None or 0 <= score <= 1):  # false for NaN
        return Judgement.unknown(f"score {score} is outside 0 to 1")
    if vector is not None and not (np.isfinite(vector).all() and vector.any()):
        return replace(judgement, vector=None)
    return judgement
