from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cleaning import Cleaned, Cleaner, Identity
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

    def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
        cleaned, self._last = self._last or judgement, judgement
        return Cleaned(cleaned)

    def skip(self) -> None:
        return None

    def reset(self) -> None:
        self._last = None


class Next:
    """A cleaner that says of each judgement at last what the next one says, unless either is unknown."""

    def __init__(self) -> None:
        self._last: Judgement | None = None

    def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
        last, self._last = self._last, judgement
        both = last is not None and last.score is not None and judgement.score is not None
        return Cleaned(judgement, judgement if both else None)

    def skip(self) -> None:
        self._last = None

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


def test_an_amended_point_and_the_new_one_are_what_they_had_been_if_it_had_been_said_at_once() -> None:
    line, plain = (CameraTimeline("front", each, Ewma(2.0), 5) for each in (Next(), Identity()))
    points = [line.push(meta(float(i)), Judgement(score)) for i, score in enumerate([0.2, 0.9, 0.4])]
    wanted = [plain.push(meta(float(i)), Judgement(score)) for i, score in enumerate([0.9, 0.4, 0.4])]
    assert [point.score for point in points[1:]] != [wanted[1].score, wanted[2].score]  # point 1 was provisional
    assert points[0].amended is None
    assert points[1].amended == replace(wanted[0], raw=0.2)
    assert points[2].amended == replace(wanted[1], raw=0.9)
    assert points[2].score == wanted[2].score
    assert [point.score for point in line.history] == [point.score for point in wanted]


def test_history_holds_points_as_amended_and_no_chain_of_amendments() -> None:
    line = CameraTimeline("front", Next(), NoSmoothing(), 5)
    points = [line.push(meta(float(i)), Judgement(i / 100)) for i in range(50)]
    assert [point.score for point in line.history] == [0.46, 0.47, 0.48, 0.49, 0.49]
    assert all(point.amended is None for point in line.history)
    assert all(point.amended is not None and point.amended.amended is None for point in points[1:])


@pytest.mark.parametrize(
    ("after", "neighbours"),
    [
        (meta(4), True),
        (meta(5), False),  # a window was dropped
        (meta(0.5, segment=1, time_s=EPOCH_S + 5), False),
        (meta(4, segment=1, time_s=EPOCH_S + 4), False),
        (meta(100), False),  # begins anew
        (meta(4, segment=1, time_s=EPOCH_S - 4), False),  # begins anew too
    ],
)
def test_only_the_next_window_of_the_same_segment_is_a_neighbour(after: WindowMeta, neighbours: bool) -> None:
    line = CameraTimeline("front", Next(), NoSmoothing(), 5)
    line.push(meta(3), Judgement(0.5))
    point = line.push(after, Judgement(0.7))
    assert (point.amended is not None) is neighbours
    assert line.history[0].score == (0.7 if neighbours else 0.5)


def test_a_gap_between_windows_is_no_reason_to_begin_anew() -> None:
    line = CameraTimeline("front", Previous(), Ewma(1000.0), 5)
    line.push(meta(0), Judgement(0.0))
    line.push(meta(1), Judgement(1.0))
    point = line.push(meta(3), Judgement(1.0))
    assert point.score == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("vector", [[math.nan, 1.0], [math.inf, 1.0], [0.0, 0.0]])
def test_a_vector_without_a_direction_counts_as_none(vector: list[float]) -> None:
    class Keeps(Identity):
        def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
            received.append(judgement)
            return super().push(judgement, amended)

    received: list[Judgement] = []
    line = CameraTimeline("front", Keeps(), NoSmoothing(), 5)
    line.push(meta(0), Judgement(0.5, vector=np.array(vector, np.float32)))
    line.push(meta(1), Judgement(0.5, vector=np.array([0, 1], np.float32)))
    assert [judgement.vector is None for judgement in received] == [True, False]


def test_history_is_bounded_and_in_order() -> None:
    line = timeline()
    points = [line.push(meta(float(i)), Judgement(0.5)) for i in range(12)]
    assert list(line.history) == points[-5:]


judgements = st.one_of(st.just(Judgement.unknown("?")), st.floats(0, 1).map(Judgement))


steps = st.lists(st.tuples(st.sampled_from([1.0, 1.0, 1.0, 2.0, 70.0]), judgements), max_size=40)


def pushed(steps: list[tuple[float, Judgement]], cleaner: Cleaner) -> tuple[list[ScorePoint], CameraTimeline]:
    line, pts_s, points = CameraTimeline("front", cleaner, Ewma(3.0), 50), 0.0, []
    for step_s, judgement in steps:
        pts_s += step_s
        points.append(line.push(meta(pts_s), judgement))
    return points, line


@pytest.mark.parametrize("cleaner", [Identity, Previous, Next])
@given(sequence=steps, cut=st.integers(0, 40))
def test_points_up_to_a_time_do_not_depend_on_what_comes_later(
    cleaner: type[Cleaner], sequence: list[tuple[float, Judgement]], cut: int
) -> None:
    assert pushed(sequence, cleaner())[0][:cut] == pushed(sequence[:cut], cleaner())[0]


@given(steps.filter(bool))
def test_history_and_the_newest_point_are_those_of_the_amended_judgements(
    sequence: list[tuple[float, Judgement]],
) -> None:
    settled: list[tuple[float, Judgement]] = []
    for (step_s, judgement), (next_step_s, following) in zip(sequence, [*sequence[1:], (0.0, None)], strict=True):
        known = following is not None and following.score is not None and judgement.score is not None
        settled.append((step_s, following if known and next_step_s == 1.0 and following else judgement))
    points, line = pushed(sequence, Next())
    wanted, _ = pushed(settled, Identity())
    assert [point.score for point in line.history] == [point.score for point in wanted]
    assert points[-1].score == wanted[-1].score
