from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.smoothing import MAX_POINTS, Ewma, NoSmoothing, OneSidedGaussian, Smoother

SMOOTHERS: list[Callable[[], Smoother]] = [
    NoSmoothing,
    lambda: Ewma(2.8),
    lambda: Ewma(0.01),
    lambda: OneSidedGaussian(5.0, 9.0),
    lambda: OneSidedGaussian(1.0, 0.5),
]
each_smoother = pytest.mark.parametrize("make", SMOOTHERS)

Step = tuple[float, float | None]  # seconds since the step before, value
scores = st.floats(0, 1, allow_subnormal=False)
steps = st.lists(st.tuples(st.floats(0, 30), st.none() | scores), max_size=30)


def smoothed(smoother: Smoother, sequence: Sequence[Step], start_s: float = 1_700_000_000.0) -> list[float | None]:
    time_s, out = start_s, []
    for step_s, value in sequence:
        time_s += step_s
        out.append(smoother.push(time_s, value))
    return out


@each_smoother
@given(sequence=steps, later=steps)
def test_what_comes_later_changes_nothing_before(
    make: Callable[[], Smoother], sequence: list[Step], later: list[Step]
) -> None:
    assert smoothed(make(), sequence + later)[: len(sequence)] == smoothed(make(), sequence)


@each_smoother
@given(sequence=steps)
def test_stays_between_the_least_and_the_greatest_value_so_far(
    make: Callable[[], Smoother], sequence: list[Step]
) -> None:
    seen: list[float] = []
    for (_, value), out in zip(sequence, smoothed(make(), sequence), strict=True):
        seen += [] if value is None else [value]
        if seen:
            assert out is not None
            assert min(seen) - 1e-12 <= out <= max(seen) + 1e-12
            assert 0 <= out <= 1
        else:
            assert out is None


@each_smoother
@given(value=scores, gaps_s=st.lists(st.floats(0, 30), min_size=1, max_size=30))
def test_a_constant_stays_exactly_itself(make: Callable[[], Smoother], value: float, gaps_s: list[float]) -> None:
    assert smoothed(make(), [(gap_s, value) for gap_s in gaps_s]) == [value] * len(gaps_s)


@each_smoother
@given(sequence=steps)
def test_unknown_holds_the_last_value_and_leaves_no_trace(make: Callable[[], Smoother], sequence: list[Step]) -> None:
    smoother, time_s, without_unknown, last = make(), 0.0, make(), None
    for step_s, value in sequence:
        time_s += step_s
        out = smoother.push(time_s, value)
        if value is not None:
            last = without_unknown.push(time_s, value)
        assert out == last


@each_smoother
@given(sequence=steps, again=steps)
def test_reset_forgets_everything(make: Callable[[], Smoother], sequence: list[Step], again: list[Step]) -> None:
    used = make()
    smoothed(used, sequence)
    used.reset()
    assert smoothed(used, again, start_s=5.0) == smoothed(make(), again, start_s=5.0)


@each_smoother
@given(sequence=steps, other=steps, again=steps)
def test_a_copy_goes_on_from_the_same_state_whatever_becomes_of_the_first(
    make: Callable[[], Smoother], sequence: list[Step], other: list[Step], again: list[Step]
) -> None:
    first, time_s = make(), 1_700_000_000.0
    smoothed(first, sequence, time_s)
    for step_s, _ in sequence:
        time_s += step_s
    same = first.copy()
    smoothed(first, other, time_s)
    assert smoothed(same, again, time_s) == smoothed(make(), sequence + again)[len(sequence) :]


@pytest.mark.parametrize(
    ("make", "weigh"),
    [
        (lambda: Ewma(2.8), lambda age_s: np.exp(-age_s / 2.8)),
        (lambda: OneSidedGaussian(5.0, 9.0), lambda age_s: np.exp(-0.5 * (age_s / 5.0) ** 2) * (age_s < 9.0)),
    ],
)
@given(sequence=st.lists(st.tuples(st.floats(0, 4), scores), min_size=1, max_size=30))
def test_equals_the_weighted_mean_over_the_whole_past(
    make: Callable[[], Smoother],
    weigh: Callable[[np.ndarray[tuple[int], np.dtype[np.float64]]], np.ndarray[tuple[int], np.dtype[np.float64]]],
    sequence: list[tuple[float, float]],
) -> None:
    times_s = np.cumsum([step_s for step_s, _ in sequence])
    values = np.array([value for _, value in sequence])
    for i, out in enumerate(smoothed(make(), sequence, start_s=0.0)):
        weights = weigh(times_s[i] - times_s[: i + 1])
        assert out == pytest.approx(float(weights @ values[: i + 1] / weights.sum()), abs=1e-12)


def test_ewma_at_a_fixed_stride_is_the_usual_alpha_after_its_start() -> None:
    alpha, stride_s, plain = 0.3, 2.0, 0.0
    smoother = Ewma(-stride_s / math.log(1 - alpha))
    for i in range(200):
        value = float(i % 7 in (2, 3))
        plain += alpha * (value - plain)
        out = smoother.push(i * stride_s, value)
        assert out == pytest.approx(plain / (1 - (1 - alpha) ** (i + 1)))


def test_ewma_trusts_a_value_from_before_a_long_hole_less() -> None:
    near, far = Ewma(3.0), Ewma(3.0)
    near.push(0.0, 1.0)
    far.push(0.0, 1.0)
    assert (near.push(1.0, 0.0) or 0) > 0.4
    assert (far.push(20.0, 0.0) or 0) < 0.01


def test_gaussian_memory_is_bounded_however_fast_values_come() -> None:
    smoother = OneSidedGaussian(5.0, 9.0)
    for i in range(3 * MAX_POINTS):
        smoother.push(i * 1e-4, 0.5)
    assert len(smoother._points) == MAX_POINTS
    smoother.push(100.0, 0.5)
    assert len(smoother._points) == 1


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_constant_that_is_no_positive_time_is_refused(seconds: float) -> None:
    with pytest.raises(UsageError, match="time constant"):
        Ewma(seconds)
    with pytest.raises(UsageError, match="sigma"):
        OneSidedGaussian(seconds, 9.0)
    with pytest.raises(UsageError, match="length"):
        OneSidedGaussian(5.0, seconds)
