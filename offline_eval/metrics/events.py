"""Figures over events and alerts: how many events people were told of, how late, and how often for nothing.

Definitions:
- An event is one annotated span. It is detected when an alert of its video overlaps it by a frame or more; one
  alert may detect several events, and an event may be met by several alerts.
- It is detected in time when one of those alerts was told before the event ended. An alert begins where its first
  window begins, which is before it is told, so one that meets a short event may be told when that is over: recall
  alone counts it.
- Its delay is max(0, told - start) of the alert that was told first among those, in seconds: an alert that is
  already open when the event begins has no delay. Missed events have none, so delays stand beside the misses.
- An alert is right when it overlaps an event. A false alarm is an alert in a normal video, and is counted per hour
  of normal video: wrong alerts in anomalous videos lower the precision, but are no false alarms, because it is
  rarely certain that what surrounds an annotated event is normal.
- At a temporal IoU, alerts and events are matched one to one: alerts of a video from the highest score to the lowest
  (earlier first among equals), each taking the free event it overlaps best, if its IoU is reached.
- Frames become seconds by the data set's own fps.

Every figure is a function of how often each video counts. Knows no score below an alert's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from offline_eval.metrics.alerts import Alert, Alerted
from offline_eval.metrics.tracks import Bools, Figures, Floats, Ints, ratio

IOUS = (0.1, 0.2, 0.3, 0.4, 0.5)


def event_figures(alerted: Sequence[Alerted], fps: float, weights: Floats) -> Figures:
    """Figures by name, each [B], for weights [B, V].

    - `event_recall`, `alert_precision`, `event_f1`: by overlap, as above; F1 is their harmonic mean.
    - `event_recall_in_time`: the share of events that people were told of before they ended.
    - `delay_median_s`, `delay_p90_s`: the delay that this share of the detected events do not exceed.
    - `missed_events`: how many were missed.
    - `events_told_after_end`: how many were detected, but told of only when they had ended.
    - `false_alarms_per_hour`: alerts in normal videos, per hour of normal video.
    - `normal_time_alerted`: the share of the time of normal videos that is under alert. Few false alarms that last
      for ever are no good ones.
    - `event_recall@T`, `alert_precision@T`, `event_f1@T`, `average_precision@T`: one to one at temporal IoU T.
    - `mean_average_precision`: the mean over T.
    """
    pairs = [Pairs(video, fps) for video in alerted]
    events = weights @ np.array([len(pair.delays_s) for pair in pairs], float)
    alerts = weights @ np.array([len(pair.right) for pair in pairs], float)
    detected = weights @ np.array([np.isfinite(pair.delays_s).sum() for pair in pairs], float)
    in_time = weights @ np.array([pair.in_time.sum() for pair in pairs], float)
    right = weights @ np.array([pair.right.sum() for pair in pairs], float)
    normal = weights * np.array([video.video.normal for video in alerted], float)
    frames = normal @ np.array([video.video.known_frame_count() for video in alerted], float)
    alerted_frames = normal @ np.array([sum(alert.end - alert.start for alert in video.alerts) for video in alerted])
    delays, delay_weights = _rising(pairs, weights)
    figures = _rates("", detected, right, events, alerts) | {
        "event_recall_in_time": ratio(in_time, events),
        "delay_median_s": _quantile(delays, delay_weights, 0.5),
        "delay_p90_s": _quantile(delays, delay_weights, 0.9),
        "missed_events": events - detected,
        "events_told_after_end": detected - in_time,
        "false_alarms_per_hour": ratio(
            normal @ np.array([len(pair.right) for pair in pairs], float) * (fps * 3600), frames
        ),
        "normal_time_alerted": ratio(alerted_frames, frames),
    }
    videos = np.repeat(np.arange(len(pairs)), [len(pair.right) for pair in pairs])
    scores = np.array([alert.score for video in alerted for alert in video.alerts], float)
    averages = []
    for threshold in IOUS:
        hits = [pair.hits(threshold) for pair in pairs]
        hit = weights @ np.array([mask.sum() for mask in hits], float)
        figures |= _rates(f"@{threshold:g}", hit, hit, events, alerts)
        averages.append(_average_precision(scores, np.concatenate(hits), weights[:, videos], events))
        figures[f"average_precision@{threshold:g}"] = averages[-1]
    figures["mean_average_precision"] = np.mean(averages, axis=0)
    return figures


class Pairs:
    """One video's alerts against its events."""

    def __init__(self, video: Alerted, fps: float) -> None:
        spans = np.array(video.video.spans, float).reshape(-1, 2)
        alerts = np.array([(alert.start, alert.end) for alert in video.alerts], float).reshape(-1, 2)
        told = np.array([alert.told for alert in video.alerts], float)
        overlap = np.minimum(alerts[:, None, 1], spans[:, 1]) - np.maximum(alerts[:, None, 0], spans[:, 0])
        overlap = overlap.clip(min=0)  # [A, E] frames
        union = np.diff(alerts) + np.diff(spans).T - overlap
        late = np.where(overlap > 0, told[:, None] - spans[:, 0], np.inf).min(0, initial=np.inf)
        self.right: Bools = (overlap > 0).any(1)  # [A]
        self.delays_s: Floats = late.clip(min=0) / fps  # [E], infinite when missed
        self.in_time: Bools = ((overlap > 0) & (told[:, None] < spans[:, 1])).any(0)  # [E]
        self._iou: Floats = overlap / union
        self._order = _by_score(video.alerts)

    def hits(self, threshold: float) -> Bools:
        """Which alerts [A] are matched with an event of their own at this IoU."""
        hits = np.zeros(len(self.right), bool)
        iou = self._iou.copy()
        for alert in self._order if iou.size else ():
            best = int(iou[alert].argmax())
            if iou[alert, best] >= threshold:
                hits[alert] = True
                iou[:, best] = 0  # taken
        return hits


