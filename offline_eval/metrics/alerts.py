"""Alerts of one video, and how they are drawn from its scores by a threshold. Knows no figure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.errors import UsageError
from offline_eval.datasets.base import Video
from offline_eval.metrics.tracks import Track


@dataclass(frozen=True, slots=True)
class Alert:
    """People were told that [start, end) is abnormal, in frames; `told` is the frame at which they were."""

    start: int
    end: int
    told: int
    score: float  # the highest during the alert

    def __post_init__(self) -> None:
        if not (self.start < self.end and self.start <= self.told):
            raise UsageError(f"alert of frames {self.start} to {self.end}, told at {self.told}, is none")


@dataclass(frozen=True, slots=True)
class Alerted:
    """A measured video with its alerts: in order, and none overlaps the next."""

    video: Video
    alerts: tuple[Alert, ...]

    def __post_init__(self) -> None:
        if any(later.start < earlier.end for earlier, later in pairwise(self.alerts)):
            raise UsageError(f"{self.video.name}: alerts overlap or are out of order")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """An alert begins where the score reaches `open` and lasts while it stays at `close` or above.

    Alerts that are `merge_gap_s` apart or less are one. `told_after` is how many frames after a score's first
    frame it is known: the length of a segment whose verdict holds for all of it.
    """

    open: float = 0.5
    close: float = 0.3
    merge_gap_s: float = 30.0
    told_after: int = 0

    def __post_init__(self) -> None:
        if not (self.close <= self.open and self.merge_gap_s >= 0 and self.told_after >= 0):
            raise UsageError(f"{self} draws no alerts", advice="close <= open, and the others 0 or above")


def draw_alerts(track: Track, fps: float, thresholds: Thresholds) -> Alerted:
    """The alerts that a track's scores make, whatever the method. Unknown scores are below every threshold."""
    ends = np.cumsum(track.lengths)
    starts = ends - track.lengths
    opened = np.flatnonzero(track.values >= thresholds.open)
    closed = np.append(np.flatnonzero(~(track.values >= thresholds.close)), len(ends))  # NaN compares false
    alerts: list[Alert] = []
    run = 0
    while (place := int(np.searchsorted(opened, run))) < len(opened):
        first = int(opened[place])
        run = int(closed[np.searchsorted(closed, first)])  # the first run below `close`
        start, end, score = int(starts[first]), int(ends[run - 1]), float(track.values[first:run].max())
        if alerts and start - alerts[-1].end <= thresholds.merge_gap_s * fps:
            last = alerts.pop()
            alerts.append(Alert(last.start, end, last.told, max(last.score, score)))
        else:
            alerts.append(Alert(start, end, start + thresholds.told_after, score))
    return Alerted(track.video, tuple(alerts))
