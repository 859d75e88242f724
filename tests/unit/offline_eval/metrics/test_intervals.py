from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UsageError
from offline_eval.metrics.intervals import compare, intervals, resamples


def test_resamples_draw_as_many_videos_as_there_are_and_begin_with_each_once() -> None:
    weights = resamples(7, count=50, seed=3)
    assert weights.shape == (51, 7)
    assert weights[0].tolist() == [1] * 7
    assert (weights.sum(1) == 7).all()
    assert (weights == resamples(7, count=50, seed=3)).all()
    assert (weights != resamples(7, count=50, seed=4)).any()


def test_an_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(0), 0
    for seed in range(200):
        values = rng.normal(size=60)
        weights = resamples(60, count=300, seed=seed)
        figure = intervals({"mean": weights @ values / 60})["mean"]
        covered += figure.low <= 0 <= figure.high
        assert figure.value == pytest.approx(values.mean())
    assert 0.88 <= covered / 200 <= 0.99


def test_resamples_without_a_figure_are_left_out() -> None:
    figure = intervals({"x": np.array([1.0, np.nan, 1.0, 3.0])})["x"]
    assert (figure.low, figure.high) == pytest.approx((1.05, 2.95))
    assert np.isnan(intervals({"x": np.array([np.nan, np.nan])})["x"].low)


def test_a_difference_is_found_where_it_is_paired_though_the_runs_intervals_overlap() -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(size=80)
    second = first + 0.1 + rng.normal(scale=0.05, size=80)
    weights = resamples(80)
    runs = {"x": weights @ first / 80}, {"x": weights @ second / 80}
    alone = [intervals(run)["x"] for run in runs]
    assert alone[0].high > alone[1].low
    difference = compare(*runs)["x"]
    assert difference.value == pytest.approx((second - first).mean())
    assert 0 < difference.low < difference.value < difference.high
    assert difference.p < 0.01


def test_runs_that_do_not_differ_are_not_told_apart() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 80))
    weights = resamples(80)
    assert compare({"x": weights @ first}, {"x": weights @ second})["x"].p > 0.05
    same = compare({"x": weights @ first}, {"x": weights @ first})["x"]
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_chance_differences_are_significant_about_as_rarely_as_p_says() -> None:
    rng = np.random.default_rng(3)
    found = 0
    for seed in range(200):
        weights = resamples(60, count=200, seed=seed)
        first, second = rng.normal(size=(2, 60))
        found += compare({"x": weights @ first}, {"x": weights @ second})["x"].p < 0.05
    assert found / 200 < 0.12


def test_an_undefined_difference_has_no_p() -> None:
    undefined = compare({"x": np.full(3, np.nan)}, {"x": np.ones(3)})["x"]
    assert np.isnan([undefined.value, undefined.low, undefined.p]).all()


def test_only_figures_of_both_runs_are_compared_and_only_with_the_same_resamples() -> None:
    assert compare({"x": np.ones(3), "y": np.ones(3)}, {"x": np.ones(3)}).keys() == {"x"}
    with pytest.raises(UsageError, match="a different number of times"):
        compare({"x": np.ones(3)}, {"x": np.ones(4)})
