from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UsageError
from stream.config.edit import Item, Revised, with_list
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


COMMENTED = """\
cameras:
  hall:
    definitions:
      # since the accident in May
      - name: falls          # as the ward calls it
        text: >-
          a person who
          falls
        open: 0.7            # 0.6 cried wolf
        # last
      - a fire               # the kitchen
      # one line
      - {name: gate, open: .5, "close": 0.2, ignore: 'a, b'}   # tuned
"""


@pytest.mark.parametrize(
    ("place", "changes", "before", "after"),
    [
        (0, {"open": 0.8}, "open: 0.7 ", "open: 0.8 "),
        (0, {"text": "a fall"}, ">-\n          a person who\n          falls", "a fall"),
        (0, {"close": 0.3}, "wolf\n", "wolf\n        close: 0.3\n"),
        (0, {"open": None}, "        open: 0.7            # 0.6 cried wolf\n", ""),
        (0, {"name": None}, "name: falls          # as the ward calls it\n        text:", "text:"),
        (1, {"text": "smoke"}, "a fire ", "smoke "),
        (1, {"open": 0.5}, "a fire ", "{text: a fire, open: 0.5} "),
        (
            2,
            {"open": 0.6, "ignore": "c: d"},
            ".5, \"close\": 0.2, ignore: 'a, b'",
            "0.6, \"close\": 0.2, ignore: 'c: d'",
        ),
        (2, {"close": None, "open": None}, 'open: .5, "close": 0.2, ', ""),
        (2, {"close": None, "ignore": None, "text": "x"}, ", \"close\": 0.2, ignore: 'a, b'", ", text: x"),
    ],
)
def test_of_one_that_is_revised_only_what_changed_is_another(
    place: int, changes: dict[str, Any], before: str, after: str
) -> None:
    items: list[Item] = [("", 0), ("", 1), ("", 2)]
    items[place] = (Revised("", changes), place)
    assert COMMENTED.count(before) == 1
    assert with_list(COMMENTED, ["cameras", "hall", "definitions"], items) == COMMENTED.replace(before, after)


def test_one_is_revised_while_others_come_and_go() -> None:
    lines, says = edited(
        COMMENTED, "hall", (Revised("", {"open": 0.8}), 0), ("a dog", None), (Revised("", {"close": None}), 2)
    )
    assert lines == [
        "-        open: 0.7            # 0.6 cried wolf",
        "-        # last",
        "-      - a fire               # the kitchen",
        "+        open: 0.8            # 0.6 cried wolf",
        "+      - a dog",
        "-      - {name: gate, open: .5, \"close\": 0.2, ignore: 'a, b'}   # tuned",
        "+      - {name: gate, open: .5, ignore: 'a, b'}   # tuned",
    ]
    assert [each if isinstance(each, str) else each["name"] for each in says] == ["falls", "a dog", "gate"]


def test_in_a_list_over_several_lines_a_revision_keeps_the_lines() -> None:
    text = "cameras:\n  a:\n    definitions: [  # two\n      p,  # first\n      {text: q, open: 0.5},\n    ]\n"
    assert edited(text, "a", (Revised("", {"text": "r"}), 0), (Revised("", {"open": 0.6}), 1))[0] == [
        "-      p,  # first",
        "-      {text: q, open: 0.5},",
        "+      r,  # first",
        "+      {text: q, open: 0.6},",
    ]


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


KEYS = ("name", "text", "ignore", "open", "close", "alert")


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2),
    st.dictionaries(st.sampled_from(KEYS), st.none() | texts, min_size=1),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_is_revised_is_read_again_as_it_was_meant(
    place: int, changes: dict[str, str | None], alone: bool, line_end: str
) -> None:
    text = COMMENTED.replace("\n", line_end)
    was: Any = read(text).value
    all_were = [each if isinstance(each, dict) else {"text": each} for each in was["cameras"]["hall"]["definitions"]]
    items: list[Item] = [("", 0), ("", 1), ("", 2)]
    items[place] = (Revised("", changes), place)
    if not alone:
        items.append(("new", None))
    reading = read(with_list(text, ["cameras", "hall", "definitions"], items))
    assert reading.problems == []
    now: Any = reading.value
    all_are = [each if isinstance(each, dict) else {"text": each} for each in now["cameras"]["hall"]["definitions"]]
    all_were[place] = {key: value for key, value in (all_were[place] | changes).items() if value is not None}
    assert all_are == all_were + ([] if alone else [{"text": "new"}])
