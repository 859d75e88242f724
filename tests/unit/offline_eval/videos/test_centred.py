"""The windows of VERA, read from files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.scripted import Answer, ScriptedScorer
from engine.types import Window
from offline_eval.methods.vera import offline_windows
from offline_eval.videos.plan import OfflineCentredWindows
from offline_eval.videos.scorers import Recipe
from offline_eval.videos.store import read_videos
from tests.unit.offline_eval.videos.made import folder_of
from tests.unit.offline_eval.videos.test_run import replay
from tests.unit.stream.clips import pictures

Shown = dict[tuple[str, int], list[int]]
PLAN = OfflineCentredWindows()


def watching(shown: Shown, images: dict[int, np.ndarray]) -> Recipe:
    """A scorer that notes which frames each window shows, and what each looks like."""

    def answer(window: Window) -> Answer:
        shown[window.camera, window.index] = [frame.slot for frame in window.frames]
        images.update({frame.slot: frame.image.copy() for frame in window.frames})
        return 0.5

    return Recipe(lambda: ScriptedScorer(answer, frame_size=(160, 120)))


def test_windows_around_centres_show_the_published_frames(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", long=40, short=0.5)  # 400 frames and 5
    shown: Shown = {}
    assert replay(coverage, tmp_path / "out", watching(shown, {}), plan=PLAN).complete
    assert shown == {
        (name, index): numbers
        for name, count in (("long", 400), ("short", 5))
        for index, numbers in enumerate(offline_windows(count).tolist())
    }
    assert shown["long", 12] == [42, 79, 117, 154, 192, 229, 267, 304]  # the centre is 192
    windows = {video.name: video.windows for video in read_videos(tmp_path / "out")}
    assert [window.index for window in windows["long"]] == list(range(25))
    assert windows["long"][12].frame == 304
    assert windows["long"][12].time_s == pytest.approx(30.4)
    assert windows["long"][12].length_s == pytest.approx(26.2)


def test_the_pictures_are_those_of_their_numbers(tmp_path: Path) -> None:
    images: dict[int, np.ndarray] = {}
    replay(folder_of(tmp_path / "videos", a=20), tmp_path / "out", watching({}, images), plan=PLAN)
    whole = pictures(tmp_path / "videos" / "a.mp4")
    assert len(images) > 20
    for number, image in images.items():
        assert np.abs(image.astype(int) - whole[number]).mean() < 3  # the next is 4 levels off


def test_a_file_that_ends_early_shows_what_there_is(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", a=1.7)  # 17 frames
    longer = replace(coverage, videos=(replace(coverage.videos[0], frame_count=200),))
    shown: Shown = {}
    replay(longer, tmp_path / "out", watching(shown, {}), plan=PLAN)
    wanted = enumerate(offline_windows(200).tolist())
    there = {("a", index): [number for number in numbers if number < 17] for index, numbers in wanted}
    assert shown == {window: numbers for window, numbers in there.items() if numbers}
