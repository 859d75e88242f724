from __future__ import annotations

import numpy as np
import pytest

from engine.motion.baseline import BINS_PER_DOUBLING, Usual

ONE_BIN = 2 ** (1 / BINS_PER_DOUBLING)


def learnt(values: list[float], *, trust: float = 1.0, memory_s: float = 1e9, prior_s: float = 0.0) -> Usual:
    usual = Usual(0.01, memory_s=memory_s, prior_s=prior_s)
    for value in values:
        usual.learn(value, 1.0, trust=trust)
    return usual


def test_a_new_camera_counts_everything_above_the_floor_as_unusual() -> None:
    usual = learnt([], prior_s=30)
    assert usual.level == 0.01
    assert usual.at_floor


def test_the_level_is_the_quantile_to_within_a_bin() -> None:
    values = np.random.default_rng(1).lognormal(mean=-2, sigma=0.7, size=2000)
    exact = float(np.quantile(values, 0.95))
    assert exact <= learnt(list(values)).level * ONE_BIN
    assert learnt(list(values)).level <= exact * ONE_BIN


def test_a_still_scene_keeps_to_the_floor() -> None:
    assert learnt([0.0] * 100 + [1e-9] * 100).at_floor


def test_a_twentieth_of_wild_values_moves_nothing() -> None:
    assert learnt(([0.0] * 20 + [5.0]) * 30).at_floor


def test_what_happens_now_and_then_becomes_usual() -> None:
    level = learnt(([0.0] * 4 + [0.5]) * 30).level
    assert 0.5 <= level <= 0.5 * ONE_BIN


def test_distrusted_values_teach_later() -> None:
    wild = [0.5] * 8
    assert not learnt(wild, prior_s=60).at_floor
    assert learnt(wild, prior_s=60, trust=0.1).at_floor


def test_what_was_usual_is_forgotten() -> None:
    usual = learnt([0.5] * 100, memory_s=50)
    assert usual.level >= 0.5
    for _ in range(200):
        usual.learn(0.0, 1.0)
    assert usual.at_floor


@pytest.mark.parametrize("value", [1e3, 1e9])
def test_values_beyond_the_last_bin_are_held_there(value: float) -> None:
    assert learnt([value] * 10).level == 0.01 * 2**12
