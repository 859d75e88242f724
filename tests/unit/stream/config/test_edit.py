from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UsageError
from stream.config.edit import Item, with_list
from stream.config.reader import read

CONFIGS = sorted((Path(__file__).parents[4] / "configs").glob("*.yaml"))
FILE = """\
# my cameras
cameras:
    front:
        source: rtsp://vigil:${FRONT}@192.0.2.10:554/stream1   # the door
        idle: {enabled: off}
        definitions:
        - a person without a helmet     # safety
        # about fires
        - {name: fire, text: "smoke or fire", open: .5}

        -   name: fall
            text: >-
                a person who
                falls
    # the yard
    yard: {source: 0123, alerts: {open: 0.70}, fps: 1e1}   # this one only
    side:
      source: synthetic://


defaults: {alerts: {cooldown: 30s}}
"""


def edited(text: str, camera: str, *items: Item) -> tuple[list[str], Any]:
    """The lines that went (-) and came (+), and what the list says then."""
    after = with_list(text, ["cameras", camera, "definitions"], items)
    lines = difflib.unified_diff(text.splitlines(), after.splitlines(), lineterm="", n=0)
    reading = read(after)
    assert reading.problems == []
    assert isinstance(reading.value, dict)
    says: Any = reading.value["cameras"]
    return [line for line in lines if line[:3] not in ("---", "+++") and line[0] in "+-"], says[camera]["definitions"]


def test_one_that_is_added_is_one_line_and_all_others_stay() -> None:
    lines, says = edited(FILE, "front", ("", 0), ("", 1), ("", 2), ("a dog, or 'two'", None))
    assert lines == ["+        - a dog, or 'two'"]
    assert says[-1] == "a dog, or 'two'"


def test_one_that_goes_takes_the_comments_above_it_along() -> None:
    lines, says = edited(FILE, "front", ("", 0), ("", 2))
    assert lines == ["-        # about fires", '-        - {name: fire, text: "smoke or fire", open: .5}']
    assert [says[0], says[1]["name"]] == ["a person without a helmet", "fall"]


def test_the_order_may_change() -> None:
    _, says = edited(FILE, "front", ("", 2), ("x", None), ("", 0))
    assert says == [{"name": "fall", "text": "a person who falls"}, "x", "a person without a helmet"]


def test_a_long_one_takes_several_lines_and_a_short_one_one() -> None:
    long: Item = ({"name": "gate", "text": "x" * 100, "open": 0.4}, None)
    lines, says = edited(FILE, "front", ("", 0), ("", 1), ("", 2), long, ({"name": "b", "ignore": "birds"}, None))
    assert lines == [
        "+        - name: gate",
        f"+          text: {'x' * 100}",
        "+          open: 0.4",
        "+        - {name: b, ignore: birds}",
    ]
    assert says[3]["open"] == "0.4"


def test_none_at_all_is_an_empty_list() -> None:
    lines, says = edited(FILE, "front")
    assert [line for line in lines if line.startswith("+")] == ["+        definitions: []"]
    assert says == []


def test_a_camera_that_had_none_gets_the_key_after_its_others() -> None:
    assert edited(FILE, "side", ("a", None))[0] == ["+      definitions:", "+        - a"]
    lines, says = edited(FILE, "yard", ("a, b", None))
    assert lines[1] == (
        "+    yard: {source: 0123, alerts: {open: 0.70}, fps: 1e1, definitions: ['a, b']}   # this one only"
    )
    assert says == ["a, b"]


def test_a_list_on_one_line_stays_on_it() -> None:
    text = "cameras:\n  a:\n    definitions: [p, {text: 'q, r'}]  # two\n    source: x"
    assert edited(text, "a", ("", 1), ("z", None))[0][1] == "+    definitions: [{text: 'q, r'}, z]  # two"
    assert edited(text.replace("[p, {text: 'q, r'}]", ""), "a", ("z", None))[1] == ["z"]


def test_line_ends_are_kept_and_a_missing_last_one_does_no_harm() -> None:
    text = "cameras:\n  a:\n    source: x\n    definitions:\n      - |\n        many\n        lines\n      - p"
    text = text.replace("\n", "\r\n")
    after = with_list(text, ["cameras", "a", "definitions"], [("", 1), ("n", None), ("", 0)])
    assert after.endswith("      - p\r\n      - n\r\n      - |\r\n        many\r\n        lines\r\n")
    assert after.count("\n") == after.count("\r\n")


def test_a_camera_that_is_not_in_the_file_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"cameras\.gate is not in the file"):
        with_list(FILE, ["cameras", "gate", "definitions"], [])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_in_every_shipped_file_only_the_list_changes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    reading = read(text)
    assert isinstance(reading.value, dict)
    cameras = reading.value["cameras"]
    assert isinstance(cameras, dict)
    for camera in cameras:
        lines, says = edited(text, camera, ("a fire", None))
        assert says == ["a fire"]
        assert [line for line in lines if line.startswith("+")][-1].strip("+ ") == "- a fire"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["front", "yard", "side"]), st.lists(texts | st.fixed_dictionaries({"text": texts}), max_size=4))
def test_whatever_is_written_is_read_again_as_it_was(camera: str, values: list[str | dict[str, Any]]) -> None:
    after = read(with_list(FILE, ["cameras", camera, "definitions"], [(value, None) for value in values]))
    before = read(FILE)
    assert after.problems == []
    assert isinstance(after.value, dict)
    assert isinstance(before.value, dict)
    cameras: Any = after.value.pop("cameras")
    others: Any = before.value.pop("cameras")
    assert cameras[camera].pop("definitions") == values
    others[camera].pop("definitions", None)
    assert (cameras, after.value) == (others, before.value)
