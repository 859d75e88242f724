"""The plots of a report as SVG: ROC, precision-recall, recall against false alarms, delays, intervals.

Colours and line styles are classes, so that a page's style sheet decides them for screen, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from offline_eval.metrics.intervals import Figure
from offline_eval.metrics.operating import Curve
from offline_eval.metrics.tracks import Floats
from offline_eval.report.curves import Band
from offline_eval.report.markup import Markup, element, fragment, number

WIDTH, HEIGHT = 400, 300
LEFT, TOP, RIGHT, BOTTOM = 46, 12, 14, 42
MANY_POINTS = 400
_BINS_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
_CROWDED = 0.5


@dataclass(frozen=True, slots=True)
class _Axes:
    """From values to places: x from 0 to `right`, y from 0 to `top`."""

    right: float = 1.0
    top: float = 1.0

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / self.right

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top

    def path(self, xs: Iterable[float], ys: Iterable[float], kind: str, end: str = "") -> Markup:
        places = [f"{number(self.x(x))} {number(self.y(y))}" for x, y in zip(xs, ys, strict=True)]
        return element("path", class_=kind, d=f"M{'L'.join(places)}{end}") if places else Markup()

    def frame(self, x_title: str, y_title: str, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> Markup:
        middle = (TOP + HEIGHT - BOTTOM) / 2
        return fragment(
            (self._across(tick) for tick in y_ticks),
            (self._below(tick) for tick in x_ticks),
            self.path([0, self.right], [0, 0], "axis"),
            element("text", x_title, class_="title", x=self.x(self.right / 2), y=HEIGHT - 6.0, text_anchor="middle"),
            element(
                "text", y_title, class_="title", text_anchor="middle", transform=f"translate(12 {middle:g})rotate(-90)"
            ),
        )

    def _across(self, tick: float) -> Markup:
        label = element("text", f"{tick:g}", class_="tick", x=LEFT - 6.0, y=self.y(tick) + 4, text_anchor="end")
        return fragment(self.path([0, self.right], [tick, tick], "grid"), label)

    def _below(self, tick: float) -> Markup:
        return element(
            "text", f"{tick:g}", class_="tick", x=self.x(tick), y=HEIGHT - BOTTOM + 16.0, text_anchor="middle"
        )


_FIFTHS = (0, 0.2, 0.4, 0.6, 0.8, 1)


def roc(band: Band, said: str) -> Markup:
    axes = _Axes()
    return _plot(
        said,
        axes.frame("false positive rate", "true positive rate", _FIFTHS, _FIFTHS),
        axes.path([0, 1], [0, 1], "chance"),
        _band(axes, band),
        axes.path(band.x, band.y, "line"),
    )


def precision_recall(band: Band, abnormal_share: float, said: str) -> Markup:
    """In steps, so that the area below the line is the average precision."""
    axes = _Axes()
    xs = np.concatenate(([0.0], np.repeat(band.x, 2)[:-1]))
    return _plot(
        said,
        axes.frame("recall", "precision", _FIFTHS, _FIFTHS),
        axes.path([0, 1], [abnormal_share, abnormal_share], "chance"),
        _band(axes, band),
        axes.path(xs, np.repeat(band.y, 2), "line"),
    )


def operating(curve: Curve, recall: Figure, alarms: Figure, said: str) -> Markup:
    """What every threshold would give as a line, and what the run's own alerts gave as a point with its intervals.

    Where more than half of normal time is under alert the line is dotted: few alarms then mean endless ones.
    """
    rates, recalls = curve.false_alarms_per_hour, curve.recalls
    right = _round_up(max([1.0, *rates[~np.isnan(rates)], *(x for x in (alarms.value, alarms.high) if x == x)]))
    axes = _Axes(right)
    crowded = int(np.searchsorted(np.maximum.accumulate(curve.alerted_share), _CROWDED)) if len(rates) else 0
    crowded = min(crowded, len(rates))
    parts = [
        axes.frame("false alarms per hour of normal video", "event recall", np.linspace(0, right, 6).tolist(), _FIFTHS)
    ]
    if not np.isnan(rates).any():
        parts += [
            axes.path(*_thinned(rates[:crowded], recalls[:crowded]), "line"),
            axes.path(*_thinned(rates[max(crowded - 1, 0) :], recalls[max(crowded - 1, 0) :]), "line crowded"),
        ]
    if not math.isnan(recall.value) and not math.isnan(alarms.value):
        parts += [
            axes.path([alarms.low, alarms.high], [recall.value] * 2, "whisker"),
            axes.path([alarms.value] * 2, [recall.low, recall.high], "whisker"),
            element("circle", class_="own", cx=axes.x(alarms.value), cy=axes.y(recall.value), r=5.0),
        ]
    return _plot(said, *parts)


def delays(delays_s: Sequence[float], said: str) -> Markup:
    """How many events were reported how late; infinite delays are missed events, in a bar of their own."""
    late = np.array([delay for delay in delays_s if math.isfinite(delay)])
    edges = (*_BINS_S, math.inf)
    counts = [int((late == 0).sum())]
    counts += [int(((late > low) & (late <= high)).sum()) for low, high in pairwise(edges)]
    labels = ["0", *(f"≤ {edge:g}" for edge in _BINS_S[1:]), f"> {_BINS_S[-1]:g}", "missed"]
    counts.append(len(delays_s) - len(late))
    top = 5.0 * math.ceil(_round_up(max(1, *counts) / 5))
    axes = _Axes(float(len(counts)), top)
    parts = [axes.frame("delay in seconds", "events", (), np.linspace(0, top, 6).tolist())]
    for index, (label, count) in enumerate(zip(labels, counts, strict=True)):
        x, y = axes.x(index + 0.12), axes.y(count)
        width, middle = axes.x(index + 0.88) - x, axes.x(index + 0.5)
        kind = "bar missed" if label == "missed" else "bar"
        parts += [
            element("rect", class_=kind, x=x, y=y, width=width, height=axes.y(0) - y),
            element("text", str(count), class_="count", x=middle, y=y - 4, text_anchor="middle"),
            element("text", label, class_="tick", x=middle, y=HEIGHT - BOTTOM + 16.0, text_anchor="middle"),
        ]
    return _plot(said, *parts)


def whisker(figure: Figure) -> Markup:
    """A small interval from 0 to 1 beside its number, which says the same: hidden from screen readers."""
    if math.isnan(figure.value):
        return Markup()
    low, high = (figure.value, figure.value) if math.isnan(figure.low) else (figure.low, figure.high)
    return element(
        "svg",
        element("path", class_="grid", d="M0 8H120M60 3V13"),
        element("path", class_="whisker", d=f"M{number(120 * low)} 8H{number(120 * high)}"),
        element("circle", class_="own", cx=120 * figure.value, cy=8.0, r=3.5),
        class_="whiskers", viewBox="-4 0 128 16", aria_hidden="true",
    )  # fmt: skip


def _plot(said: str, *parts: Markup) -> Markup:
    return element("svg", *parts, class_="plot", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=said)


def _band(axes: _Axes, band: Band) -> Markup:
    there = np.concatenate((band.grid, band.grid[::-1]))
    return axes.path(there, np.concatenate((band.low, band.high[::-1])), "band", "Z")


def _thinned(xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
    chosen = np.unique(np.linspace(0, len(xs) - 1, min(len(xs), MANY_POINTS)).astype(int)) if len(xs) else slice(0)
    return xs[chosen], ys[chosen]


def _round_up(value: float) -> float:
    """The next number that five steps divide well."""
    scale = 10.0 ** math.floor(math.log10(value))
    return scale * next(step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * scale >= value)
