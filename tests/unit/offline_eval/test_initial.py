from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError
from offline_eval.datasets import Video
from offline_eval.initial import match_initial, read_initial, said_of
from offline_eval.methods.vera import initial_of

NAMES = ("v=S-7rRLrxnVQ__#1_label_B4-0-0", "Die Straße.2010__#00-01", "Café", "普通_003")


def written(folder: Path, scores: object, features: dict[str, object]) -> tuple[Path, Path]:
    answers, looks = folder / "scores.json", folder / "features.npz"
    answers.write_text(json.dumps(scores), encoding="utf-8")
    np.savez(looks, **features)  # type: ignore[arg-type]
    return answers, looks


def problems_of(answers: Path, looks: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read_initial(answers, looks)
    return caught.value.problems


def test_scores_and_features_are_read_by_the_names_of_videos(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    scores = {name: [0, 1, 0.25] for name in NAMES[:3]} | {f"test/{NAMES[3]}.mp4": [1]}
    features: dict[str, object] = dict.fromkeys(NAMES[:3], rows)
    features |= {NAMES[3]: rows[:1], "another video": rows}
    initial = read_initial(*written(tmp_path, scores, features))
    assert set(initial) == set(NAMES)
    assert initial[NAMES[0]].scores.tolist() == [0, 1, 0.25]
    assert initial[NAMES[3]].scores.tolist() == [1]
    np.testing.assert_array_equal(initial[NAMES[1]].features, rows)
    assert initial[NAMES[1]].features.dtype == np.float32


def test_accents_match_however_they_are_composed(tmp_path: Path) -> None:
    assert list(read_initial(*written(tmp_path, {"Cafe\u0301": [0]}, {"Caf\u00e9": np.ones((1, 2))}))) == ["Caf\u00e9"]


def test_folders_as_the_authors_give_them_are_read_too(tmp_path: Path) -> None:
    answers, looks = tmp_path / "scores", tmp_path / "features"
    answers.mkdir()
    looks.mkdir()
    for name in NAMES:
        each = {"0": {"start": 0, "end": 20, "score": 1}, "16": {"start": 0, "end": 20, "score": 0}}
        (answers / f"{name}.json").write_text(json.dumps(each))
        np.save(looks / f"{name}.npy", np.ones((2, 4)))
    initial = read_initial(answers, looks)
    assert set(initial) == set(NAMES)
    assert all(each.scores.tolist() == [1, 0] for each in initial.values())


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    row = np.ones((2, 3))
    scores: dict[str, object] = {
        "fine": [0, 1],
        "twice": [0, 1],
        "twice.mp4": [0, 1],
        "empty": [],
        "text": "0, 1",
        "words": [0, "1"],
        "gap": [0, None],
        "truth": [True, False],
        "high": [0, 2],
        "nan": [0, float("nan")],
        "steps": {"0": {"score": 0}, "30": {"score": 1}},
        "bare": {"0": {"label": 0}},
        "longer": [0, 1, 0],
        "alone": [0, 1],
        "flat": [0, 1],
        "whole": [0, 1],
        "zero": [0, 1],
        "infinite": [0, 1],
        "objects": [0, 1],
    }
    features: dict[str, object] = dict.fromkeys(scores, row)
    del features["alone"], features["twice.mp4"]
    features |= {"flat": np.ones(2), "whole": row.astype(int), "zero": np.array([[1.0], [0.0]])}
    features |= {"infinite": np.array([[np.inf], [1.0]]), "objects": np.array([[None], [1]], object)}
    found = problems_of(*written(tmp_path, scores, features))
    assert found == (
        "scores.json: twice is there twice",
        "scores.json: empty: it has no list of scores",
        "scores.json: text: it has no list of scores",
        "scores.json: words: score 2 is '1', not a number from 0 to 1",
        "scores.json: gap: score 2 is 'None', not a number from 0 to 1",
        "scores.json: truth: score 1 is 'True', not a number from 0 to 1",
        "scores.json: high: score 2 is '2', not a number from 0 to 1",
        "scores.json: nan: score 2 is 'nan', not a number from 0 to 1",
        "scores.json: steps: its centres are not 0, 16, 32 and so on",
        "scores.json: bare: score 1 is 'None', not a number from 0 to 1",
        "features.npz: flat: its features are no array [H, D] of floats",
        "features.npz: whole: its features are no array [H, D] of floats",
        "features.npz: zero: row 2 of its features is all zero or not finite",
        "features.npz: infinite: row 1 of its features is all zero or not finite",
        "features.npz: objects: Object arrays cannot be loaded when allow_pickle=False",
        "features.npz: longer has 2 rows for 3 initial scores",
        "features.npz: alone is missing",
    )


def test_a_file_in_a_folder_that_is_damaged_is_told_by_its_video(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text('{"0": {"score": 1}}' if name == "a" else "{")
        np.save(tmp_path / f"{name}.npy", np.ones((1, 2)))
    (tmp_path / "a.npy").write_bytes(b"no array")
    first, second = problems_of(tmp_path, tmp_path)
    assert first.startswith(f"{tmp_path.name}: b: ")
    assert second.startswith(f"{tmp_path.name}: a: ")


def test_files_that_are_none_of_these_are_refused(tmp_path: Path) -> None:
    answers, looks = written(tmp_path, {"a": [0]}, {"a": np.ones((1, 2))})
    text, array, listed = tmp_path / "text.npz", tmp_path / "array.npy", tmp_path / "list.json"
    text.write_text("no archive")
    np.save(array, np.ones((1, 2)))
    listed.write_text("[0, 1]")
    for scores, features, message in (
        (answers, text, "is no .npz"),
        (answers, array, "holds one array"),
        (answers, tmp_path / "gone.npz", "cannot read"),
        (tmp_path / "gone.json", looks, "cannot read"),
        (listed, looks, "are no object of videos"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_initial(scores, features)
    (tmp_path / "nothing").mkdir()
    assert problems_of(tmp_path / "nothing", looks) == ("nothing: no video is in it",)


def test_as_judgements_they_come_back_the_same(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    initial = read_initial(*written(tmp_path, {"a": [0, 1, 0.25]}, {"a": rows}))["a"]
    video = Video("a", frame_count=41)
    said = said_of(video, initial, fps=10.0)
    assert [each.window.index for each in said.windows] == [0, 1, 2]
    assert (said.windows[2].frame, said.windows[2].window.time_s) == (35, 3.5)
    back = initial_of(video, said)
    np.testing.assert_array_equal(back.scores, initial.scores)
    np.testing.assert_array_equal(back.features, rows)


def test_a_video_whose_centres_were_not_all_answered_is_of_the_wrong_length(tmp_path: Path) -> None:
    videos = [Video(name, frame_count=frames) for name, frames in (("a", 32), ("b", 33), ("c", 16), ("d", 16))]
    rows = np.ones((2, 3))
    initial = read_initial(*written(tmp_path, {name: [0, 1] for name in "abce"}, dict.fromkeys("abce", rows)))
    coverage = match_initial(videos, initial)
    assert [video.name for video in coverage.videos] == ["a"]
    assert coverage.wrong_length == (
        "b has 2 initial scores for the 3 centres of 33 frames",
        "c has 2 initial scores for the 1 centres of 16 frames",
    )
    assert coverage.missing == ("d",)
    assert coverage.extra == ("e",)
