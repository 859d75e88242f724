"""ROC and precision-recall curves over all frames, with 95 % bands by bootstrap over videos. Draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offline_eval.metrics.intervals import resamples
from offline_eval.metrics.tracks import Floats, Ints, Track, ratio

POINTS = 300  # as many as a small plot can show
RESAMPLES = 200  # a band needs fewer than a figure that is quoted
_GRID = np.linspace(0, 1, 101)
_QUANTILES = (0.025, 0.975)


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A curve [T] with the band around it on its own grid of x [G]."""

    x: Floats
    y: Floats
    grid: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """`roc`: straight lines from (0, 0) to (1, 1). `precision`: steps over rising recall, y holds up to its x."""

    roc: Band
    precision: Band
    abnormal_share: float


def curves(tracks: Sequence[Track], seed: int = 0) -> Curves | None:
    """None where there are not both abnormal and normal frames with known scores."""
    counts = _counts(tracks)
    total = counts[:, :, -1].sum(1)  # [2]: abnormal and normal frames
    if not total.all():
        return None
    weights = resamples(len(tracks), count=RESAMPLES, seed=seed)
    positives, negatives = (weights @ each for each in counts)  # [B, T]
    recalls, falls = ratio(positives, positives[:, -1:]), ratio(negatives, negatives[:, -1:])
    precisions = ratio(positives, positives + negatives)
    drawn = [row for row in range(1, len(weights)) if positives[row, -1] and negatives[row, -1]]
    rises = np.array([np.interp(_GRID, _from_0(falls[row]), _from_0(recalls[row])) for row in drawn])
    steps = np.array([precisions[row][np.searchsorted(recalls[row], _GRID[1:])] for row in drawn])
    return Curves(
        Band(_from_0(falls[0]), _from_0(recalls[0]), _GRID, *_band(rises)),
        Band(recalls[0], precisions[0], _GRID[1:], *_band(steps)),
        float(total[0] / total.sum()),
    )


def _counts(tracks: Sequence[Track]) -> Floats:
    """[2, V, T]: each video's abnormal and normal frames that score at least each threshold, thresholds falling."""
    labelled = [track.labelled() for track in tracks]
    values, abnormal, lengths = map(np.concatenate, zip(*labelled, strict=True))
    videos = np.repeat(np.arange(len(tracks)), [len(each[0]) for each in labelled])
    known = ~np.isnan(values)
    values, abnormal, lengths, videos = values[known], abnormal[known], lengths[known], videos[known]
    distinct, where = np.unique(-values, return_inverse=True)
    positives, negatives = (np.bincount(where, lengths * side, len(distinct)) for side in (abnormal, ~abnormal))
    chosen = _spread(positives.astype(float), negatives.astype(float))
    bins = np.searchsorted(chosen, where)  # the first chosen threshold that a score reaches
    shape = (len(tracks), len(chosen))
    flat = videos * shape[1] + bins
    sides = [np.bincount(flat, lengths * side, shape[0] * shape[1]).reshape(shape) for side in (abnormal, ~abnormal)]
    counts: Floats = np.cumsum(sides, axis=2)
    return counts


def _spread(positives: Floats, negatives: Floats) -> Ints:
    """Which thresholds to draw, the last always among them: spread evenly along both curves."""
    if not len(positives):
        return np.zeros(1, np.int64)
    found, false = np.cumsum(positives), np.cumsum(negatives)
    steps = [np.abs(np.diff(each, prepend=each[:1])) for each in (found / max(found[-1], 1), false / max(false[-1], 1))]
    steps.append(np.abs(np.diff(found / (found + false), prepend=0)))
    way = np.cumsum(np.sum(steps, axis=0))
    marks = np.floor(way / max(way[-1], 1e-12) * POINTS)
    return np.append(np.flatnonzero(np.diff(marks)), len(marks) - 1)


def _from_0(values: Floats) -> Floats:
    return np.concatenate(([0.0], values))


def _band(drawn: Floats) -> tuple[Floats, Floats]:
    low, high = np.quantile(drawn, _QUANTILES, axis=0)
    return low, high
