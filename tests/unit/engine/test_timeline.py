from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cleaning import Identity
from engine.errors import RuntimeFault
from engine.smoothing import Ewma, NoSmoothing
from engine.timeline import CameraTimeline, WindowMeta
from engine.types import Box, Judgement, ScorePoint
from tests.unit.engine.frames import window

EPOCH_S = 1_700_000_000.0


def meta(pts_s: float, *, segment: int = 0, time_s: float | None = None, camera: str = "front") -> WindowMeta:
    return WindowMeta(camera, segment, round(pts_s), pts_s, EPOCH_S + pts_s if time_s is None else time_s, 1.0)


def timeline(**overrides: float) -> CameraTimeline:
    return CameraTimeline("front", Identity(), NoSmoothing(), 5, **overrides)


class Previous:
    """A cleaner that answers with the judgement before: easy to see in the points."""

    def __init__(self) -> None:
        self._last: Judgement | None = None

    def push(self, judgement: Judgement) -> Judgement:
        cleaned, self._last = self._last or judgement, judgement
        return cleaned

    def reset(self) -> None:
        self._last = None


def test_meta_takes_a_windows_place_and_leaves_its_pixels() -> None:
    w = window(16)
    assert WindowMeta.of(w) == WindowMeta("front", 0, 16, 2.0, 1_000_002.0, 1.0)


def test_a_point_carries_the_windows_place_and_the_judgements_words() -> None:
    box = Box(0.1, 0.2, 0.3, 0.4, "man")
    point = timeline().push(meta(3.0), Judgement(0.5, text="A man climbs.", boxes=(box,)))
    assert point == ScorePoint(
        camera="front",
        segment=0,
        index=3,
        pts_s=3.0,
        time_s=EPOCH_S + 3.0,
        raw=0.5,
        cleaned=0.5,
        score=0.5,
        held=False,
        text="A man climbs.",
        boxes=(box,),
        length_s=1.0,
    )


def test_the_score_is_the_smoothed_cleaned_judgement() -> None:
    line, smoother = CameraTimeline("front", Previous(), Ewma(2.0), 5), Ewma(2.0)
    points = [line.push(meta(float(i)), Judgement(score)) for i, score in enumerate([0.2, 0.9, 0.4])]
    assert [point.raw for point in points] == [0.2, 0.9, 0.4]
    assert [point.cleaned for point in points] == [0.2, 0.2, 0.9]
    assert [point.score for point in points] == [
        smoother.push(EPOCH_S + i, value) for i, value in enumerate([0.2, 0.2, 0.9])
    ]


def test_unknown_holds_the_last_score_is_marked_and_says_why() -> None:
    line = timeline()
    first = line.push(meta(0), Judgement.unknown("warming up"))
    assert (first.raw, first.score, first.held, first.reason) == (None, None, False, "warming up")
    line.push(meta(1), Judgement(0.7))
    held = line.push(meta(2), Judgement.unknown("scorer failed"))
    assert (held.raw, held.cleaned, held.score, held.held, held.reason) == (None, None, 0.7, True, "scorer failed")


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, 1.0001, -0.1])
def test_a_score_outside_its_range_is_unknown_and_never_reaches_the_smoothing(score: float) -> None:
    line = CameraTimeline("front", Identity(), Ewma(2.0), 5)
    line.push(meta(0), Judgement(0.25))
    point = line.push(meta(1), Judgement(score, text="garbage"))
    assert (point.raw, point.score, point.held, point.text) == (None, 0.25, True, None)
    assert "outside 0 to 1" in point.reason
    assert line.push(meta(2), Judgement(0.25)).score == 0.25


@pytest.mark.parametrize(
    ("late", "place"),
    [
        (meta(5), "5.000 s of segment 1"),
        (meta(4.5, segment=1), "4.500 s"),
        (meta(9, segment=0), "9.000 s of segment 0"),
    ],
)
def test_a_repeated_or_late_window_is_refused_and_changes_nothing(late: WindowMeta, place: str) -> None:
    line, other = (CameraTimeline("front", Identity(), Ewma(2.0), 5) for _ in range(2))
    for each in (line, other):
        each.push(meta(5, segment=1), Judgement(0.4))
    late = replace(late, segment=1) if late == meta(5) else late
    with pytest.raises(RuntimeFault, match=f"front: window at {place}.* came after the one at 5.000 s of segment 1"):
        line.push(late, Judgement(1.0))
    after = meta(6, segment=1), Judgement(0.0)
    assert line.push(*after) == other.push(*after)
    assert line.history == other.history


def test_another_cameras_window_is_refused() -> None:
    with pytest.raises(RuntimeFault, match="front: was given a window of camera yard"):
        timeline().push(meta(0, camera="yard"), Judgement(0.1))


def test_a_short_outage_keeps_the_smoothing_and_a_long_one_begins_anew() -> None:
    def after(gap_s: float) -> float | None:
        line = CameraTimeline("front", Identity(), Ewma(1000.0), 5, reset_after_s=60.0)
        line.push(meta(0), Judgement(1.0))
        return line.push(meta(0, segment=1, time_s=EPOCH_S + gap_s), Judgement(0.0)).score

    assert after(59.0) == pytest.approx(0.5, abs=0.02)
    assert after(60.0) == 0.0


def test_a_held_score_is_given_up_when_nothing_was_known_for_the_reset_time() -> None:
    line = timeline(reset_after_s=10.0)
    line.push(meta(0), Judgement(0.9))
    points = [line.push(meta(float(i)), Judgement.unknown("no scorer")) for i in range(1, 13)]
    assert [point.score for point in points] == [0.9] * 9 + [None] * 3
    assert [point.held for point in points] == [True] * 9 + [False] * 3


def test_a_reset_forgets_the_neighbour_too() -> None:
    line = CameraTimeline("front", Previous(), NoSmoothing(), 5, reset_after_s=10.0)
    line.push(meta(0), Judgement(0.9))
    assert line.push(meta(1), Judgement(0.1)).cleaned == 0.9
    assert line.push(meta(20), Judgement(0.3)).cleaned == 0.3


def test_time_that_runs_back_in_a_new_segment_begins_anew() -> None:
    line = CameraTimeline("front", Identity(), Ewma(1000.0), 5)
    line.push(meta(7), Judgement(1.0))
    assert line.push(meta(0, segment=1, time_s=EPOCH_S - 3600), Judgement(0.0)).score == 0.0


def test_history_is_bounded_and_in_order() -> None:
    line = timeline()
    points = [line.push(meta(float(i)), Judgement(0.5)) for i in range(12)]
    assert list(line.history) == points[-5:]


judgements = st.one_of(st.just(Judgement.unknown("?")), st.floats(0, 1).map(Judgement))


@given(st.lists(st.tuples(st.floats(0.1, 40), judgements), max_size=40), st.integers(0, 40))
def test_points_up_to_a_time_do_not_depend_on_what_comes_later(
    sequence: list[tuple[float, Judgement]], cut: int
) -> None:
    def run(part: list[tuple[float, Judgement]]) -> list[ScorePoint]:
        line, pts_s, points = CameraTimeline("front", Previous(), Ewma(3.0), 3), 0.0, []
        for step_s, judgement in part:
            pts_s += step_s
            points.append(line.push(meta(pts_s), judgement))
        return points

    assert run(sequence)[:cut] == run(sequence[:cut])
