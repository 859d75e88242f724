"""A clip follows its camera's packets from before the event until after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream.evidence.clip import ClipRecording, ClipResult, ClipSettings
from stream.remux import part_path
from stream.rings import PacketRing
from tests.unit.stream.clips import REAL_CLIPS, Video, encode, fill, pictures, read, times_s

EPOCH_S = 1_700_000_000.0
SETTINGS = ClipSettings(pre_roll_s=2.0, post_roll_s=2.0, longest_s=60.0)


@pytest.fixture
def video(tmp_path: Path) -> Video:
    return read(encode(tmp_path / "source.mp4", seconds=12.0))


def record(
    video: Video, path: Path, start_s: float, end_s: float, opened_s: float, settings: ClipSettings = SETTINGS
) -> ClipResult:
    """An event from `start_s` to `end_s` of a video, opened at `opened_s`, followed every half second."""
    ring = PacketRing(max_s=20.0, max_bytes=10**8)
    fill(ring, video, epoch_s=EPOCH_S, until_s=opened_s)
    recording = ClipRecording(path, ring, EPOCH_S + start_s, settings)
    now_s = opened_s
    while recording.result is None and now_s < 200.0:
        recording.follow()
        fill(ring, video, epoch_s=EPOCH_S, after_s=now_s, until_s=now_s + 0.5)
        now_s += 0.5
        if now_s >= end_s:
            recording.end(EPOCH_S + end_s)
    return recording.finish(note="cut off")


def test_a_clip_begins_before_the_pre_roll_and_ends_after_the_post_roll(tmp_path: Path, video: Video) -> None:
    result = record(video, tmp_path / "clip.mp4", start_s=4.3, end_s=7.2, opened_s=5.0)
    assert result.path == tmp_path / "clip.mp4"
    assert result.error == result.note == ""
    assert result.start_time_s is not None
    assert result.end_time_s is not None
    assert EPOCH_S + 1.3 < result.start_time_s <= EPOCH_S + 2.3  # a key frame each second
    assert EPOCH_S + 9.2 <= result.end_time_s <= EPOCH_S + 9.9
    shown = pictures(result.path)
    assert len(shown) == pytest.approx((result.end_time_s - result.start_time_s) * 10 + 1, abs=2)


def test_the_pictures_of_a_clip_are_those_of_the_camera(tmp_path: Path, video: Video) -> None:
    result = record(video, tmp_path / "clip.mp4", start_s=4.3, end_s=7.2, opened_s=5.0)
    assert result.path is not None
    assert result.start_time_s is not None
    first = round((result.start_time_s - EPOCH_S) * 10)
    originals = pictures(tmp_path / "source.mp4")
    shown = pictures(result.path)
    wanted = originals[first:93]  # up to the end of the post-roll, at 9.2 s
    assert len(shown) >= len(wanted) > 70
    assert all(np.array_equal(image, original) for image, original in zip(shown, wanted, strict=False))


@pytest.mark.parametrize(("name", "start_s"), [("ucf_robbery102.mp4", 36.0), ("cctv_door.mp4", 40.0)])
def test_a_clip_of_real_footage_covers_the_event(tmp_path: Path, name: str, start_s: float) -> None:
    if not (REAL_CLIPS / name).exists():
        pytest.skip(f"the real clip {name} is not here")
    video = read(REAL_CLIPS / name)
    result = record(video, tmp_path / "clip.mp4", start_s, start_s + 6.0, opened_s=start_s + 1.0)
    assert result.path is not None
    assert result.start_time_s is not None
    assert result.end_time_s is not None
    assert result.start_time_s <= EPOCH_S + start_s - SETTINGS.pre_roll_s
    assert result.end_time_s >= EPOCH_S + start_s + 6.0 + SETTINGS.post_roll_s
    length_s = result.end_time_s - result.start_time_s
    times = times_s(result.path)
    assert times[-1] - times[0] == pytest.approx(length_s, abs=0.2)
    assert ("H.265" in result.note) == (video.info.codec == "hevc")


def test_a_clip_that_no_more_packets_come_for_is_finished_as_it_is(tmp_path: Path, video: Video) -> None:
    result = record(video, tmp_path / "clip.mp4", start_s=9.0, end_s=11.5, opened_s=9.5)
    assert result.path is not None
    assert result.note == "cut off"
    assert result.end_time_s == pytest.approx(EPOCH_S + 11.9)


def test_a_clip_that_is_complete_when_it_is_cut_off_says_nothing_of_it(tmp_path: Path, video: Video) -> None:
    result = record(video, tmp_path / "clip.mp4", start_s=6.0, end_s=9.9, opened_s=6.5)
    assert result.note == ""


def test_a_clip_ends_after_its_longest_time(tmp_path: Path, video: Video) -> None:
    settings = ClipSettings(pre_roll_s=1.0, post_roll_s=1.0, longest_s=3.0)
    result = record(video, tmp_path / "clip.mp4", start_s=2.0, end_s=11.0, opened_s=2.5, settings=settings)
    assert result.start_time_s is not None
    assert result.end_time_s is not None
    assert 2.7 <= result.end_time_s - result.start_time_s <= 3.0
    assert "longest time" in result.note


def two_stretches(tmp_path: Path, second: Video, start_s: float, first_until_s: float = 3.0) -> ClipResult:
    """The camera of `video` is lost at `first_until_s` and comes back 2 s later with `second`."""
    ring = PacketRing(max_s=60.0, max_bytes=10**8)
    fill(ring, read(tmp_path / "source.mp4"), epoch_s=EPOCH_S, until_s=first_until_s)
    fill(ring, second, epoch_s=EPOCH_S + first_until_s + 2.0, segment=1)
    recording = ClipRecording(tmp_path / "clip.mp4", ring, EPOCH_S + start_s, SETTINGS)
    recording.follow()
    return recording.finish()


def test_a_clip_goes_on_when_the_camera_comes_back_as_it_was(tmp_path: Path, video: Video) -> None:
    again = replace(video, info=replace(video.info, decoder="another", announced_fps=25.0))
    result = two_stretches(tmp_path, again, start_s=2.5)
    assert result.path is not None
    assert result.note == ""
    assert len(pictures(result.path)) == pytest.approx(31 + 120, abs=3)


def test_a_clip_ends_where_the_camera_changes_its_format(tmp_path: Path, video: Video) -> None:
    other = read(encode(tmp_path / "other.mp4", "libx265", width=320, height=240))
    result = two_stretches(tmp_path, other, start_s=2.5)
    assert result.path is not None
    assert "changed its picture format" in result.note
    assert {image.shape for image in pictures(result.path)} == {(120, 160, 3)}


def test_a_change_of_format_before_the_event_shortens_the_pre_roll_only(tmp_path: Path, video: Video) -> None:
    other = read(encode(tmp_path / "other.mp4", "libx265", width=320, height=240))
    result = two_stretches(tmp_path, other, start_s=5.5)
    assert result.path is not None
    assert result.start_time_s == EPOCH_S + 5.0
    assert {image.shape for image in pictures(result.path)} == {(240, 320, 3)}


def test_pictures_that_were_overrun_are_mentioned(tmp_path: Path, video: Video) -> None:
    ring = PacketRing(max_s=2.0, max_bytes=10**8)
    fill(ring, video, epoch_s=EPOCH_S, until_s=3.0)
    recording = ClipRecording(tmp_path / "clip.mp4", ring, EPOCH_S + 2.5, SETTINGS)
    recording.follow()
    fill(ring, video, epoch_s=EPOCH_S, after_s=3.0)
    recording.follow()
    result = recording.finish()
    assert result.path is not None
    assert "some pictures are missing" in result.note
    assert len(pictures(result.path)) > 20


def test_no_packets_at_all_are_told_and_no_file_is_made(tmp_path: Path) -> None:
    recording = ClipRecording(tmp_path / "clip.mp4", PacketRing(10.0, 10**6), EPOCH_S, SETTINGS)
    recording.follow()
    result = recording.finish()
    assert result.path is None
    assert "no packets" in result.note
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_ends_the_clip_with_an_error(tmp_path: Path, video: Video) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    clip = tmp_path / "clip.mp4"
    part_path(clip).symlink_to(full)
    result = record(video, clip, start_s=4.0, end_s=7.0, opened_s=5.0)
    assert result.path is None
    assert "No space left" in result.error
    assert not clip.exists()


def test_a_codec_that_no_mp4_takes_ends_the_clip_with_an_error(tmp_path: Path) -> None:
    video = read(encode(tmp_path / "source.webm", "libvpx"))
    result = record(video, tmp_path / "clip.mp4", start_s=1.0, end_s=2.0, opened_s=1.5)
    assert result.path is None
    assert "can't hold vp8" in result.error
