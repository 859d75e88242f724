from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RuntimeFault, UsageError
from engine.types import ModelInfo
from offline_eval.videos.records import Run
from offline_eval.videos.store import ResponseStore, read_run, read_videos
from tests.unit.offline_eval.videos.made import RUN, judged, stored, without_timings


def make(folder: Path, *names: str) -> Path:
    with ResponseStore(folder, RUN) as store:
        for name in names:
            store.add(stored(name))
        return store.path


def test_what_is_stored_comes_back_whole(tmp_path: Path) -> None:
    make(tmp_path, "Fire #1 é", "Normal 2")
    first, second = read_videos(tmp_path)
    assert (first, second) == (stored("Fire #1 é"), stored("Normal 2"))
    assert read_run(tmp_path) == RUN
    judgement = first.windows[2].judgement
    assert judgement.vector is not None
    np.testing.assert_array_equal(judgement.vector, judged(0.9).vector)
    assert (judgement.text, judgement.boxes, judgement.worst) == ("A man falls.", judged(0.9).boxes, 5)
    assert first.windows[1].judgement == judged(None)


def test_what_was_finished_before_is_known_when_it_is_opened_again(tmp_path: Path) -> None:
    make(tmp_path, "a", "b")
    with ResponseStore(tmp_path, RUN) as store:
        assert store.done == {"a", "b"}
        store.add(stored("c"))
        with pytest.raises(UsageError, match="has c already"):
            store.add(stored("c"))
    assert [video.name for video in read_videos(tmp_path)] == ["a", "b", "c"]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 10_000), zeros=st.booleans())
def test_wherever_a_crash_tears_the_file_the_finished_videos_stay_and_the_rest_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory, cut: int, zeros: bool
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    path = make(folder, "a", "b")
    whole = path.read_bytes()
    cut = cut % (len(whole) + 1)
    path.write_bytes(whole[:cut] + (bytes(len(whole) - cut) if zeros else b""))
    finished = [name for name in ("a", "b") if whole.index(stored(name).encoded()) + len(stored(name).encoded()) <= cut]
    with ResponseStore(folder, RUN) as store:
        assert sorted(store.done) == finished
        for name in {"a", "b"} - store.done:
            store.add(stored(name))
    assert sorted(video.name for video in read_videos(folder)) == ["a", "b"]
    assert len(path.read_bytes()) == len(whole)


def test_a_reader_does_not_see_a_torn_end(tmp_path: Path) -> None:
    path = make(tmp_path, "a", "b")
    path.write_bytes(path.read_bytes()[:-20])
    assert [video.name for video in read_videos(tmp_path)] == ["a"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines[:2], b'{"kind": "window"}\n', *lines[3:]],
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: [*lines[:2], lines[0], *lines[2:]],
    ],
    ids=["garbage", "a window lost", "two runs"],
)
def test_damage_before_the_end_is_an_error_and_nothing_is_cut_off(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    path = make(tmp_path, "a", "b")
    damaged = b"".join(damage(path.read_bytes().splitlines(keepends=True)))
    path.write_bytes(damaged)
    with pytest.raises(RuntimeFault, match="line"):
        ResponseStore(tmp_path, RUN)
    with pytest.raises(RuntimeFault, match="line"):
        list(read_videos(tmp_path))
    assert path.read_bytes() == damaged


def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_text('{"camera": "front", "index": 1}\n')
    with pytest.raises(UsageError, match="no store"):
        ResponseStore(tmp_path, RUN)
    assert path.read_text() == '{"camera": "front", "index": 1}\n'


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (Run.of("made", ModelInfo("motion", "motion"), {"window": "grid", "window.fps": "4"}), "window.fps 4 instead"),
        (Run.of("made", ModelInfo("motion", "motion"), {"window": "grid"}), "window.fps None instead of 8"),
        (Run.of("other", ModelInfo("motion", "motion"), RUN.settings), "dataset other instead of made"),
        (Run.of("made", ModelInfo("vlm", "8B", "abc"), RUN.settings), "model 8B .* prompt_sha256 abc .* scorer vlm"),
    ],
)
def test_responses_made_with_other_settings_are_not_mixed_and_the_difference_is_told(
    tmp_path: Path, other: Run, told: str
) -> None:
    path = make(tmp_path, "a")
    before = path.read_bytes()
    with pytest.raises(UsageError, match=told):
        ResponseStore(tmp_path, other)
    with pytest.raises(UsageError, match=told):
        ResponseStore(tmp_path, other, shard="1-of-2")
    assert path.read_bytes() == before


def test_two_processes_cannot_add_to_one_file_but_shards_can_share_a_folder(tmp_path: Path) -> None:
    with ResponseStore(tmp_path, RUN, shard="1-of-2") as first:
        with pytest.raises(UsageError, match="another process"):
            ResponseStore(tmp_path, RUN, shard="1-of-2")
        first.add(stored("a"))
        with ResponseStore(tmp_path, RUN, shard="2-of-2") as second:
            assert second.done == {"a"}
            second.add(stored("b"))
    assert sorted(without_timings(tmp_path)) == ["a", "b"]


def test_a_video_that_two_shards_finished_is_not_counted_twice_in_silence(tmp_path: Path) -> None:
    first, second = (ResponseStore(tmp_path, RUN, shard=f"{number}-of-2") for number in (1, 2))
    first.add(stored("a"))
    second.add(stored("a"))
    first.close()
    second.close()
    with pytest.raises(UsageError, match="a twice"):
        list(read_videos(tmp_path))


def test_a_folder_without_responses_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no responses"):
        read_run(tmp_path)


def test_a_full_disk_is_one_clear_error_and_the_next_replay_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ResponseStore(tmp_path, RUN) as store:
        store.add(stored("a"))
        with monkeypatch.context() as patch:
            patch.setattr("offline_eval.videos.store.os.fsync", _no_space)
            with pytest.raises(RuntimeFault, match="No space"):
                store.add(stored("b"))
    with store.path.open("rb+") as file:
        file.truncate(store.path.stat().st_size - 10)  # as much of it as there was room for
    with ResponseStore(tmp_path, RUN) as store:
        assert store.done == {"a"}


def _no_space(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")
