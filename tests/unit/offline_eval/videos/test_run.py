from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

import offline_eval.videos.run as run_module
from engine.errors import UsageError
from engine.motion import MotionScorer
from engine.scorer import Explanation, Request
from engine.scripted import Answer, ScriptedLanguageScorer, ScriptedScorer
from engine.types import Judgement, Window
from engine.windows import WindowPlan
from offline_eval.datasets.base import Video
from offline_eval.datasets.matching import Coverage, match
from offline_eval.methods.corevad import segment_pictures, segments
from offline_eval.videos.decode import VideoReading
from offline_eval.videos.plan import Plan, RawSegments, Shard
from offline_eval.videos.run import LocalReplayer, Summary, replay_videos
from offline_eval.videos.scorers import Recipe
from offline_eval.videos.store import read_run, read_videos
from stream.responses import ResponseWriter
from tests.unit.offline_eval.videos.made import Heard, folder_of, motion, recorded, without_timings
from tests.unit.stream.clips import pictures


def replay(
    coverage: Coverage,
    out: Path,
    recipe: Recipe | None = None,
    *,
    plan: Plan | None = None,
    workers: int = 2,
    shard: Shard | None = None,
    heard: Heard | None = None,
) -> Summary:
    replayer = LocalReplayer(recipe or motion(), plan or WindowPlan(), workers=workers)
    try:
        return replay_videos(
            "made",
            coverage,
            replayer,
            out=out,
            shard=shard or Shard(),
            progress=heard if heard is not None else Heard(),
        )
    finally:
        replayer.close()


def scripted(answer: object = 0.25) -> Recipe:
    return Recipe(lambda: ScriptedScorer(answer if callable(answer) else lambda _window: 0.25))


def test_every_window_of_every_video_is_stored_once_and_in_order(tmp_path: Path) -> None:
    heard = Heard()
    coverage = folder_of(tmp_path / "videos", a=5, b=3, c=4)
    summary = replay(coverage, tmp_path / "out", scripted(), heard=heard)
    assert (summary.complete, summary.windows, summary.unknown, summary.resumed) == (True, 12, 0, 0)
    found = {video.name: [window.index for window in video.windows] for video in read_videos(tmp_path / "out")}
    assert found == {"a": [0, 1, 2, 3, 4], "b": [0, 1, 2], "c": [0, 1, 2, 3]}
    assert heard.begun == (["a", "c", "b"], 0)  # the longest first
    assert heard.read == {"a": 50, "b": 30, "c": 40}
    assert sorted(heard.ends) == [("a", ""), ("b", ""), ("c", "")]
    assert heard.left


