"""How sure a figure is, and whether two runs differ: bootstrap over videos. Knows no figure.

Videos are drawn with replacement, not frames: frames of one video say nearly the same thing, so drawing them
would promise far too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.errors import UsageError
from offline_eval.metrics.tracks import Figures, Floats

RESAMPLES = 1000
_QUANTILES = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval; NaN is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Second run minus first, with its 95 % interval and two-sided p-value.

    `p` is twice the smaller share of resamples in which the difference is on one side of zero, or on it.
    """

    value: float
    low: float
    high: float
    p: float


def resamples(videos: int, *, count: int = RESAMPLES, seed: int = 0) -> Floats:
    """Weights [1 + count, V]: how often each video counts. Row 0 is every video once: the figure itself."""
    drawn = np.random.default_rng(seed).multinomial(videos, np.full(videos, 1 / videos), size=count)
    return np.vstack((np.ones((1, videos)), drawn))


def intervals(figures: Figures) -> dict[str, Figure]:
    """Percentile intervals of figures from `resamples`. Resamples in which a figure is undefined are left out."""
    return {name: Figure(float(values[0]), *_interval(values)) for name, values in figures.items()}


def compare(first: Figures, second: Figures) -> dict[str, Difference]:
    """Paired: both runs' figures must come from the same videos in the same order, and the same weights."""
    return {name: _difference(values, second[name]) for name, values in _shared(first, second).items()}


def _shared(first: Figures, second: Figures) -> Mapping[str, Floats]:
    if {len(values) for figures in (first, second) for values in figures.values()} != {len(next(iter(first.values())))}:
        raise UsageError("the two runs were resampled a different number of times", advice="use the same resamples")
    return {name: values for name, values in first.items() if name in second}


def _difference(first: Floats, second: Floats) -> Difference:
    differences = second - first
    drawn = differences[1:][~np.isnan(differences[1:])]
    p = np.nan
    if len(drawn) and not np.isnan(differences[0]):
        tails = [(1 + np.count_nonzero(side)) / (1 + len(drawn)) for side in (drawn <= 0, drawn >= 0)]
        p = min(1.0, 2 * min(tails))
    return Difference(float(differences[0]), *_interval(differences), float(p))


def _interval(values: Floats) -> tuple[float, float]:
    drawn = values[1:][~np.isnan(values[1:])]
    if not len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, _QUANTILES)
    return float(low), float(high)
