"""What became of each video's events and alerts, and which videos are the worst. Knows no page.

A miss is the worse, the lower the score stayed during the event; a false alarm the worse, the higher it rose; the
longer one is worse among equals. Detection, delay and false alarms are those of `offline_eval.metrics.events`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from offline_eval.metrics.events import Pairs
from offline_eval.report.data import VideoReport

Badness = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A video with what became of it. Per event: `delays_s`, infinite when missed, and whether it was told `in_time`,
    before it ended. Per alert: `right`."""

    report: VideoReport
    delays_s: tuple[float, ...]
    in_time: tuple[bool, ...]
    right: tuple[bool, ...]
    peaks: tuple[float, ...]  # the highest score during each event, 0 where all is unknown
    worst_miss: Badness | None  # None: no event was missed
    worst_wrong: Badness | None  # of the alerts that meet no event

    @property
    def name(self) -> str:
        return self.report.video.name

    @property
    def missed(self) -> int:
        return sum(np.isinf(self.delays_s))

    @property
    def after_end(self) -> int:
        """Events that were reported only when they had ended."""
        return len(self.in_time) - sum(self.in_time) - self.missed

    @property
    def wrong(self) -> int:
        """Alerts that meet no event: false alarms when the video is normal."""
        return self.right.count(False)

    @property
    def false_alarms(self) -> int:
        return self.wrong if self.report.video.normal else 0


def outcome(report: VideoReport, fps: float) -> Outcome:
    video, alerts = report.video, report.alerted.alerts
    pairs = Pairs(report.alerted, fps)
    delays = tuple(map(float, pairs.delays_s))
    in_time, right = tuple(map(bool, pairs.in_time)), tuple(map(bool, pairs.right))
    scores = np.nan_to_num(report.track.frames(), nan=0.0)
    peaks = tuple(float(scores[start:end].max()) for start, end in video.spans)
    misses = [
        (-peak, float(end - start))
        for (start, end), peak, delay in zip(video.spans, peaks, delays, strict=True)
        if np.isinf(delay)
    ]
    wrongs = [
        (alert.score, float(alert.end - alert.start)) for alert, hit in zip(alerts, right, strict=True) if not hit
    ]
    return Outcome(report, delays, in_time, right, peaks, max(misses, default=None), max(wrongs, default=None))


def worst_misses(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return _worst([(each.worst_miss, each) for each in outcomes])


def worst_false_alarms(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return _worst([(each.worst_wrong, each) for each in outcomes if each.false_alarms])


def worst_first(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """All of them: misses, then false alarms, then wrong alerts beside events, then the rest by name."""
    rest = sorted(outcomes, key=lambda each: each.name)
    ordered: list[Outcome] = []
    for worst in (worst_misses, worst_false_alarms, _worst_wrongs):
        found = worst(rest)
        ordered += found
        rest = [each for each in rest if each not in found]
    return ordered + rest


def _worst_wrongs(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return _worst([(each.worst_wrong, each) for each in outcomes])


def _worst(rated: Iterable[tuple[Badness | None, Outcome]]) -> list[Outcome]:
    bad = [(badness, each) for badness, each in rated if badness is not None]
    return [each for _, each in sorted(bad, key=lambda pair: pair[0], reverse=True)]