def _by_score(alerts: Sequence[Alert]) -> list[int]:
    return sorted(range(len(alerts)), key=lambda index: (-alerts[index].score, alerts[index].start))


def _rates(suffix: str, found: Floats, right: Floats, events: Floats, alerts: Floats) -> Figures:
    recall, precision = ratio(found, events), ratio(right, alerts)
    # Without alerts precision is undefined, but F1 is 0 wherever there is something to find.
    f1 = ratio(2 * recall * np.nan_to_num(precision), recall + np.nan_to_num(precision))
    f1[(recall == 0)] = 0
    return {f"event_recall{suffix}": recall, f"alert_precision{suffix}": precision, f"event_f1{suffix}": f1}


def _rising(pairs: Sequence[Pairs], weights: Floats) -> tuple[Floats, Floats]:
    """The delays of detected events [D] in rising order, and how often each counts [B, D]."""
    delays = np.concatenate([pair.delays_s for pair in pairs])
    videos = np.repeat(np.arange(len(pairs)), [len(pair.delays_s) for pair in pairs])
    order: Ints = np.argsort(delays, kind="stable")
    order = order[np.isfinite(delays[order])]
    return delays[order], weights[:, videos[order]]


def _quantile(rising: Floats, weights: Floats, share: float) -> Floats:
    """The least of the values that at least `share` of the weight does not exceed [B]."""
    if not len(rising):
        return np.full(len(weights), np.nan)
    reached = np.cumsum(weights, axis=1)
    total = reached[:, -1]
    index = (reached >= share * total[:, None]).argmax(1)
    return np.where(total > 0, rising[index], np.nan)


def _average_precision(scores: Floats, hits: Bools, weights: Floats, events: Floats) -> Floats:
    """Sum over falling scores of recall gained x precision there [B]; equal scores are one step."""
    if not len(scores):
        return ratio(np.zeros(len(weights)), events)
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # the last alert of each score
    hit = np.cumsum((weights * hits)[:, order], axis=1)[:, last]
    told = np.cumsum(weights[:, order], axis=1)[:, last]
    gained = np.diff(hit, prepend=0.0, axis=1)
    steps: Floats = np.nansum(gained * ratio(hit, told), axis=1)
    return ratio(steps, events)
