"""What the API says that it tells is what the feed tells."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.types import Box
from stream.console.models import Event, EventCourse, MarkTold
from stream.console.told import events_of, lines_of, schema_of
from stream.feed.messages import AlertBox, AlertMessage, AlertModel, ScoreMessage, StatusMessage, encode
from tests.unit.stream.feed.made import an_alert

WORDS = ("title", "description", "default")


def shape(schema: Any) -> Any:
    """Without what is only said about it, and without what only one of the two libraries knows."""
    match schema:
        case dict():
            return {key: shape(value) for key, value in schema.items() if key not in WORDS}
        case list():
            return [shape(each) for each in schema]
        case _:
            return schema


@pytest.mark.parametrize("name", sorted(set(Event.model_fields) & set(AlertMessage.__struct_fields__)))
def test_what_an_event_has_in_common_with_its_alerts_is_the_same(name: str) -> None:
    assert shape(schema_of(Event)["properties"][name]) == shape(schema_of(AlertMessage)["properties"][name])


def test_of_an_alert_only_what_is_of_one_message_is_not_in_its_event() -> None:
    own = set(AlertMessage.__struct_fields__) - set(Event.model_fields)
    assert own == {"epoch", "type", "time", "has_snapshot", "has_clip", "timing", "run"}
    assert set(Event.model_fields) - set(AlertMessage.__struct_fields__) == {"mark"}


@pytest.mark.parametrize("struct", [AlertBox, AlertModel, AlertMessage, StatusMessage, ScoreMessage])
def test_a_struct_is_described_field_by_field(struct: type[msgspec.Struct]) -> None:
    described = schema_of(struct)
    tag = {"schema"} if struct.__struct_config__.tag else set()
    assert set(described["properties"]) == set(struct.__struct_fields__) | tag
    assert "$ref" not in str(described)


def test_structs_are_sent_as_on_the_feed() -> None:
    alert = an_alert(boxes=(AlertBox(x1=0.1, y1=0.1, x2=0.2, y2=0.2),))
    common = {name: getattr(alert, name) for name in Event.model_fields if name != "mark"}
    course = EventCourse.model_validate(common | {"mark": None, "messages": [alert], "marks": []})
    sent = msgspec.json.decode(course.model_dump_json())
    assert sent["messages"] == [msgspec.json.decode(encode(alert))]
    assert sent["boxes"] == [{"x1": 0.1, "y1": 0.1, "x2": 0.2, "y2": 0.2, "label": ""}]
    with pytest.raises(ValueError, match="instance of AlertBox"):
        EventCourse.model_validate(common | {"boxes": (Box(0.1, 0.1, 0.2, 0.2),), "messages": [], "marks": []})


def test_what_comes_one_after_the_other_is_described_as_items() -> None:
    assert lines_of("x/y", AlertModel)[200]["content"]["x/y"]["itemSchema"] == schema_of(AlertModel)
    told = events_of("x/y", {"alert": AlertMessage, "mark": MarkTold})[200]["content"]["x/y"]["itemSchema"]["oneOf"]
    assert [each["properties"]["event"]["const"] for each in told] == ["alert", "mark"]
    data = [each["properties"]["data"]["contentSchema"] for each in told]
    assert set(data[1]["properties"]["mark"]["properties"]) >= {"verdict", "acknowledged", "note"}
    assert data[0] == schema_of(AlertMessage)
