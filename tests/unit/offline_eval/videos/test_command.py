from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import ConfigError, RuntimeFault, UsageError
from engine.scorer import Scorer
from offline_eval.videos.command import judge_videos
from offline_eval.videos.plan import RawSegments
from offline_eval.videos.scorers import Recipe
from offline_eval.videos.store import StorePart, read_run, read_videos
from tests.unit.offline_eval.videos.made import folder_of, motion


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "annotations.txt"
    path.write_text(
        "Fire001_x264.mp4  Fire  5  12  -1  -1\n"
        "Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1\n"
        "Abuse002_x264.mp4  Abuse  1  9  -1  -1\n"
    )
    return path


def test_a_folder_with_a_gap_is_judged_and_the_gap_is_an_error_unless_it_is_allowed(
    labels: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder_of(tmp_path / "videos", Fire001_x264=3, Normal_Videos_003_x264=2)
    out = tmp_path / "out"
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(RuntimeFault, match=r"1 annotated video has no responses, see above: .* --allow-missing"),
    ):
        judge_videos("ucf-crime", labels, tmp_path / "videos", motion(), out=out)
    assert sorted(video.name for video in read_videos(out)) == ["Fire001_x264", "Normal_Videos_003_x264"]
    assert "only 2 of 3 videos (1 missing) can be judged" in caplog.messages
    assert "Abuse002_x264: missing" in caplog.messages
    assert "2 videos judged" in caplog.messages[-1]
    again = judge_videos("ucf-crime", labels, tmp_path / "videos", motion(), out=out, allow_missing=True)
    assert (again.resumed, again.replayed) == (2, ())
    assert len(list(read_videos(out))) == 2


def test_shards_and_raw_segments_are_passed_on(labels: Path, tmp_path: Path) -> None:
    folder_of(tmp_path / "videos", Fire001_x264=3, Normal_Videos_003_x264=2, Abuse002_x264=2)
    for shard in ("1/2", "2/2"):
        judge_videos(
            "ucf-crime",
            labels,
            tmp_path / "videos",
            motion(),
            out=tmp_path / "out",
            plan=RawSegments(),
            shard=shard,
        )
    assert sorted(video.name for video in read_videos(tmp_path / "out")) == [
        "Abuse002_x264",
        "Fire001_x264",
        "Normal_Videos_003_x264",
    ]
    assert read_run(tmp_path / "out").settings["window"] == "raw segments"


def test_an_empty_folder_is_an_error_that_names_every_video(labels: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    with pytest.raises(ConfigError, match="0 of 3") as error:
        judge_videos("ucf-crime", labels, tmp_path / "videos", motion(), out=tmp_path / "out")
    *videos, summary = error.value.problems
    assert len(videos) == 3
    assert summary == str(error.value)


def test_no_worker_is_no_replay(labels: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 workers"):
        judge_videos("ucf-crime", labels, tmp_path, motion(), out=tmp_path / "out", workers=0)


def test_a_busy_store_is_refused_before_a_model_is_loaded(labels: Path, tmp_path: Path) -> None:
    folder_of(tmp_path / "videos", Fire001_x264=2)

    def load() -> Scorer:
        raise AssertionError("a model was loaded")

    with closing(StorePart(tmp_path / "out")), pytest.raises(UsageError, match="another process"):
        judge_videos("ucf-crime", labels, tmp_path / "videos", Recipe(load), out=tmp_path / "out", allow_missing=True)
