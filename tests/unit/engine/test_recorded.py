from __future__ import annotations

import math

import pytest

from engine.errors import UsageError
from engine.recorded import RecordedScorer, Response
from engine.types import Box, Judgement, Window
from tests.unit.engine.frames import frame


def window(slot: int, *, index: int = 0, camera: str = "front", segment: int = 0) -> Window:
    """A window that ends at slot / 8 seconds."""
    return Window(camera, segment, index, (frame(slot, camera=camera, segment=segment),), 1.0)


def scores(scorer: RecordedScorer, *windows: Window) -> list[float | None]:
    return [judgement.score for judgement in scorer.score(windows)]


def test_answers_by_index_for_the_right_camera() -> None:
    scorer = RecordedScorer(
        [
            Response(camera="front", index=0, score=0.1),
            Response(camera="front", index=1, score=0.2),
            Response(camera="yard", index=1, score=0.9),
        ]
    )
    assert scores(scorer, window(8, index=1), window(8, index=1, camera="yard"), window(0)) == [0.2, 0.9, 0.1]


def test_answers_by_time_for_up_to_the_given_age_and_never_with_a_later_response() -> None:
    scorer = RecordedScorer(
        [Response(camera="front", pts_s=2.0, score=0.2), Response(camera="front", pts_s=1.0, score=0.1)],
        max_age_s=0.5,
    )
    assert scores(scorer, *(window(slot) for slot in (7, 8, 12, 13, 15, 16, 20, 21))) == [
        None, 0.1, 0.1, None, None, 0.2, 0.2, None,
    ]  # fmt: skip


def test_a_time_that_was_rounded_on_its_way_still_matches() -> None:
    scorer = RecordedScorer([Response(camera="front", pts_s=1.0011, score=0.1)])
    assert scores(scorer, window(8)) == [0.1]


def test_a_response_of_the_windows_segment_goes_before_one_of_every_segment() -> None:
    scorer = RecordedScorer(
        [
            Response(camera="front", index=0, score=0.1),
            Response(camera="front", segment=1, index=0, score=0.2),
            Response(camera="front", segment=2, pts_s=0.0, score=0.3),
        ]
    )
    assert scores(scorer, window(0), window(0, segment=1), window(0, segment=2)) == [0.1, 0.2, 0.3]


def test_a_window_without_a_response_is_unknown_and_says_which() -> None:
    (judgement,) = RecordedScorer([]).score([window(20, index=3, segment=1)])
    assert judgement == Judgement.unknown("no response recorded for front, window 3, 2.500 s of segment 1")


def test_the_whole_answer_comes_back_and_a_recorded_unknown_stays_unknown() -> None:
    box = Box(0.1, 0.2, 0.3, 0.4)
    scorer = RecordedScorer(
        [
            Response(camera="front", index=0, score=0.8, text="A man climbs.", boxes=(box,)),
            Response(camera="front", index=1, reason="scorer failed"),
            Response(camera="front", index=2),
        ]
    )
    assert list(scorer.score([window(0, index=i) for i in range(3)])) == [
        Judgement(0.8, text="A man climbs.", boxes=(box,)),
        Judgement.unknown("scorer failed"),
        Judgement.unknown("recorded as unknown"),
    ]


def test_two_responses_for_one_index_are_refused() -> None:
    with pytest.raises(UsageError, match="two responses for window 4 of camera front"):
        RecordedScorer([Response(camera="front", index=4, score=score) for score in (0.1, 0.2)])


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan])
def test_a_recorded_score_outside_its_range_is_refused(score: float) -> None:
    with pytest.raises(UsageError, match="outside 0 to 1"):
        Response(camera="front", index=0, score=score)


def test_a_response_needs_exactly_one_of_index_and_time() -> None:
    with pytest.raises(UsageError, match="either index or pts_s"):
        Response(camera="front", score=0.1)
    with pytest.raises(UsageError, match="either index or pts_s"):
        Response(camera="front", index=0, pts_s=0.0, score=0.1)
