from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import ConfigError, UsageError
from offline_eval.marks import read_marked_scores, read_marks
from tests.unit.offline_eval.marked import Rise, mark, write_marks, write_recording

RISES = [Rise(100, 0.9, verdict="true"), Rise(200, 0.7, verdict="false")]


def test_marks_are_laid_beside_the_scores_of_their_time(tmp_path: Path) -> None:
    marks = write_marks(tmp_path / "marks", [*RISES, Rise(5000, 0.9, verdict="true")])
    with marks.open("a") as file:
        file.write(json.dumps(mark(Rise(300, 0.7))) + "\n")
        file.write(json.dumps(mark(Rise(100, 0.9, verdict="true"), camera="yard")) + "\n")
    scores = read_marked_scores(marks, [write_recording(tmp_path / "front", RISES)])
    assert [(each.event, each.right) for each in scores.marks] == [("front 100", True), ("front 200", False)]
    assert (scores.undecided, scores.unrecorded, scores.windows) == (1, 2, 700)


def test_each_definition_has_its_own_course_and_the_first_one_those_without_a_name(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "front", RISES, seconds=250)
    lines = [json.loads(line) | {"definition": "fall"} for line in recording.read_text().splitlines()]
    with recording.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    told = [mark(RISES[0], definition="a fire"), mark(RISES[1], definition="fall")]
    marks = tmp_path / "marks"
    marks.write_text("".join(json.dumps(each) + "\n" for each in told))
    scores = read_marked_scores(marks, [recording])
    found = {course.definition: [each.event for each in course.marks] for course in scores.courses}
    assert found == {None: ["front 100"], "fall": ["front 200"]}


def test_an_event_counts_once_however_often_it_is_marked_or_recorded(tmp_path: Path) -> None:
    told = [mark(RISES[0]), mark(RISES[0]) | {"verdict": "false"}]
    marks = tmp_path / "marks"
    marks.write_text("".join(json.dumps(each) + "\n" for each in told))
    recording = write_recording(tmp_path / "front", RISES)
    scores = read_marked_scores(marks, [recording, recording])
    assert [(each.event, each.right) for each in scores.marks] == [("front 100", False)]


def test_an_event_that_was_open_lasts_as_far_as_it_is_known(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.write_text(json.dumps(mark(RISES[0]) | {"end_time": None, "newest_time": 101.0}) + "\n\n")
    (found,) = read_marks(marks)
    assert (found.start_time, found.until) == (99.0, 101.0)


def test_files_that_are_something_else_are_refused_in_words(tmp_path: Path) -> None:
    marks, other = write_marks(tmp_path / "marks", RISES), tmp_path / "other"
    with pytest.raises(ConfigError, match=r"cannot read .*none: No such file .*: make it with `vigil feedback export`"):
        read_marks(tmp_path / "none")
    other.write_text('{"camera": "front", "pts_s": 3, "score": 0.5}\n')
    with pytest.raises(ConfigError, match=r"other, line 1: .*event"):
        read_marks(other)
    with pytest.raises(UsageError, match=r"does not say when its windows ended: make it with `vigil watch --record`"):
        read_marked_scores(marks, [other])
