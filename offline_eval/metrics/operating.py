"""What each threshold would give: event recall against false alarms per hour of normal video. Knows no policy.

At a threshold, an alert is a stretch at or above it, and alerts that are at most the merge gap apart are one. Merging
at every threshold at once is a grey-scale closing of the scores over time: a frame in a gap gets the highest
threshold at which the gap is closed. So each event has one detection threshold, the highest closed score in its
span, and recall only rises as the threshold falls; events' detection thresholds are all the points the curve has.

A score of 0 or less is never an alert, nor is an unknown one. Merging hides alarms at low thresholds, where one alert
may last a whole video, so the share of normal time under alert stands beside their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import grey_closing

from offline_eval.metrics.tracks import Figures, Floats, Ints, Track, ratio

RECALLS = (0.5, 0.7, 0.8, 0.9)
RECALL_FIGURES = tuple(f"false_alarms_per_hour@recall {recall:g}" for recall in RECALLS)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One point per distinct detection threshold [T], from high to low. NaN where there is no normal video."""

    thresholds: Floats
    recalls: Floats
    false_alarms_per_hour: Floats
    alerted_share: Floats  # of the time of normal videos


class Operating:
    """The operating points of scored videos."""

    def __init__(self, tracks: Sequence[Track], fps: float, merge_gap_s: float = 30.0) -> None:
        gap = round(merge_gap_s * fps)
        closed = [_closed(track, gap) for track in tracks]
        detections = [
            np.array([scores[start:end].max() for start, end in track.video.spans], float)
            for track, scores in zip(tracks, closed, strict=True)
        ]
        every = np.concatenate(detections)
        self.thresholds: Floats = -np.unique(-every[every > 0])  # [T], falling
        steps = [np.searchsorted(-self.thresholds, -values[values > 0]) for values in detections]
        shape = (len(self.thresholds), len(tracks))
        self._gained = np.zeros(shape)  # events first detected at each threshold
        self._alarms = np.zeros(shape)  # in normal videos
        self._alerted = np.zeros(shape)  # frames of normal videos
        for index, (track, scores) in enumerate(zip(tracks, closed, strict=True)):
            np.add.at(self._gained[:, index], steps[index], 1)
            if track.video.normal:
                self._alarms[:, index] = _stretches(scores, self.thresholds)
                self._alerted[:, index] = _reached(scores, self.thresholds)
        self._events = np.array([len(values) for values in detections], float)
        normal = np.array([len(scores) * track.video.normal for track, scores in zip(tracks, closed, strict=True)])
        self._normal_frames = normal.astype(float)
        self._frames_per_hour = fps * 3600

    def curve(self) -> Curve:
        events, frames = self._events.sum(keepdims=True), self._normal_frames.sum(keepdims=True)
        return Curve(
            self.thresholds,
            ratio(np.cumsum(self._gained.sum(1)), events),
            ratio(self._alarms.sum(1) * self._frames_per_hour, frames),
            ratio(self._alerted.sum(1), frames),
        )

    def figures(self, weights: Floats) -> Figures:
        """`false_alarms_per_hour@recall R`, [B] each: at the highest threshold whose recall is R or more.

        NaN where no threshold above 0 reaches it.
        """
        events = weights @ self._events
        recalls = ratio(np.cumsum(weights @ self._gained.T, axis=1), events[:, None])  # [B, T]
        rates = ratio(weights @ self._alarms.T * self._frames_per_hour, (weights @ self._normal_frames)[:, None])
        return {name: _first(recalls >= recall, rates) for name, recall in zip(RECALL_FIGURES, RECALLS, strict=True)}


def _closed(track: Track, gap: int) -> Floats:
    """Each frame's score [N], or the highest threshold at which merging puts the frame inside an alert."""
    scores = np.nan_to_num(track.frames(), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    size = gap + 1
    padded = np.pad(scores, size, constant_values=-np.inf)  # outside the video there is nothing to merge with
    closed: Floats = grey_closing(padded, size=size)[size:-size]
    return closed


def _stretches(scores: Floats, thresholds: Floats) -> Ints:
    """How many stretches at or above each threshold [T]: one begins wherever the score rises past it."""
    before = np.concatenate(([-np.inf], scores[:-1]))
    rises = scores > before
    return _reached(scores[rises], thresholds) - _reached(before[rises], thresholds)


def _reached(scores: Floats, thresholds: Floats) -> Ints:
    """How many scores are at or above each threshold [T]."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds)


def _first(reached: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], rates: Floats) -> Floats:
    """The rate at the first point that is reached [B], NaN where none is."""
    if not rates.shape[1]:
        return np.full(len(rates), np.nan)
    return np.where(reached.any(1), rates[np.arange(len(rates)), reached.argmax(1)], np.nan)
