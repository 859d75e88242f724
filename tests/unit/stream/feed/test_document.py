"""The written protocol is what the code speaks: every message in docs/feed.md is read by it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from stream.feed.catch_up import OpenEvents, OpenRequest, Page, RangeRequest, Refusal
from stream.feed.messages import AlertMessage, StatusMessage

TEXT = (Path(__file__).parents[4] / "docs" / "feed.md").read_text()
WRITTEN = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL) + re.findall(r"`(\{.*?\})`", TEXT)
KINDS = {
    "vigil.alert/1": AlertMessage,
    "vigil.status/1": StatusMessage,
    "vigil.range/1": RangeRequest,
    "vigil.page/1": Page,
    "vigil.open/1": OpenRequest,
    "vigil.open_events/1": OpenEvents,
    "vigil.error/1": Refusal,
}


def test_every_kind_of_message_has_an_example() -> None:
    assert {json.loads(example)["schema"] for example in WRITTEN} == set(KINDS)


@pytest.mark.parametrize("example", WRITTEN, ids=lambda example: json.loads(example)["schema"])
def test_an_example_has_exactly_the_fields_of_its_message(example: str) -> None:
    written = json.loads(example)
    kind = KINDS[written["schema"]]
    decoded = msgspec.json.decode(example.encode(), type=kind)
    again = json.loads(msgspec.json.encode(decoded))
    assert again == written
