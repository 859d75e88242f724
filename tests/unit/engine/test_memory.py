from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.memory import Floats, Habit, Refinement


def units(count: int, seed: int = 0, dimensions: int = 4) -> Floats:
    vectors: Floats = np.random.default_rng(seed).normal(size=(count, dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def test_nothing_is_surprising_before_there_is_a_past() -> None:
    assert Habit(10).surprise(units(1)[0]) == 0


def test_surprise_is_the_weighted_mean_distance_to_what_came_before() -> None:
    vectors, habit = units(6), Habit(4)
    for vector in vectors[:5]:
        habit.add(vector)
    weights = 0.75 ** np.arange(4, -1, -1)
    wanted = 1 - weights @ (vectors[:5] @ vectors[5]) / weights.sum()
    assert habit.surprise(vectors[5]) == pytest.approx(wanted)


def test_a_habit_of_one_window_is_the_window_before() -> None:
    vectors, habit = units(3), Habit(1)
    habit.add(vectors[0])
    habit.add(vectors[1])
    assert habit.surprise(vectors[1]) == pytest.approx(0)


def test_a_habit_does_not_change_the_vectors_it_is_given() -> None:
    vectors, habit = units(3), Habit(5)
    for vector in vectors:
        habit.add(vector)
    np.testing.assert_array_equal(vectors, units(3))


@given(st.integers(1, 12), st.floats(0.02, 2), st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_refinement_is_a_softmax_over_the_last_windows(size: int, temperature: float, scores: list[float]) -> None:
    vectors, memory = units(len(scores)), Refinement(size, temperature)
    refined = [memory.push(vector, score) for vector, score in zip(vectors, scores, strict=True)]
    for index, value in enumerate(refined):
        first = max(0, index - size + 1)
        weights = np.exp(vectors[first : index + 1] @ vectors[index] / temperature)
        assert value == pytest.approx(weights @ scores[first : index + 1] / weights.sum(), abs=1e-9)
        assert min(scores) - 1e-12 <= value <= max(scores) + 1e-12


def test_one_odd_answer_about_the_same_thing_is_outvoted() -> None:
    memory, (vector, other) = Refinement(60, 0.1), np.eye(2)
    for score in (0.0, 0.0, 0.0):
        memory.push(vector, score)
    assert memory.push(vector, 1.0) == 0.25
    assert memory.push(other, 1.0) > 0.99  # of something else, the past says nothing


def test_reset_forgets() -> None:
    vector, other = units(2)
    habit, memory = Habit(5), Refinement(5, 0.1)
    habit.add(vector)
    memory.push(vector, 1.0)
    habit.reset()
    memory.reset()
    assert habit.surprise(other) == 0
    assert memory.push(vector, 0.2) == pytest.approx(0.2)


@pytest.mark.parametrize("make", [lambda: Habit(0.5), lambda: Refinement(0, 0.1), lambda: Refinement(3, 0.0)])
def test_what_remembers_nothing_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(UsageError):
        make()
