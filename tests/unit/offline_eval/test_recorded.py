from __future__ import annotations

import numpy as np
import pytest

from engine.errors import ConfigError, UsageError
from offline_eval.datasets import Video
from offline_eval.methods import METHODS, Vectors
from offline_eval.recorded import match_responses, score_responses

YES, NO = "Anomalous scenes. x", "Normal scenes. x"


def test_too_few_responses_are_a_gap_and_more_are_cut_off() -> None:
    videos = [Video("short", frame_count=61), Video("right", frame_count=61), Video("more", frame_count=61)]
    responses = {"short": (NO,) * 2, "right": (NO,) * 3, "more": (NO,) * 4, "other": (NO,)}
    coverage = match_responses(videos, responses)
    assert [video.name for video in coverage.videos] == ["right", "more"]
    assert coverage.wrong_length == ("short has 2 responses for 3 segments",)
    assert coverage.extra == ("other",)
    with pytest.raises(ConfigError, match="only 2 of 3 videos \\(1 wrong length\\)"):
        coverage.required(allow_missing=False)
    tracks = score_responses(coverage.videos, responses, METHODS["corevad-raw"])
    assert [track.frames().tolist() for track in tracks] == [[0] * 61] * 2


def test_each_video_is_scored_with_its_own_responses_and_vectors() -> None:
    videos = [Video("a", frame_count=45), Video("b", frame_count=30)]
    responses = {"b": (YES,), "a": (YES, NO)}
    first, second = score_responses(videos, responses, METHODS["corevad-raw"])
    assert (first.values.tolist(), first.lengths.tolist()) == ([1, 0], [30, 15])
    assert second.values.tolist() == [1]
    vectors = {name: Vectors(*np.ones((3, len(texts), 2))) for name, texts in responses.items()}
    refined = score_responses(videos, responses, METHODS["corevad-refined"], vectors)
    assert [track.video.name for track in refined] == ["a", "b"]


def test_a_video_of_unknown_length_cannot_be_scored() -> None:
    with pytest.raises(UsageError, match="a: its frame count is unknown"):
        score_responses([Video("a")], {"a": (YES,)}, METHODS["corevad-raw"])
