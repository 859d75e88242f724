from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.grounding import LONGEST_REPLY, MOST_BOXES, parse_boxes
from engine.types import Box

SIDES = st.lists(st.integers(0, 1000), min_size=2, max_size=2, unique=True).map(sorted)
BOXES = st.lists(st.tuples(SIDES, SIDES).map(lambda each: [each[0][0], each[1][0], each[0][1], each[1][1]]), min_size=1)


@pytest.mark.parametrize(
    ("reply", "boxes"),
    [
        ("[[0,0,1000,1000]]", (Box(0, 0, 1, 1),)),
        ("<ref>a man</ref><box>[[100, 200, 300, 450]]</box>", (Box(0.1, 0.2, 0.3, 0.45),)),
        ("It is here: [[1,2,3,4],[10,20,30,40]].", (Box(0.001, 0.002, 0.003, 0.004), Box(0.01, 0.02, 0.03, 0.04))),
        ("a [[1,2,3,4]] and b [[5,6,7,8]]", (Box(0.001, 0.002, 0.003, 0.004), Box(0.005, 0.006, 0.007, 0.008))),
        ("[ [ 1 , 2 , 3 , 4 ] ]", (Box(0.001, 0.002, 0.003, 0.004),)),
    ],
)
def test_boxes_are_read_wherever_they_are_in_a_reply(reply: str, boxes: tuple[Box, ...]) -> None:
    assert parse_boxes(reply) == boxes


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "There is nobody.",
        "[1,2,3,4]",
        "[[1,2,3]]",
        "[[1,2,3,4,5]]",
        "[[[1,2,3,4]]]",
        "[[1,2,3,4],[5,6,7]]",
        "[[1,2,3,4],[5,6,7,8]",
        "[[0.1,0.2,0.3,0.4]]",
        "[[-1,2,3,4]]",
        "[[3,2,1,4]]",
        "[[1,4,3,4]]",
        "[[1,2,3,1001]]",
        f"[[1,2,3,{'9' * 400}]]",
        "[[1,2,3,4],[5,6,7,5000]]",
        "[[1,2,3,4]] or [[9,9,1,1]]",
        "[[a,b,c,d]]",
        "[[1e2,2,3,4]]",
        "[[\u0661,\u0662,\u0663,\u0664]]",
        "[" * LONGEST_REPLY,
        "[ " * (LONGEST_REPLY // 2),
        "[[1,2,3,4]," * 300,
        f"[[1,2,3,4]]{' ' * LONGEST_REPLY}",
    ],
)
def test_what_is_no_list_of_boxes_gives_none(reply: str) -> None:
    assert parse_boxes(reply) == ()


def test_more_boxes_than_can_be_meant_give_none() -> None:
    def reply(count: int) -> str:
        return "[" + ",".join(["[1,2,3,4]"] * count) + "]"

    assert len(parse_boxes(reply(MOST_BOXES))) == MOST_BOXES
    assert parse_boxes(reply(MOST_BOXES + 1)) == ()
    assert parse_boxes(reply(5000)) == ()
    assert parse_boxes(reply(MOST_BOXES) + reply(1)) == ()


@given(BOXES, st.text(max_size=20), st.text(max_size=20))
def test_every_list_of_proper_boxes_comes_back(corners: list[list[int]], before: str, after: str) -> None:
    before, after = (text.translate({ord("["): "(", ord("]"): ")"}) for text in (before, after))
    found = parse_boxes(f"{before}{corners}{after}")
    if len(corners) > MOST_BOXES:
        assert found == ()
        return
    assert [[box.x1, box.y1, box.x2, box.y2] for box in found] == [
        [number / 1000 for number in each] for each in corners
    ]
    assert all(box.label == "" for box in found)


@given(st.text(alphabet="[]0123456789,.- e<box>\n", max_size=200))
def test_garbage_never_raises_and_what_is_found_is_a_box(reply: str) -> None:
    found = parse_boxes(reply)
    assert len(found) <= MOST_BOXES
    assert all(0 <= box.x1 < box.x2 <= 1 and 0 <= box.y1 < box.y2 <= 1 for box in found)


@given(
    st.recursive(st.integers() | st.floats() | st.booleans(), lambda inner: st.lists(inner, max_size=5), max_leaves=60)
)
def test_lists_of_any_shape_never_raise(value: object) -> None:
    assert all(0 <= box.x1 < box.x2 <= 1 for box in parse_boxes(str(value)))
