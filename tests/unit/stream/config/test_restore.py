from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UsageError
from stream.config.edit import Item, Revised, with_list
from stream.config.restore import replaced, restored
from tests.unit.stream.config.test_edit import COMMENTED, FILE

HALL, LIST = ("cameras", "hall"), ("cameras", "hall", "definitions")
ITEMS: tuple[Item, ...] = (("", 0), ("", 1), ("", 2), ("new", None), (Revised("", {"open": 0.9}), 0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(ITEMS), unique_by=lambda item: item[1]), st.sampled_from(["\n", "\r\n"]))
def test_whatever_was_changed_is_taken_back_to_the_byte(items: list[Item], line_end: str) -> None:
    text = (COMMENTED + "# the end\n").replace("\n", line_end)
    after = with_list(text, LIST, items)
    assert restored(after, HALL, replaced(text, after, HALL)) == text


@pytest.mark.parametrize("camera", ["side", "yard"])
def test_a_list_that_was_added_goes(camera: str) -> None:
    path = ("cameras", camera)
    after = with_list(FILE, (*path, "definitions"), [("a", None)])
    assert restored(after, path, replaced(FILE, after, path)) == FILE


def test_what_was_changed_elsewhere_since_stays_and_no_more_is_kept_than_what_was_replaced() -> None:
    after = with_list(COMMENTED, LIST, [("", 0), (Revised("", {"text": "smoking"}), 1), ("", 2)])
    was = replaced(COMMENTED, after, HALL)
    assert was.text == "a fire"
    assert restored(f"# mine\n{after}feed: {{}}\n", HALL, was) == f"# mine\n{COMMENTED}feed: {{}}\n"


def test_of_a_camera_that_was_changed_since_it_is_not_known_how_it_was() -> None:
    after = with_list(COMMENTED, LIST, [("", 0)])
    was = replaced(COMMENTED, after, HALL)
    assert restored(after.replace("0.6 cried", "0.5 cried"), HALL, was) is None
    assert restored(after.replace("hall", "house"), HALL, was) is None
    assert restored("[", HALL, was) is None
    with pytest.raises(UsageError):
        replaced(COMMENTED, "cameras: {}", HALL)