def test_as_many_videos_as_workers_at_a_time_give_the_same_as_one(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", a=14, b=12, c=13)
    for workers in (1, 3):
        replay(coverage, tmp_path / str(workers), workers=workers)
    found = without_timings(tmp_path / "1")
    assert found == without_timings(tmp_path / "3")
    assert any(window.score is not None for video in read_videos(tmp_path / "1") for window in video.windows)


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_in_a_batch_depends_on_no_timing(workers: int, tmp_path: Path) -> None:
    batches: list[list[tuple[str, int]]] = []

    class Noting(ScriptedScorer):
        def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
            batches.append([(window.camera, window.index) for window in windows])
            return super().score(windows)

    coverage = folder_of(tmp_path / "videos", a=10, b=9, c=11)
    recipe = Recipe(lambda: Noting(lambda _window: 0.5, max_batch=4))
    replay(coverage, tmp_path / "out", recipe, workers=workers)
    assert sorted(batches) == [
        [(name, index) for index in range(start, min(start + 4, length))]
        for name, length in (("a", 10), ("b", 9), ("c", 11))
        for start in range(0, length, 4)
    ]


def test_a_second_replay_does_only_what_is_left(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", a=3, b=2)
    first = Coverage(1, coverage.videos[:1])
    replay(first, tmp_path / "out", scripted())
    heard = Heard()
    summary = replay(coverage, tmp_path / "out", scripted(), heard=heard)
    assert (heard.begun, summary.resumed, summary.replayed) == ((["b"], 1), 1, ("b",))
    assert replay(coverage, tmp_path / "out", scripted()).replayed == ()


def test_broken_missing_and_unreadable_videos_stop_nothing_and_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder_of(folder, good=3, other=3, late=3)
    (folder / "garbage.mp4").write_bytes(b"no video at all" * 100)
    coverage = match([Video(name) for name in ("good", "late", "other", "garbage", "absent")], folder)
    (folder / "late.mp4").write_bytes(b"")  # broken after it was found
    heard = Heard()
    summary = replay(coverage, tmp_path / "out", scripted(), heard=heard)
    assert sorted(summary.replayed) == ["good", "other"]
    assert not summary.complete
    listed = sorted(problem.partition(":")[0] for problem in summary.problems)
    assert listed == ["absent", "late", "unreadable"]
    assert [name for name, problem in heard.ends if problem] == ["late"]
    assert {video.name for video in read_videos(tmp_path / "out")} == {"good", "other"}


def test_a_file_that_vanishes_is_one_failed_video(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", a=2, b=2)
    (tmp_path / "videos" / "a.mp4").unlink()
    (failed,) = replay(coverage, tmp_path / "out", scripted()).failed
    assert failed.video == "a"


def test_a_scorer_that_raises_leaves_unknown_windows_that_are_counted(tmp_path: Path) -> None:
    def answer(window: Window) -> Answer:
        if window.index == 1:
            raise ValueError("out of luck")
        return 0.5

    recipe = Recipe(lambda: ScriptedScorer(answer, max_batch=1))
    summary = replay(folder_of(tmp_path / "videos", a=3), tmp_path / "out", recipe)
    (video,) = read_videos(tmp_path / "out")
    assert [window.score for window in video.windows] == [0.5, None, 0.5]
    assert (summary.unknown, "out of luck" in video.windows[1].reason) == (1, True)


def test_a_store_of_other_windows_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", a=2)
    replay(coverage, tmp_path / "out", scripted())
    heard = Heard()
    with pytest.raises(UsageError, match=r"window.fps 4 instead of 8"):
        replay(coverage, tmp_path / "out", scripted(), plan=WindowPlan(fps=4, frames=4), heard=heard)
    assert heard.begun == ([], 0)


def test_shards_together_give_what_one_replay_gives(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", a=4, b=3, c=2)
    for number in (1, 2):
        replay(coverage, tmp_path / "shards", scripted(), shard=Shard(number, 2))
    replay(coverage, tmp_path / "one", scripted())
    assert without_timings(tmp_path / "shards") == without_timings(tmp_path / "one")


def test_names_with_odd_characters_work(tmp_path: Path) -> None:
    name = "v=Ünï #1__00-00?a&b%20@x_label_A"
    coverage = folder_of(tmp_path / "videos", **{name: 2})
    assert replay(coverage, tmp_path / "out", scripted()).replayed == (name,)


def test_stopping_in_the_middle_leaves_no_thread_and_a_sound_store(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", a=30, b=30, c=1)

    class Interrupted(Heard):
        def finished(self, video: str) -> None:
            raise KeyboardInterrupt

    def answer(window: Window) -> Answer:
        return 0.5 if window.camera == "c" or window.index < 3 else _slow()

    with pytest.raises(KeyboardInterrupt):
        replay(coverage, tmp_path / "out", scripted(answer), workers=3, heard=Interrupted())
    assert [video.name for video in read_videos(tmp_path / "out")] == ["c"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vigil-video")]
    assert sorted(replay(coverage, tmp_path / "out", scripted()).replayed) == ["a", "b"]


def _slow() -> float:
    threading.Event().wait(0.05)
    return 0.5


def test_a_decoder_that_hangs_costs_one_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coverage = folder_of(tmp_path / "videos", stuck=2, good=2)
    let_go = threading.Event()
    open_it = VideoReading._run

    def hang(reading: VideoReading) -> None:
        if reading.video.name == "stuck":
            let_go.wait(30)
        open_it(reading)

    monkeypatch.setattr(VideoReading, "_run", hang)
    monkeypatch.setattr(run_module, "HUNG_S", 0.5)
    try:
        summary = replay(coverage, tmp_path / "out", scripted())
    finally:
        let_go.set()
    assert [(failed.video, "did not return" in failed.problem) for failed in summary.failed] == [("stuck", True)]
    assert summary.replayed == ("good",)
    for thread in threading.enumerate():
        if thread.name == "vigil-video-stuck":
            thread.join(10)


def test_the_store_says_who_judged_what_and_how(tmp_path: Path) -> None:
    responses = tmp_path / "said.jsonl"
    ResponseWriter(responses).close()
    replay(folder_of(tmp_path / "videos", a=2), tmp_path / "out", recorded(responses))
    run = read_run(tmp_path / "out")
    assert (run.dataset, run.scorer, run.model) == ("made", "recorded", "said.jsonl")
    assert run.settings["frame_size"] == "64x36"
    assert len(run.settings["scorer.responses"]) == 64


def test_recorded_answers_of_a_replay_replay_the_same(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", a=12)
    replay(coverage, tmp_path / "first")
    (video,) = read_videos(tmp_path / "first")
    path = tmp_path / "said.jsonl"
    with ResponseWriter(path) as writer:
        for window in video.windows:
            writer.write(window.window, window.judgement)
    replay(coverage, tmp_path / "second", recorded(path))
    (again,) = read_videos(tmp_path / "second")
    told = [[(w.pts_s, w.score, w.text, w.boxes, w.reason) for w in each.windows] for each in (video, again)]
    assert told[0] == told[1]


# The published segments


@pytest.mark.parametrize("plan", [WindowPlan(), RawSegments()])
def test_a_language_model_is_shown_pictures_that_are_scaled_as_those_it_was_trained_with(
    plan: Plan, tmp_path: Path
) -> None:
    pillow = pytest.importorskip("PIL.Image")
    shown: list[np.ndarray] = []

    def answer(window: Window) -> Answer:
        shown.append(window.frames[0].image.copy())
        return 0.5

    def explain(_request: Request) -> Explanation:
        return Explanation("Nobody asks.")

    coverage = folder_of(tmp_path / "videos", a=3.5)
    recipe = Recipe(lambda: ScriptedLanguageScorer(answer, explain, frame_size=(112, 112)))
    assert replay(coverage, tmp_path / "out", recipe, plan=plan).complete
    assert read_run(tmp_path / "out").settings["pictures"] == "bicubic"
    first = pillow.fromarray(pictures(tmp_path / "videos" / "a.mp4")[0])
    assert np.array_equal(shown[0], np.asarray(first.resize((112, 112), pillow.Resampling.BICUBIC)))


def test_raw_segments_show_the_published_frames_of_every_thirty(tmp_path: Path) -> None:
    coverage = folder_of(tmp_path / "videos", a=6.5, b=3.3)  # 65 frames: 30, 30, 5; and 33: 30, 3
    seen: dict[tuple[str, int], list[int]] = {}
    shown: dict[tuple[str, int], np.ndarray] = {}

    def answer(window: Window) -> Answer:
        seen[window.camera, window.index] = [frame.slot for frame in window.frames]
        for frame in window.frames:
            shown[window.camera, frame.slot] = frame.image.copy()
        return 0.5

    recipe = Recipe(lambda: ScriptedScorer(answer, frame_size=(160, 120)))
    summary = replay(coverage, tmp_path / "out", recipe, plan=RawSegments())
    assert summary.complete
    expected = {
        (name, index): segment_pictures(start, end).tolist()
        for name, count in (("a", 65), ("b", 33))
        for index, (start, end) in enumerate(segments(count))
    }
    assert seen == expected
    assert (len(seen["a", 2]), len(seen["b", 1]), seen["a", 0][-1]) == (5, 3, 29)
    whole = pictures(tmp_path / "videos" / "a.mp4")
    for (name, number), image in shown.items():
        if name == "a":
            assert np.abs(image.astype(int) - whole[number]).mean() < 3  # the right picture: the next is 4 levels off
    (first, *_), _ = (video.windows for video in read_videos(tmp_path / "out"))
    assert first.time_s == pytest.approx(2.9)


def test_raw_segments_go_on_over_a_break_in_the_time_stamps(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    with av.open(str(folder / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(np.full((36, 64, 3), 4 * number, np.uint8), format="rgb24")
            frame.pts = number + (100 if number >= 40 else 0)  # ten seconds are missing
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    replay(match([Video("a")], folder), tmp_path / "out", scripted(), plan=RawSegments())
    (video,) = read_videos(tmp_path / "out")
    assert [(window.segment, window.index) for window in video.windows] == [(0, 0), (0, 1)]
    assert video.windows[1].time_s > video.windows[0].time_s


def test_the_motion_scorer_forgets_a_video_that_is_finished(tmp_path: Path) -> None:
    forgotten: list[str] = []

    class Forgetful(MotionScorer):
        def forget(self, camera: str) -> None:
            forgotten.append(camera)
            super().forget(camera)

    replay(folder_of(tmp_path / "videos", a=2, b=2), tmp_path / "out", Recipe(Forgetful))
    assert sorted(forgotten) == ["a", "b"]
