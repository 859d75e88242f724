"""Scorer, cleaning, memory, smoothing and alerts together, on twelve windows that can be worked out by hand.

A street, one window a second. The scorer sees a fight where there is none (window 2) and misses the beginning of a
real one (window 4); it gives no answer (7), no sentence (9), and once there is no vector (10).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.cleaning import Chain, Cleaner, Identity
from engine.lrc import LocalResponseCleaning, LrcSettings
from engine.memory import Memory, MemorySettings
from engine.policy import AlertPolicy, Decision, DecisionType, PolicySettings
from engine.scripted import ScriptedScorer
from engine.smoothing import Ewma
from engine.timeline import CameraTimeline, WindowMeta
from engine.types import Judgement, ScorePoint, Window
from tests.unit.engine.frames import frame
from tests.unit.engine.sentences import GivenVectors

STREET, FIGHT, FALL = "The street is empty.", "Two men fight.", "A man lies on the ground."

# v . t of what is seen and what is said:      street  fight  fall
EMPTY, FIGHTING, AFTER = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8)  # empty 1, 0, 0.6; fighting 0, 1, 0.8; after 0.6, 0.8, 1
ENCODER = GivenVectors({STREET: EMPTY, FIGHT: FIGHTING, FALL: AFTER})


def said(score: float, text: str | None, seen: tuple[float, float] | None) -> Judgement:
    return Judgement(score, text, None if seen is None else np.array(seen, np.float32))


SCRIPT = [
    said(0.1, STREET, EMPTY),
    said(0.1, STREET, EMPTY),
    said(0.9, FIGHT, EMPTY),  # 2: own 0, before 1: taken from window 1. The one after is as good, and changes nothing
    said(0.1, STREET, EMPTY),
    said(0.2, STREET, AFTER),  # 4: own 0.6, before 0.6: stays; after 0.8: amended when window 5 comes
    said(0.9, FIGHT, FIGHTING),  # 5: own 1
    said(0.8, FALL, AFTER),  # 6: own 1, before 0.8
    None,  # 7: unknown
    said(0.7, FIGHT, FIGHTING),  # 8: no neighbour has an answer
    said(0.3, None, FIGHTING),  # 9: no answer of its own to clean
    said(0.1, STREET, None),  # 10: nothing to compare
    said(0.2, STREET, EMPTY),  # 11: own 1
]
RAW = [0.1, 0.1, 0.9, 0.1, 0.2, 0.9, 0.8, None, 0.7, 0.3, 0.1, 0.2]

# With a value's weight halving each second, the smoothed score is the sum N of the weighted values over the sum W of
# the weights. Each window halves both and adds its own; window 8 comes two seconds after the last known one.
HALVING = Ewma(1 / math.log(2))
WEIGHTS = [1, 1.5, 1.75, 1.875, 1.9375, 1.96875, 1.984375, None, 1.49609375, 1.748046875, 1.8740234375, 1.93701171875]

ALERTS = PolicySettings(
    open=0.55, close=0.36, alert=0.75, close_hold_s=1.0, merge_gap_s=0.0, cooldown_s=0.0, update_every_s=60.0
)


def run(cleaner: Cleaner) -> tuple[list[ScorePoint], list[tuple[int, Decision]]]:
    """The points, and the decisions with the window at which each was made."""
    scorer, timeline = ScriptedScorer(SCRIPT), CameraTimeline("front", cleaner, HALVING.copy(), 60)
    policy, points, decisions = AlertPolicy("front", ALERTS, lambda time_s: f"at {time_s}"), [], []
    for index in range(len(SCRIPT)):
        window = Window("front", 0, index, (frame(8 * index + 7),), 1.0)
        point = timeline.push(WindowMeta.of(window), scorer.score([window])[0])
        points.append(point)
        decisions += [(index, decision) for decision in policy.push(point)]
    return points, decisions


def scores(points: list[ScorePoint]) -> list[float]:
    return [math.nan if point.score is None else point.score for point in points]


def smoothed(numerators: list[float]) -> list[float]:
    """N / W, and at window 7 what it was at window 6."""
    values = [n / w for n, w in zip(numerators, [w for w in WEIGHTS if w], strict=True)]
    return [*values[:7], values[6], *values[7:]]


def told(decisions: list[tuple[int, Decision]]) -> list[tuple[int, DecisionType, str]]:
    return [(index, decision.type, decision.severity.value) for index, decision in decisions]


def stretch(decision: Decision) -> tuple[float, float | None]:
    """In windows: the start is where the first window begins."""
    first_s = 1_000_000.875
    end_s = decision.end_time_s
    return decision.start_time_s - first_s, None if end_s is None else end_s - first_s


def test_without_cleaning_what_is_not_there_is_told() -> None:
    points, decisions = run(Identity())
    assert [point.cleaned for point in points] == RAW
    # N: 0.1; 0.05 + 0.1 = 0.15; 0.075 + 0.9 = 0.975, and 0.975 / 1.75 = 0.557 is above 0.55.
    assert scores(points)[2] == pytest.approx(0.975 / 1.75)
    assert told(decisions)[0] == (2, DecisionType.NEW, "detection")
    assert decisions[0][1].point.text == FIGHT


def test_cleaning_by_the_window_before() -> None:
    points, decisions = run(LocalResponseCleaning(ENCODER, LrcSettings()))
    cleaned = [0.1, 0.1, 0.1, 0.1, 0.2, 0.9, 0.8, None, 0.7, 0.3, 0.1, 0.2]
    assert [point.raw for point in points] == RAW
    assert [point.cleaned for point in points] == cleaned
    assert [point.text for point in points] == [
        STREET, STREET, STREET, STREET, STREET, FIGHT, FALL, None, FIGHT, None, STREET, STREET,
    ]  # fmt: skip
    assert all(point.amended is None for point in points)
    numerators = [
        0.1,
        0.15,  # 0.05 + 0.1
        0.175,  # 0.075 + 0.1
        0.1875,  # 0.0875 + 0.1
        0.29375,  # 0.09375 + 0.2
        1.046875,  # 0.146875 + 0.9
        1.3234375,  # 0.5234375 + 0.8
        1.030859375,  # a quarter of it, 0.330859375, + 0.7
        0.8154296875,  # 0.5154296875 + 0.3
        0.50771484375,  # 0.40771484375 + 0.1
        0.453857421875,  # 0.253857421875 + 0.2
    ]
    assert scores(points) == pytest.approx(smoothed(numerators))
    assert [point.held for point in points] == [index == 7 for index in range(12)]
    # 0.1, 0.1, 0.1, 0.1, 0.152, 0.532, 0.667 (above 0.55), held, 0.689, 0.466, 0.271 (below 0.36), 0.234 (a second
    # later: over). It never reaches 0.75.
    assert told(decisions) == [(6, DecisionType.NEW, "detection"), (11, DecisionType.END, "detection")]
    assert stretch(decisions[1][1]) == (5, 9)  # from where window 6 begins to the end of window 9
    assert decisions[1][1].top_score == pytest.approx(1.030859375 / 1.49609375)


def test_looking_ahead_the_missed_beginning_is_amended_and_the_alert_comes_a_window_earlier() -> None:
    points, decisions = run(LocalResponseCleaning(ENCODER, LrcSettings(look_ahead=1)))
    # At once, window 4 is as without looking ahead: 0.29375 / 1.9375.
    assert (points[4].cleaned, points[4].text) == (0.2, STREET)
    assert points[4].score == pytest.approx(0.29375 / 1.9375)
    # When window 5 has come, it has that one's answer: N is 0.09375 + 0.9.
    assert [index for index, point in enumerate(points) if point.amended] == [5]
    amended = points[5].amended
    assert amended is not None
    assert (amended.index, amended.raw, amended.cleaned, amended.text) == (4, 0.2, 0.9, FIGHT)
    assert amended.score == pytest.approx(0.99375 / 1.9375)
    numerators = [
        0.1,
        0.15,
        0.175,
        0.1875,
        0.29375,
        1.396875,  # 0.99375 / 2 = 0.496875, + 0.9
        1.4984375,  # 0.6984375 + 0.8
        1.074609375,  # 0.374609375 + 0.7
        0.8373046875,  # 0.5373046875 + 0.3
        0.51865234375,  # 0.41865234375 + 0.1
        0.459326171875,  # 0.259326171875 + 0.2
    ]
    assert scores(points) == pytest.approx(smoothed(numerators))
    # 0.1, 0.1, 0.1, 0.1, 0.152, 0.710 (above 0.55), 0.755 (above 0.75), held, 0.718, 0.479, 0.277, 0.237
    assert told(decisions) == [
        (5, DecisionType.NEW, "detection"),
        (6, DecisionType.UPDATE, "alert"),
        (11, DecisionType.END, "alert"),
    ]
    assert stretch(decisions[2][1]) == (4, 9)
    assert decisions[2][1].top_score == pytest.approx(1.4984375 / 1.984375)


def test_cleaned_refined_and_smoothed() -> None:
    # At this temperature exp(fit / temperature) is 2 to the power of 5 * fit: 1, 8, 16 and 32 for 0, 0.6, 0.8 and 1.
    # All windows that say the same are near-identical, and count as one with their mean score.
    memory = Memory(ENCODER, MemorySettings(temperature=0.2 / math.log(2)))
    points, decisions = run(Chain(LocalResponseCleaning(ENCODER, LrcSettings(look_ahead=1)), memory))
    at_once_4 = 0.12  # all say "street": the mean of 0.1 four times and 0.2
    amended_4 = (8 * 0.1 + 16 * 0.9) / 24  # street and fight: 0.633
    refined_5 = (1 * 0.1 + 32 * 0.9) / 33  # fight is 0.9 twice: 0.876
    refined_6 = (8 * 0.1 + 16 * 0.9 + 32 * 0.8) / 56  # street, fight, fall: 0.729
    refined_8 = (1 * 0.1 + 32 * (0.9 + 0.9 + 0.7) / 3 + 16 * 0.8) / 49  # 0.807
    # 9 has no sentence and 10 no vector: neither is refined, nor remembered.
    refined_11 = (32 * (4 * 0.1 + 0.2) / 5 + 1 * (0.9 + 0.9 + 0.7) / 3 + 8 * 0.8) / 41  # 0.270
    cleaned = [0.1, 0.1, 0.1, 0.1, at_once_4, refined_5, refined_6, None, refined_8, 0.3, 0.1, refined_11]
    assert [point.cleaned for point in points] == [None if each is None else pytest.approx(each) for each in cleaned]
    assert points[5].amended is not None
    assert points[5].amended.cleaned == pytest.approx(amended_4)
    n_4 = 0.09375 + amended_4  # 0.727083
    n_5 = n_4 / 2 + refined_5  # 1.239299
    n_6 = n_5 / 2 + refined_6  # 1.348221
    n_8 = n_6 / 4 + refined_8  # 1.144538
    n_9 = n_8 / 2 + 0.3  # 0.872269
    n_10 = n_9 / 2 + 0.1  # 0.536135
    n_11 = n_10 / 2 + refined_11  # 0.538148
    numerators = [0.1, 0.15, 0.175, 0.1875, 0.09375 + at_once_4, n_5, n_6, n_8, n_9, n_10, n_11]
    assert scores(points) == pytest.approx(smoothed(numerators))
    assert scores(points) == pytest.approx(
        [0.1, 0.1, 0.1, 0.1, 0.110323, 0.629485, 0.679419, 0.679419, 0.765018, 0.498997, 0.286088, 0.277824], abs=2e-6
    )
    assert told(decisions) == [
        (5, DecisionType.NEW, "detection"),
        (8, DecisionType.UPDATE, "alert"),
        (11, DecisionType.END, "alert"),
    ]
    assert stretch(decisions[2][1]) == (4, 9)


def test_memory_needs_no_cleaning_before_it() -> None:
    # Window 2 says "fight" of an empty street: street twice, as one, fits with 1, fight with 0.
    memory = Memory(ENCODER, MemorySettings(temperature=0.2 / math.log(2)))
    points, _ = run(memory)
    assert points[2].cleaned == pytest.approx((32 * 0.1 + 1 * 0.9) / 33)
