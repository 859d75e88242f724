from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import SourceError
from offline_eval.videos.times import PictureTimes, frame_stamps
from tests.unit.stream.clips import encode


def clip(path: Path, ticks: list[int]) -> Path:
    """Pictures at these tenths of a second, with pictures that are stored in another order than they are shown."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"bf": "2"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for number, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(np.full((36, 64, 3), 9 * number % 250, np.uint8), format="rgb24")
            frame.pts = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def placed(path: Path, missing: range = range(0)) -> tuple[PictureTimes, list[float]]:
    """The clock's times of all pictures of a file but those that could not be decoded."""
    times = PictureTimes()
    times.stamps = frame_stamps(path)
    shown_s = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number not in missing:
                times.push(None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base))
                assert times.newest.frame == number
                shown_s.append(times.newest.time_s)
    return times, shown_s


def test_a_video_of_uneven_rate_tells_each_frames_own_time(tmp_path: Path) -> None:
    ticks = [0, 1, 2, 6, 7, 12, 13, 14, 15, 30]
    times, shown_s = placed(clip(tmp_path / "a.mkv", ticks))
    assert shown_s == pytest.approx([tick / 10 for tick in ticks])
    assert [times.frame_at(time_s) for time_s in (0.0, 0.05, 0.59, 0.6, 0.601, 9.0)] == [0, 0, 2, 3, 3, 9]


def test_a_gap_in_the_stamps_is_closed_as_the_clock_of_a_watched_file_closes_it(tmp_path: Path) -> None:
    times, shown_s = placed(clip(tmp_path / "a.mkv", [*range(10), *range(150, 160)]))
    assert shown_s == pytest.approx([number / 10 for number in range(20)], abs=0.002)
    assert [times.frame_at(time_s) for time_s in shown_s] == list(range(20))


def test_frames_that_cannot_be_decoded_shift_none_of_those_after_them(tmp_path: Path) -> None:
    times, shown_s = placed(clip(tmp_path / "a.mkv", list(range(60))), missing=range(20, 50))
    assert shown_s == pytest.approx([number / 10 for number in range(30)], abs=0.002)  # the clock closes the gap
    assert [times.frame_at(time_s) for time_s in shown_s] == [*range(20), *range(50, 60)]


def test_raw_streams_have_an_order_only(tmp_path: Path) -> None:
    times, shown_s = placed(encode(tmp_path / "a.h264", seconds=3))
    assert len(shown_s) == 30
    assert shown_s == sorted(shown_s)
    assert [times.frame_at(time_s) for time_s in shown_s] == list(range(30))


def test_a_file_that_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"a\.mp4 cannot be opened \(InvalidDataError\)"):
        frame_stamps(tmp_path / "a.mp4")


def test_who_stops_is_heard(tmp_path: Path) -> None:
    answers = iter([True, True, False])
    assert len(frame_stamps(encode(tmp_path / "a.mp4"), lambda: next(answers))) == 2
