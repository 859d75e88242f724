"""A camera's causal state between judgement and score point. Knows no pixels, thresholds or clocks.

Pure and synchronous: the same judgements give the same points, live and in replay.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

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


class CameraTimeline:
    """Cleans and smooths one camera's judgements, in order, and remembers the last `history` points.

    When nothing was known for `reset_after_s`, because the camera, the scorer or the network was out, cleaning
    and smoothing begin anew: a score from before says nothing about now. The same holds when time has run
    back, which a new segment may do after the machine's clock was set.
    """

    def __init__(
        self, camera: str, cleaner: Cleaner, smoother: Smoother, history: int, *, reset_after_s: float = 60.0
    ) -> None:
        self.camera = camera
        self._cleaner = cleaner
        self._smoother = smoother
        self._reset_after_s = reset_after_s
        self._points: deque[ScorePoint] = deque(maxlen=history)
        self._place: tuple[int, float] | None = None  # (segment, pts_s) of the newest window
        self._time_s = -math.inf  # of the newest window
        self._known_s = math.inf  # of the newest known judgement; infinite: none yet

    def push(self, window: WindowMeta, judgement: Judgement) -> ScorePoint:
        """The score at the window's end. Raises RuntimeFault, and changes nothing, for a window out of order.

        A window's place is its segment and stream time: both a repeated and a late one are out of order.
        """
        judgement = _sound(judgement)
        self._enter(window)
        cleaned = self._cleaner.push(judgement)
        score = self._smoother.push(window.time_s, cleaned.score)
        if cleaned.score is not None:
            self._known_s = window.time_s
        point = ScorePoint(
            camera=window.camera,
            segment=window.segment,
            index=window.index,
            pts_s=window.pts_s,
            time_s=window.time_s,
            raw=judgement.score,
            cleaned=cleaned.score,
            score=score,
            held=cleaned.score is None and score is not None,
            text=cleaned.text,
            boxes=cleaned.boxes,
            reason=cleaned.reason,
            length_s=window.length_s,
        )
        self._points.append(point)
        return point

    @property
    def history(self) -> Sequence[ScorePoint]:
        """The newest points, oldest first."""
        return tuple(self._points)

    def _enter(self, window: WindowMeta) -> None:
        place = (window.segment, window.pts_s)
        if window.camera != self.camera:
            raise RuntimeFault(f"{self.camera}: was given a window of camera {window.camera}")
        if self._place is not None and place <= self._place:
            raise RuntimeFault(
                f"{self.camera}: window at {_name(place)} came after the one at {_name(self._place)}",
                advice="give each camera's windows once and in order",
            )
        if window.time_s < self._time_s or window.time_s - self._known_s >= self._reset_after_s:
            self._cleaner.reset()
            self._smoother.reset()
        self._place = place
        self._time_s = window.time_s


def _name(place: tuple[int, float]) -> str:
    return f"{place[1]:.3f} s of segment {place[0]}"


def _sound(judgement: Judgement) -> Judgement:
    """The judgement, or unknown when its score is no number in [0, 1].

    The scoring worker refuses such answers already; this is the one guard for judgements that come another
    way, and nothing after it checks again.
    """
    score = judgement.score
    if score is None or 0 <= score <= 1:  # false for NaN
        return judgement
    return Judgement.unknown(f"score {score} is outside 0 to 1")
