"""The figures that a report opens with, in plain words, and what a reader has to know before quoting them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from offline_eval.metrics.intervals import Figure
from offline_eval.report.data import ReportInput
from offline_eval.report.outcomes import Outcome
from offline_eval.report.words import between, count, duration, percent, value


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure: its value and 95 % interval as written, and what it means here."""

    title: str
    value: str
    interval: str
    meaning: str


@dataclass(frozen=True, slots=True)
class _Counts:
    """What the headlines count, over all videos."""

    events: int
    missed: int
    after_end: int
    alerts: int
    right: int
    false_alarms: int
    normal_s: float

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], fps: float) -> _Counts:
        normal = [each.report.video.known_frame_count() for each in outcomes if each.report.video.normal]
        return cls(
            events=sum(len(each.delays_s) for each in outcomes),
            missed=sum(each.missed for each in outcomes),
            after_end=sum(each.after_end for each in outcomes),
            alerts=sum(len(each.right) for each in outcomes),
            right=sum(sum(each.right) for each in outcomes),
            false_alarms=sum(each.false_alarms for each in outcomes),
            normal_s=sum(normal) / fps,
        )


def headlines(report: ReportInput, outcomes: Sequence[Outcome]) -> list[Headline]:
    """In the order a reader asks for them: does it notice, how often for nothing, how late, and how well it ranks."""
    figures = report.evaluation.figures()
    counts = _Counts.of(outcomes, report.fps)
    late = figures["delay_p90_s"].value
    return [
        _headline(
            "Events reported",
            figures["event_recall"],
            f"{counts.events - counts.missed} of {count(counts.events, 'event')} met by an alert, "
            f"{counts.missed} missed.",
        ),
        _headline(
            "Events reported in time",
            figures["event_recall_in_time"],
            f"{counts.events - counts.missed - counts.after_end} of {count(counts.events, 'event')} told of before "
            f"they ended, {counts.after_end} only afterwards.",
        ),
        _headline(
            "False alarms per hour",
            figures["false_alarms_per_hour"],
            f"{count(counts.false_alarms, 'alert')} in {duration(counts.normal_s)} of normal video"
            + (f": one every {duration(counts.normal_s / counts.false_alarms)}." if counts.false_alarms else "."),
            digits=1,
        ),
        _headline(
            "Median delay, seconds",
            figures["delay_median_s"],
            f"Half of the reported events were told of within this time, 90 % within {value(late, 1)} s; "
            "missed ones have no delay.",
            digits=1,
        ),
        _headline(
            "Alert precision",
            figures["alert_precision"],
            f"{counts.right} of {count(counts.alerts, 'alert')} for an event, the others for nothing annotated.",
        ),
        _headline(
            "Event F1",
            figures["event_f1"],
            "The harmonic mean of recall and precision, above. One to one at temporal IoU 0.3 it is "
            f"{value(figures['event_f1@0.3'].value)}.",
        ),
        _headline(
            "ROC-AUC, all frames",
            figures["roc_auc"],
            "How often an abnormal frame scores above a normal one, whichever videos they are from. 0.5 is chance.",
        ),
        _headline(
            "ROC-AUC within videos",
            figures["within_video_auc"],
            "The same inside one video, on average: telling moments apart, not videos.",
        ),
        _headline(
            "Average precision",
            figures["average_precision"],
            f"The area under the precision-recall steps. The trapezoid, which some papers print, is "
            f"{value(figures['trapezoid_pr_auc'].value)}.",
        ),
    ]


def cautions(report: ReportInput) -> list[str]:
    """What to know before quoting a figure: the run's own quirks, and those of every such evaluation."""
    figures = report.evaluation.figures()
    notes = list(report.quirks)
    if not report.coverage.complete:
        notes.insert(0, f"Partial: only {report.coverage} were evaluated.")
    if damaged := len(report.coverage.damaged):
        notes.append(
            f"{count(damaged, 'video')} had frames that could not be decoded: their windows lie where the file's own "
            "stamps say, and nothing was judged in between."
        )
    known = figures["known_frames"].value
    if known < 1:
        notes.append(
            f"{percent(1 - known)} of all frames have no known score. Frame figures leave them out; they alert nobody."
        )
    trapezoid, average = figures["trapezoid_pr_auc"].value, figures["average_precision"].value
    if not math.isnan(average):
        notes.append(
            f"Trapezoid PR-AUC ({value(trapezoid)}) is not average precision ({value(average)}): "
            "compare with a paper only after finding out which of the two it prints."
        )
    notes.append(
        "ROC-AUC over all frames mixes telling videos apart with telling moments apart; the within-video figure "
        "stands beside it for that."
    )
    if after := int(figures["events_told_after_end"].value):
        notes.append(
            f"{count(after, 'reported event')} had ended when people were told, as an alert begins before it is told: "
            "recall counts them, recall in time does not."
        )
    notes.append(
        "A false alarm is an alert in a normal video. Alerts beside the event of an anomalous video only lower the "
        "precision, as it is rarely certain that what surrounds an event is normal."
    )
    notes.append(
        "False alarms per hour are the alerts that the alert policy told. False alarms per hour at a recall are of no "
        "policy: they count stretches of score above the highest single threshold that meets so many events, merged "
        "where close, so they may be few, or none, where the policy alerted often, and the other way round."
    )
    notes.append(
        f"Intervals are 95 %, by drawing whole videos with replacement. Frames become seconds at {report.fps:g} per "
        "second, the data set's own rate."
    )
    return notes


def figure_name(key: str) -> str:
    """`event_f1@0.3` as people write it."""
    name, _, at = key.partition("@")
    name = _NAMES.get(name, name.replace("_", " "))
    if not at:
        return name
    return f"{name}, at {at}" if " " in at else f"{name}, at temporal IoU {at}"


_NAMES = {
    "roc_auc": "ROC-AUC, all frames",
    "average_precision": "average precision",
    "trapezoid_pr_auc": "trapezoid PR-AUC",
    "within_video_auc": "ROC-AUC within videos",
    "anomalous_videos_auc": "ROC-AUC, anomalous videos only",
    "known_frames": "share of frames with a known score",
    "event_f1": "event F1",
    "delay_median_s": "median delay, seconds",
    "delay_p90_s": "90th percentile of delay, seconds",
}


def _headline(title: str, figure: Figure, meaning: str, digits: int = 3) -> Headline:
    return Headline(title, value(figure.value, digits), between(figure.low, figure.high, digits), meaning)
