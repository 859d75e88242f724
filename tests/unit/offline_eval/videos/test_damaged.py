"""Videos of which a stretch can't be decoded."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import numpy as np
import pytest

from engine.scripted import Answer, ScriptedScorer
from engine.types import Frame, Window
from engine.windows import WindowPlan
from offline_eval.datasets.base import Video
from offline_eval.datasets.matching import match
from offline_eval.videos.plan import OfflineCentredWindows, Plan, RawSegments
from offline_eval.videos.scorers import Recipe
from offline_eval.videos.store import read_videos
from tests.unit.offline_eval.videos.test_run import replay
from tests.unit.stream.clips import REAL_CLIPS, encode, pictures

GONE = range(93, 175)  # frames 93 to 174 of 300


def damage(path: Path, target: Path, gone: range) -> Path:
    """A copy whose packets of these numbers hold nothing that can be decoded. A key frame follows them."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for packet in packets[gone.start : gone.stop]:
            assert packet.pos is not None
            data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("plan", [WindowPlan(), RawSegments(), OfflineCentredWindows()], ids=["grid", "30", "centres"])
def test_every_window_lies_at_the_frame_that_it_shows(
    plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    whole = pictures(encode(tmp_path / "whole.mp4", seconds=30))
    damage(tmp_path / "whole.mp4", folder / "a.mp4", GONE)
    ends: dict[tuple[int, int], Frame] = {}

    def answer(window: Window) -> Answer:
        ends[window.segment, window.index] = window.copy().end
        return 0.5

    recipe = Recipe(lambda: ScriptedScorer(answer, frame_size=(160, 120)))
    with caplog.at_level(logging.WARNING):
        assert replay(match([Video("a")], folder), tmp_path / "out", recipe, plan=plan).complete
    (video,) = read_videos(tmp_path / "out")
    lost = video.finished.undecoded
    assert lost >= len(GONE)
    assert video.finished.frames == 300
    assert video.finished.pictures <= 300 - lost  # the grid leaves out pictures that no other one needs
    assert f"a is damaged: {lost} of its 300 frames could not be decoded" in caplog.messages
    assert video.windows[0].frame < GONE.start
    assert video.windows[-1].frame > 275
    for window in video.windows:
        assert not GONE.start + 4 <= window.frame < GONE.stop - 4  # packets are not quite in the order shown
        shown = ends[window.segment, window.index].image.astype(int)
        assert np.abs(shown - whole[window.frame]).mean() < 3  # the next picture is 4 levels off


@pytest.mark.skipif(not REAL_CLIPS.exists(), reason="the real clips are not here")
def test_a_real_video_with_garbage_in_the_middle_keeps_its_frames(tmp_path: Path) -> None:
    source = REAL_CLIPS / "ucf_robbery102.mp4"
    folder = tmp_path / "videos"
    folder.mkdir()
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 120_000] = b"\xff" * 120_000
    (folder / "a.mp4").write_bytes(data)
    recipe = Recipe(lambda: ScriptedScorer(lambda _window: 0.5))
    replay(match([Video("a")], folder), tmp_path / "out", recipe)
    (video,) = read_videos(tmp_path / "out")
    with av.open(str(source)) as container:
        stamps_s = [float(frame.time or 0.0) for frame in container.decode(video=0)]
    later = [window for window in video.windows if window.segment == 1]
    assert len(later) > 10
    start_s = stamps_s[later[0].frame] - later[0].pts_s
    assert start_s - stamps_s[0] > 2 + video.windows[-len(later) - 1].time_s  # the gap that the clock closes
    for window in later:
        assert stamps_s[window.frame] == pytest.approx(start_s + window.pts_s, abs=0.002)
