from __future__ import annotations

import unicodedata
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import ConfigError, RuntimeFault
from offline_eval.datasets import Coverage, Span, Video, count_frames, match

ODD_NAMES = ["v=a__#1_label_B1-0-0", "A Film.2016", "Überwachung Café", "事件 1"]


def video(name: str, frames: int | None = 30) -> Video:
    return Video(name, ("Fire",), (Span(5, 10),), frame_count=frames)


def write_video(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            picture = np.full((48, 64, 3), 7 * index % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def test_names_are_matched_with_what_is_missing_and_extra() -> None:
    found = match([video("a"), video("b"), video("c")], ["c.mp4", "x", "a"])
    assert [entry.name for entry in found.videos] == ["a", "c"]
    assert (found.missing, found.extra, found.complete) == (("b",), ("x",), False)
    assert str(found) == "2 of 3 videos (1 missing)"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_match_by_name_and_in_a_folder_however_accents_are_written(name: str, tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", name)
    path = tmp_path / "deep" / f"{decomposed}.mp4"
    path.parent.mkdir()
    path.touch()
    entry = video(unicodedata.normalize("NFC", name))
    assert match([entry], [decomposed]).complete
    (found,) = match([entry], tmp_path, frame_counter=lambda _: 30).videos
    assert found.path == str(path)


def test_a_folder_is_searched_deeply_and_every_gap_is_told_by_its_kind(tmp_path: Path) -> None:
    write_video(tmp_path / "one" / "good.mp4", 30)
    write_video(tmp_path / "two" / "cut.mkv", 12)
    write_video(tmp_path / "extra.avi", 3)
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    (tmp_path / "notes.txt").touch()
    found = match([video("good"), video("cut"), video("gone"), video("broken")], tmp_path)
    assert [entry.name for entry in found.videos] == ["good"]
    assert found.missing == ("gone",)
    assert found.wrong_length == ("cut has 12 frames, its annotation 30",)
    assert len(found.unreadable) == 1
    assert "broken.mp4 cannot be opened" in found.unreadable[0]
    assert found.extra == ("extra",)
    assert str(found) == "1 of 4 videos (1 missing, 1 unreadable, 1 wrong length)"


def test_videos_without_annotated_lengths_get_those_of_their_files(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 30)
    entry = Video("a", ("Fire",), fractions=((0.5, 0.7),))
    (found,) = match([entry], tmp_path).videos
    assert (found.frame_count, found.spans) == (30, (Span(15, 21),))


def test_an_event_past_the_end_is_a_wrong_length(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    found = match([video("a", None)], tmp_path, frame_counter=lambda _: 5)
    assert found.wrong_length == ("a has 5 frames, but an event begins at 5",)


@pytest.mark.parametrize(("frames", "right"), [(27, False), (28, True), (32, True), (33, False)])
def test_a_length_may_differ_by_the_last_frames_and_stays_as_annotated(
    frames: int, right: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").touch()
    found = match([video("a")], tmp_path, frame_counter=lambda _: frames)
    assert [entry.frame_count for entry in found.videos] == ([30] if right else [])


def test_of_two_files_of_one_name_the_annotated_path_decides(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Café")
    for folder in ("x", decomposed):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").touch()
    placed = Video("a", path="Café/a.mp4")
    (found,) = match([placed], tmp_path, frame_counter=lambda _: 30).videos
    assert found.path == str(tmp_path / decomposed / "a.mp4")
    unplaced = match([Video("a", path="z/a.mp4")], tmp_path, frame_counter=lambda _: 30)
    assert "a is there 2 times" in unplaced.unreadable[0]


def test_a_partial_evaluation_must_be_allowed_and_an_empty_one_never_is() -> None:
    partial = match([video("a"), video("b")], ["a", "x"])
    assert partial.required(allow_missing=True) is partial
    with pytest.raises(ConfigError, match="only 1 of 2 videos \\(1 missing\\) can be evaluated") as caught:
        partial.required(allow_missing=False)
    assert caught.value.problems == ("b: missing", "x: there, but not annotated", str(caught.value))
    training = match([video("a"), video("b")], ["a", *map(str, range(800))])
    with pytest.raises(ConfigError) as caught:
        training.required(allow_missing=False)
    assert len(caught.value.problems) == 8
    assert "and 795 more that are not annotated" in caught.value.problems
    with pytest.raises(ConfigError, match="only 0 of 1 videos"):
        match([video("a")], []).required(allow_missing=True)


def test_what_is_wrong_with_a_video_is_not_said_of_one_whose_name_begins_alike() -> None:
    two = video("Fire"), video("Fire 2")
    found = Coverage(2, (), missing=("Fire",), wrong_length=("Fire 2 has 3 frames, its annotation 90",))
    stored = Coverage(2, (two[1],), missing=("Fire",)).explained(found, {})
    assert (stored.missing, stored.wrong_length) == (("Fire",), ())
    both = Coverage(2, (), missing=("Fire", "Fire 2")).explained(found, {})
    assert (both.missing, both.wrong_length) == (("Fire",), found.wrong_length)


def test_extra_videos_never_stop_an_evaluation() -> None:
    found = match([video("a")], ["a", "x"])
    assert found.required(allow_missing=False) is found


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        match([video("a")], tmp_path / "none")


def test_a_file_without_a_video_stream_cannot_be_counted(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(RuntimeFault, match=r"sound\.mkv has no video"):
        count_frames(path)


def test_packets_are_counted_like_decoded_frames() -> None:
    path = Path(__file__).resolve().parents[5] / "shared" / "data" / "clips" / "ucf_robbery102.mp4"
    if not path.exists():
        pytest.skip("the shared clips are not here")
    with av.open(str(path)) as container:
        decoded = sum(1 for _ in container.decode(video=0))
    assert count_frames(path) == decoded == 1827
