from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from offline_eval.datasets.base import LabelEnds, Span, Video, joined, video_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("frames/Abuse/Abuse028_x264.mp4", "Abuse028_x264"),
        ("C:\\videos\\a b.AVI", "a b"),
        ("Your.Name.2016__#00-05-52_00-08-22_label_A", "Your.Name.2016__#00-05-52_00-08-22_label_A"),
        ("v=S-7rRLrxnVQ__#1_label_B4-0-0.mp4", "v=S-7rRLrxnVQ__#1_label_B4-0-0"),
        ("Cafe\u0301.mp4", "Caf\u00e9"),
        ("no suffix", "no suffix"),
    ],
)
def test_a_name_is_the_file_name_without_a_video_suffix(path: str, name: str) -> None:
    assert video_name(path) == name


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10))))
def test_joined_spans_hold_the_same_frames_and_never_touch(pairs: list[tuple[int, int]]) -> None:
    spans = [Span(start, start + length) for start, length in pairs]
    result = joined(spans)
    frames = sorted(frame for span in result for frame in range(*span))
    assert frames == sorted({frame for span in spans for frame in range(*span)})
    assert all(first.end < second.start for first, second in pairwise(result))


def test_spans_are_cut_at_the_end_and_dropped_past_it() -> None:
    video = Video("a", ("Fire",), (Span(10, 20), Span(90, 130), Span(140, 150)))
    assert video.measured(100).spans == (Span(10, 20), Span(90, 100))


@pytest.mark.parametrize(
    ("fractions", "frames", "ends", "spans"),
    [
        (((41 / 120, 94 / 120),), 120, LabelEnds.EXCLUSIVE, (Span(41, 94),)),
        (((0.0, 460 / 461),), 461, LabelEnds.INCLUSIVE, (Span(0, 461),)),
        (((0.5, 0.5001),), 10, LabelEnds.EXCLUSIVE, (Span(5, 6),)),
        (((0.5, 0.5001),), 10, LabelEnds.INCLUSIVE, (Span(5, 6),)),
        (((0.999, 1.0),), 10, LabelEnds.EXCLUSIVE, (Span(9, 10),)),
    ],
)
def test_fractions_become_the_nearest_frames_and_at_least_one(
    fractions: tuple[tuple[float, float], ...], frames: int, ends: LabelEnds, spans: tuple[Span, ...]
) -> None:
    video = Video("a", ("Fire",), fractions=fractions, ends=ends).measured(frames)
    assert video.spans == spans
    assert video.measured(frames) == video


def test_an_unknown_frame_count_is_an_error_that_says_what_to_try() -> None:
    with pytest.raises(UsageError, match=r"a: its frame count is unknown: give the folder"):
        Video("a").known_frame_count()
