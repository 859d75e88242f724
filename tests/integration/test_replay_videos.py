"""Replays of real videos against the live path, and against SIGKILL."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import av
import pytest

from engine.errors import VigilError
from engine.motion import MotionScorer
from engine.windows import WindowPlan
from offline_eval.datasets.base import Video
from offline_eval.datasets.matching import Coverage, match
from offline_eval.videos.progress import PlainProgress
from offline_eval.videos.run import LocalReplayer, replay_videos
from offline_eval.videos.scorers import Recipe
from offline_eval.videos.store import read_run, read_videos
from stream.config import from_mapping
from stream.responses import read_responses
from stream.watch import Watch
from tests.unit.offline_eval.videos.made import folder_of, without_timings
from tests.unit.stream.clips import REAL_CLIPS

ROOT = Path(__file__).parents[2]
LENGTHS_S = {"a": 30.0, "b": 29.0, "c": 28.0, "d": 27.0, "e": 26.0, "f": 25.0}


def replay(coverage: Coverage, out: Path) -> None:
    replayer = LocalReplayer(Recipe(MotionScorer), WindowPlan())
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
    # A store says of a window's time what its video does; the hour at which it was watched is not in it.
    watched = [changed(each, time_s=None, length_s=0.0) for each in read_responses(tmp_path / "watched.jsonl")]
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


# The command line on real footage, as people run it.

ROBBERY, DOOR = REAL_CLIPS / "ucf_robbery102.mp4", REAL_CLIPS / "cctv_door.mp4"
TINY = REAL_CLIPS.parent / "internvl2" / "internlm2-tiny"
CUT_S = 9.0


def cut(source: Path, target: Path) -> None:
    """The beginning of a video, as it is encoded."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        stream = whole.streams.video[0]
        copied = part.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.size and packet.dts is not None and packet.dts * packet.time_base < CUT_S:
                packet.stream = copied
                part.mux(packet)


def data_set(folder: Path, put: Callable[[Path, Path], object]) -> list[str]:
    """The options that name a data set of some real videos, whose names are as odd as those of real data sets."""
    (folder / "videos").mkdir()
    names = {"Robbery #1": ROBBERY, "Robbery102_x264": ROBBERY, "Normal vidéo 3": DOOR, "Normal_4": DOOR}
    lines = []
    for name, source in names.items():
        put(source, folder / "videos" / f"{name}.mp4")
        lines.append(
            f"{name}.mp4  Robbery  150  250  -1  -1" if source is ROBBERY else f"{name}.mp4  Normal -1 -1 -1 -1"
        )
    (folder / "labels.txt").write_text("\n".join(lines), encoding="utf-8")
    return ["ucf-crime", "--annotations", f"{folder}/labels.txt", "--videos", f"{folder}/videos", "--workers", "1"]


def vigil_replay(out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stream.cli", "replay", *options, "--out", str(out), "--json", "--resamples", "20"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> Any:
    """What it printed, which is one object and nothing else."""
    printed, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    (line,) = printed.splitlines()
    return json.loads(line)


def killed_and_resumed(folder: Path, *options: str) -> Any:
    """Kill it half-way and have it go on; the store and the figures are those of an undisturbed run."""
    out = folder / "killed"
    process = vigil_replay(out, *options)
    deadline_s = time.monotonic() + 90
    while not done(out) and process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.02)
    process.kill()
    _, said = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL, said
    assert 1 <= done(out) < 4
    found = finish(vigil_replay(out, *options))
    undisturbed = finish(vigil_replay(folder / "undisturbed", *options))
    assert without_timings(out) == without_timings(folder / "undisturbed")
    for each in (found, undisturbed):
        each["settings"].pop("responses")  # the folder's name
        each.pop("created")
    assert found == undisturbed
    assert sorted(path.name for path in out.iterdir()) == [
        "metrics.json",
        "report.html",
        "report.md",
        "responses.jsonl",
    ]
    assert "data:image/jpeg;base64," in (out / "report.html").read_text(encoding="utf-8")
    return found


@pytest.mark.skipif(not REAL_CLIPS.exists(), reason="the real clips are not here")
def test_a_replay_of_real_videos_that_is_killed_goes_on_and_tells_the_same(tmp_path: Path) -> None:
    options = data_set(tmp_path, lambda source, target: target.symlink_to(source.resolve()))
    found = killed_and_resumed(tmp_path, *options, "--method", "online")
    assert (found["videos"], found["settings"]["scorer"]) == (4, "motion")
    assert found["frames"] == 2 * 1827 + 2 * 2730
    assert found["figures"]["known_frames"]["value"] > 0.8


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs the vlm extra")
@pytest.mark.skipif(not TINY.exists(), reason="the real clips and checkpoints are not here")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("method", "window"), [("online", "grid"), ("corevad", "raw segments")])
def test_a_model_judges_real_videos_the_same_whether_it_is_killed_or_not(
    method: str, window: str, tmp_path: Path
) -> None:
    options = data_set(tmp_path, cut)
    found = killed_and_resumed(tmp_path, *options, "--model", str(TINY), "--method", method)
    assert (found["videos"], found["settings"]["scorer"]) == (4, "internvl2")
    settings = read_run(tmp_path / "killed").settings
    assert settings["window"] == window
    assert settings["scorer.scoring"] == ("likelihood" if method == "online" else "faithful")
    assert (found["unknown_segments"] == 0) is (method == "online")  # random words hold no verdict
