from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import SourceError
from offline_eval.videos.times import frame_at, frame_times
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


def test_a_video_of_uneven_rate_tells_each_frames_own_time(tmp_path: Path) -> None:
    ticks = [0, 1, 2, 6, 7, 12, 13, 14, 15, 30]
    times_s = frame_times(clip(tmp_path / "a.mkv", ticks))
    assert times_s == pytest.approx([tick / 10 for tick in ticks])
    assert [frame_at(times_s, time_s) for time_s in (0.0, 0.05, 0.59, 0.6, 0.601, 9.0)] == [0, 0, 2, 3, 3, 9]


def test_a_gap_in_the_stamps_is_closed_as_the_clock_of_a_watched_file_closes_it(tmp_path: Path) -> None:
    times_s = frame_times(clip(tmp_path / "a.mkv", [*range(10), *range(150, 160)]))
    assert times_s == pytest.approx([number / 10 for number in range(20)], abs=0.002)


def test_raw_streams_have_an_order_only(tmp_path: Path) -> None:
    times_s = frame_times(encode(tmp_path / "a.h264", seconds=3))
    assert len(times_s) == 30
    assert times_s == sorted(times_s)


def test_a_file_that_is_no_video_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"a\.mp4 cannot be opened \(InvalidDataError\)"):
        frame_times(tmp_path / "a.mp4")


def test_who_stops_is_heard(tmp_path: Path) -> None:
    answers = iter([True, True, False])
    assert len(frame_times(encode(tmp_path / "a.mp4"), lambda: next(answers))) == 2
