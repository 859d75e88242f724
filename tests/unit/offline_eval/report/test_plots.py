from __future__ import annotations

import re
from math import inf, nan

import numpy as np

from offline_eval.metrics import Curve, Figure
from offline_eval.report import plots

NONE = Figure(nan, nan, nan)


def texts(svg: str, kind: str) -> list[str]:
    return re.findall(rf'<text class="{kind}"[^>]*>([^<]*)<', svg)


def path(svg: str, kind: str) -> list[list[float]]:
    """The places of the one path of this class."""
    (drawn,) = re.findall(rf'<path class="{kind}" d="M([^"]*)"', svg)
    return [[float(number) for number in place.split()] for place in drawn.split("L")]


def curve(rates: list[float], shares: list[float]) -> Curve:
    thresholds = np.linspace(0.9, 0.1, len(rates))
    return Curve(thresholds, np.linspace(0.2, 1, len(rates)), np.array(rates), np.array(shares))


def test_delays_are_counted_in_their_bars_and_misses_in_their_own() -> None:
    svg = plots.delays([0.0, 0.0, 0.5, 1.0, 1.1, 30.0, 31.0, inf], "said")
    labels = [text for text in texts(svg, "tick") if not text.isdigit() or text == "0"][1:]  # without the y axis
    assert labels == ["0", "≤ 1", "≤ 2", "≤ 5", "≤ 10", "≤ 30", "&gt; 30", "missed"]
    assert texts(svg, "count") == ["2", "2", "1", "0", "0", "1", "1", "1"]
    assert svg.count('class="bar missed"') == 1


def test_delays_of_no_event_are_an_empty_plot() -> None:
    assert set(texts(plots.delays([], "said"), "count")) == {"0"}


def test_the_line_is_dotted_from_where_half_of_normal_time_is_under_alert() -> None:
    svg = plots.operating(curve([1, 2, 3, 1], [0.1, 0.2, 0.6, 0.9]), NONE, NONE, "said")
    solid, dotted = path(svg, "line"), path(svg, "line crowded")
    assert (len(solid), len(dotted)) == (2, 3)
    assert solid[-1] == dotted[0]  # without a hole


def test_a_runs_own_point_stands_at_its_figures() -> None:
    svg = plots.operating(curve([0, 10], [0, 0.1]), Figure(0.5, 0.4, 0.6), Figure(5, 4, 6), "said")
    (x, y) = re.findall(r'<circle class="own" cx="([^"]*)" cy="([^"]*)"', svg)[0]
    (left, bottom), (right, top) = path(svg, "line")
    assert float(x) == (left + right) / 2
    assert top < float(y) < bottom


def test_without_normal_video_there_is_no_line_and_no_point() -> None:
    svg = plots.operating(curve([nan, nan], [nan, nan]), Figure(0.5, 0.4, 0.6), NONE, "said")
    assert "circle" not in svg
    assert 'class="line"' not in svg


def test_an_interval_that_is_undefined_is_a_point_and_no_figure_is_nothing() -> None:
    assert 'd="M60 8H60"' in plots.whisker(Figure(0.5, nan, nan))
    assert plots.whisker(NONE) == ""
