from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ConfigError
from stream.config import from_mapping
from stream.config.change import with_definitions
from stream.config.fields import HostPort
from stream.config.models import DefinitionConfig

TOKEN = {"name": "me", "role": "admin", "token": "t" * 16}
OPENAI = {"kind": "openai", "model": "m", "urls": ["http://127.0.0.1:1"], "api_key": "secret"}


def test_it_is_off_unless_it_is_asked_for() -> None:
    assert from_mapping({}).console.bind is None
    assert from_mapping({"console": {"bind": "127.0.0.1:8788"}}).console.bind == HostPort("127.0.0.1", 8788)


def test_others_may_come_with_a_token_only_and_the_way_out_can_be_copied() -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping({"console": {"bind": "0.0.0.0:8788"}})
    for part in ("openssl rand", "tokens: [{name: me", "ssh -N -L 8788:127.0.0.1:8788"):
        assert part in str(caught.value)
    assert from_mapping({"console": {"bind": "0.0.0.0:8788", "tokens": [TOKEN]}}).console.tokens[0].name == "me"


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        ([TOKEN | {"token": "t" * 15}], "16 characters"),
        ([TOKEN, TOKEN | {"token": "u" * 16}], "two tokens"),
        ([TOKEN, TOKEN | {"name": "you"}], "two tokens"),
        ([TOKEN | {"role": "king"}], "must be"),
        ([TOKEN | {"token": "with space in it!"}], "no spaces"),
    ],
)
def test_tokens_that_make_no_sense_are_refused_and_never_shown(tokens: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        from_mapping({"console": {"tokens": tokens}})
    assert all(token["token"] not in str(caught.value) for token in tokens)
    assert "t" * 16 not in repr(from_mapping({"console": {"tokens": [TOKEN]}}))


def test_definitions_are_changed_by_the_rules_of_a_file_and_everything_else_stays() -> None:
    source = "rtsp://user:hunter2@192.0.2.1/x"
    zones = [[[0, 0], [1, 0], [1, 1]]]
    before = from_mapping(
        {"cameras": {"front": {"source": source, "zones": zones}, "yard": {"source": "0"}}, "scorer": OPENAI}
    )
    after = with_definitions(before, "front", [DefinitionConfig(text="a dog")])
    assert [each.text for each in after.cameras["front"].definitions] == ["a dog"]
    assert after.cameras["front"].source.url == source
    assert after.cameras["yard"] is before.cameras["yard"]
    assert with_definitions(after, "front", []) == before
    with pytest.raises(ConfigError, match="two definitions are called"):
        with_definitions(before, "front", [DefinitionConfig(text="a dog")] * 2)
    with pytest.raises(ConfigError, match="does not understand definitions"):
        with_definitions(from_mapping({"cameras": {"front": {"source": "0"}}}), "front", [DefinitionConfig(text="x")])
