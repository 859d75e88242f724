from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import ConfigError
from offline_eval.responses import read_responses


def write(folder: Path, content: object) -> Path:
    path = folder / "r.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_responses_are_read_by_video_name(tmp_path: Path) -> None:
    path = write(tmp_path, {"a/Café #1.mp4": ["Normal scenes. x", ""], "b": ["y"]})
    assert read_responses(path) == {"Café #1": ("Normal scenes. x", ""), "b": ("y",)}


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": ["x"], "a.mp4": ["x"], "b": "x", "c": [], "d": ["x", 3]})
    with pytest.raises(ConfigError, match=r"r\.json do not hold: r\.json: a is there twice and 3 more") as caught:
        read_responses(path)
    assert caught.value.problems == (
        "r.json: a is there twice",
        "r.json: b has no list of responses",
        "r.json: c has no list of responses",
        "r.json: d: response 2 is not a text",
    )


@pytest.mark.parametrize("content", [[], {}, "x"])
def test_a_file_of_another_shape_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="are no object of videos"):
        read_responses(write(tmp_path, content))
