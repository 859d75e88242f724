"""What the contract suite leaves: each format's own corners, and files that are no annotations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import ConfigError, UsageError
from offline_eval.datasets import Span, Video, load_dataset


def problems(dataset: str, path: Path, text: str) -> tuple[str, ...]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_dataset(dataset, path)
    return caught.value.problems


def videos(dataset: str, path: Path, text: str) -> list[Video]:
    path.write_text(text, encoding="utf-8")
    return list(load_dataset(dataset, path).videos())


def test_ucf_text_problems_each_have_their_line(tmp_path: Path) -> None:
    text = """Abuse028_x264.mp4  Abuse  165  24O  -1  -1
Arrest001_x264.mp4  Arrest  1185  1485

Arson011_x264.mp4  Arson  420  150  -1  -1
Normal_Videos_003_x264.mp4  Normal  1  2  -1  -1
Arson012_x264.mp4  Arson  -1  -1  -1  -1
Arson013_x264.mp4  Arson  1  2  -1  -1
"""
    assert problems("ucf-crime", tmp_path / "a.txt", text) == (
        "a.txt:1: '24O' is not a whole number",
        "a.txt:2: expected a file, a category and four frame numbers",
        "a.txt:4: span 420 to 150 is not a stretch of frames",
        "a.txt:5: Normal_Videos_003_x264 is normal but has abnormal spans",
        "a.txt:6: Arson012_x264 is Arson but has no abnormal span",
    )


def test_ucf_text_takes_spaces_and_unicode_in_names(tmp_path: Path) -> None:
    (video,) = videos("ucf-crime", tmp_path / "a.txt", "Überfall #2 am Café.mp4 Robbery 3 9 -1 -1")
    assert (video.name, video.spans) == ("Überfall #2 am Café", (Span(3, 9),))


def test_xd_text_takes_spaces_and_hashes_and_dots_in_names(tmp_path: Path) -> None:
    (video,) = videos("xd-violence", tmp_path / "a.txt", "Bad.Boys 2 1995__#00-01 1_label_B2-0-0 3 9 20 30 40 50")
    assert (video.name, video.categories) == ("Bad.Boys 2 1995__#00-01 1_label_B2-0-0", ("Shooting",))
    assert video.spans == (Span(3, 9), Span(20, 30), Span(40, 50))


def test_xd_text_problems_each_have_their_line(tmp_path: Path) -> None:
    text = "a_label_B9-0-0 1 2\nb_label_B1-0-0 1 x\nc_label_A 1 2\nd_label_0-0-0 1 2\n"
    assert problems("xd-violence", tmp_path / "a.txt", text) == (
        "a.txt:1: a_label_B9-0-0: its label is none of A, B1, B2, B4, B5, B6, G",
        "a.txt:2: 'x' is not a whole number",
        "a.txt:3: c_label_A is normal but has abnormal spans",
        "a.txt:4: d_label_0-0-0: its label is none of A, B1, B2, B4, B5, B6, G",
    )


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ("text", "is not an object"),
        ({"video": None, "temporal_label": [], "length": 3}, "None is not a text"),
        ({"video": "Abuse1", "temporal_label": [0, 1], "length": 0}, "Abuse1 has a length of 0 frames"),
        ({"video": "Abuse1", "temporal_label": [0, 1.5], "length": 9}, "1.5 is not a whole number"),
        ({"video": "Abuse1", "temporal_label": [20, 30], "length": 9}, "Abuse1 is Abuse but has no abnormal span"),
        ({"video": "001", "temporal_label": [0, 1], "length": 9}, "001 does not begin with a category"),
        ({"video": "Abuse1", "temporal_label": None, "length": 9}, "'NoneType' object is not iterable"),
    ],
)
def test_json_problems_each_have_their_item(tmp_path: Path, item: object, problem: str) -> None:
    assert problems("ucf-crime", tmp_path / "a.json", json.dumps([item])) == (f"a.json: item 1: {problem}",)


@pytest.mark.parametrize(("text", "problem"), [("", "a.txt: no video is annotated"), ("\n \n", "a.txt: no video")])
def test_a_file_without_videos_is_a_problem(tmp_path: Path, text: str, problem: str) -> None:
    assert problems("ucf-crime", tmp_path / "a.txt", text)[0].startswith(problem)


def test_broken_json_is_told_with_its_line(tmp_path: Path) -> None:
    assert problems("msad", tmp_path / "a.json", '[\n{"video_path": }]') == ("a.json:2: Expecting value",)


def test_json_that_is_no_list_is_an_error(tmp_path: Path) -> None:
    assert problems("msad", tmp_path / "a.json", "{}") == ()


def test_a_file_that_is_not_there_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.txt: No such file"):
        load_dataset("ucf-crime", tmp_path / "none.txt")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_dataset("ucf-crime", tmp_path / "a.txt")


def test_an_unknown_data_set_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean ucf-crime"):
        load_dataset("ucf_crime", tmp_path)
    with pytest.raises(UsageError, match="there are ucf-crime, xd-violence"):
        load_dataset("zzz", tmp_path)
