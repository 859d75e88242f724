from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import RuntimeFault
from offline_eval.report.thumbnails import MAX_THUMBNAILS, WIDTH_PX, read_thumbnails, telling_frames
from tests.unit.offline_eval.report.runs import video_report
from tests.unit.stream.clips import encode, picture


def test_the_frames_shown_are_events_and_where_alerts_were_told() -> None:
    assert telling_frames(video_report("v", [0.9] * 60, [(20, 30)], [(22, 40)]).alerted) == [23, 25]
    assert telling_frames(video_report("v", [0.1] * 60).alerted) == [29]


def test_of_many_moments_the_first_the_last_and_some_between_are_shown() -> None:
    many = video_report("v", [0.9] * 200, alerts=[(start, start + 2) for start in range(0, 199, 10)])
    found = telling_frames(many.alerted)
    assert len(found) == MAX_THUMBNAILS
    assert (found[0], found[-1]) == (1, 191)


def test_an_alert_told_after_the_end_shows_the_last_frame() -> None:
    assert telling_frames(video_report("v", [0.9] * 10, alerts=[(9, 10)]).alerted) == [9]


def test_a_thumbnail_is_the_very_frame_also_between_key_frames(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4")
    for thumbnail in read_thumbnails(clip, [33, 7, 0, 7, 39, 40]):
        shown = cv2.imdecode(np.frombuffer(thumbnail.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert shown.shape == (120, WIDTH_PX, 3)
        differences = [np.abs(shown.astype(int) - picture(number)).mean() for number in range(40)]
        assert np.argmin(differences) == thumbnail.frame
    assert [thumbnail.frame for thumbnail in read_thumbnails(clip, [33, 7, 0, 7, 39, 40])] == [0, 7, 33, 39]


def test_a_file_that_is_no_video_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(RuntimeFault, match=r"text\.mp4"):
        read_thumbnails(tmp_path / "text.mp4", [0])
    with pytest.raises(RuntimeFault, match=r"gone\.mp4"):
        read_thumbnails(tmp_path / "gone.mp4", [0])
