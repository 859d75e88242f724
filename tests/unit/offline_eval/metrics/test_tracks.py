from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from engine.errors import UsageError
from offline_eval.datasets.base import Span, Video
from offline_eval.metrics.tracks import Track, same_videos
from tests.unit.offline_eval.metrics.reference import frame_labels, track, tracks


def test_equal_neighbours_become_one_run_and_unknown_ones_too() -> None:
    made = track("a", [0.1, 0.1, np.nan, np.nan, 0.1])
    assert made.lengths.tolist() == [2, 2, 1]
    np.testing.assert_array_equal(made.values, [0.1, np.nan, 0.1])


def test_runs_are_split_where_spans_begin_and_end() -> None:
    values, abnormal, lengths = track("a", [1, 1, 1, 2, 2, 2], [(0, 2), (4, 6)]).labelled()
    assert values.tolist() == [1, 1, 2, 2]
    assert abnormal.tolist() == [True, False, False, True]
    assert lengths.tolist() == [2, 1, 1, 2]


@given(tracks())
def test_runs_hold_what_frames_hold(made: list[Track]) -> None:
    for one in made:
        values, abnormal, lengths = one.labelled()
        np.testing.assert_array_equal(np.repeat(values, lengths), one.frames())
        np.testing.assert_array_equal(np.repeat(abnormal, lengths), frame_labels(one.video) == 1)


def test_scores_of_another_length_than_the_video_are_refused() -> None:
    with pytest.raises(UsageError, match="a: scores for 2 of its 3 frames"):
        Track.of_frames(Video("a", frame_count=3), np.zeros(2))
    with pytest.raises(UsageError, match="a: scores for 0 of its 3 frames"):
        Track.of_frames(Video("a", frame_count=3), np.zeros(0))
    with pytest.raises(UsageError, match="its frame count is unknown"):
        Track.of_frames(Video("a", ("Fire",), (Span(0, 1),)), np.zeros(3))


def test_runs_on_different_videos_cannot_be_compared() -> None:
    same_videos(["a", "b"], ["a", "b"])
    with pytest.raises(UsageError, match="1 videos are in one only, such as c"):
        same_videos(["a"], ["a", "c"])
    with pytest.raises(UsageError, match="their order differs"):
        same_videos(["a", "b"], ["b", "a"])
