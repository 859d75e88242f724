"""Replays of real videos against the live path, and against SIGKILL."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.errors import VigilError
from engine.motion import MotionScorer
from engine.windows import WindowPlan
from offline_eval.datasets.base import Video
from offline_eval.datasets.matching import Coverage, match
from offline_eval.videos.progress import PlainProgress
from offline_eval.videos.run import LocalReplayer, replay_videos
from offline_eval.videos.scorers import motion
from offline_eval.videos.store import read_run, read_videos
from stream.config import from_mapping
from stream.responses import read_responses
from stream.watch import Watch
from tests.unit.offline_eval.videos.made import folder_of, without_timings
from tests.unit.stream.clips import REAL_CLIPS

ROOT = Path(__file__).parents[2]
LENGTHS_S = {"a": 30.0, "b": 29.0, "c": 28.0, "d": 27.0, "e": 26.0, "f": 25.0}


def replay(coverage: Coverage, out: Path) -> None:
    replayer = LocalReplayer(motion(), WindowPlan())
    try:
        assert replay_videos("made", coverage, replayer, out=out, progress=PlainProgress()).complete
    finally:
        replayer.close()


@pytest.mark.skipif(not REAL_CLIPS.exists(), reason="the real clips are not here")
def test_a_replay_judges_the_windows_that_watching_the_same_files_judges(tmp_path: Path) -> None:
    names = ["ucf_robbery102", "cctv_door"]
    config = from_mapping(
        {
            "cameras": {name: {"source": str(REAL_CLIPS / f"{name}.mp4")} for name in names},
            "defaults": {"pace": "max", "evidence": {"clip": False, "snapshot": False}},
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "off"},
            "data": {"dir": str(tmp_path / "data")},
        }
    )
    watch = Watch(config, MotionScorer(), record=tmp_path / "watched.jsonl")
    asyncio.run(watch.run(asyncio.Event(), exit_at_end=True))
    replay(match([Video(name) for name in names], REAL_CLIPS), tmp_path / "out")
    watched = list(read_responses(tmp_path / "watched.jsonl"))
    for video in read_videos(tmp_path / "out"):
        assert [window.response for window in video.windows] == [
            response for response in watched if response.camera == video.name
        ]
        assert sum(window.score is not None for window in video.windows) > 40
    assert len(watched) == sum(video.finished.windows for video in read_videos(tmp_path / "out"))


# A replay that is slow enough to be killed half-way, in a process of its own.
SLOW_REPLAY = """
import sys, time
from pathlib import Path
from engine.motion import MotionScorer
from engine.windows import WindowPlan
from offline_eval.datasets.base import Video
from offline_eval.datasets.matching import match
from offline_eval.videos.progress import PlainProgress
from offline_eval.videos.run import LocalReplayer, replay_videos
from offline_eval.videos.scorers import Recipe

class Slow(MotionScorer):
    def score(self, windows):
        time.sleep(0.03 * len(windows))
        return super().score(windows)

folder, out, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(",")
found = match([Video(name) for name in names], folder)
replay_videos("made", found, LocalReplayer(Recipe(Slow), WindowPlan()), out=out, progress=PlainProgress())
"""


def start(videos: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SLOW_REPLAY, str(videos), str(out), ",".join(LENGTHS_S)], cwd=ROOT)


def done(out: Path) -> int:
    try:
        read_run(out)
        return sum(1 for _ in read_videos(out))
    except VigilError:
        return 0


def test_a_replay_killed_twice_and_resumed_leaves_the_store_of_an_undisturbed_one(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", **LENGTHS_S)
    out = tmp_path / "killed"
    for enough in (1, 3):
        process = start(tmp_path / "videos", out)
        deadline_s = time.monotonic() + 60
        while done(out) < enough and process.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        assert enough <= done(out) < len(LENGTHS_S)
    replay(coverage, out)
    replay(coverage, tmp_path / "undisturbed")
    assert without_timings(out) == without_timings(tmp_path / "undisturbed")
    lines = (out / "responses.jsonl").read_bytes().count(b"\n")
    assert lines == (tmp_path / "undisturbed" / "responses.jsonl").read_bytes().count(b"\n")  # none twice
