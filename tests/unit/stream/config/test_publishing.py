from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ConfigError
from stream.config import from_mapping

CONSOLE = {"console": {"bind": "127.0.0.1:0"}}


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"cameras": {"a": {"source": "webrtc://a"}}}, "the console, where they come in, is off"),
        ({"cameras": {"a": {"source": "webrtc://a/b"}}} | CONSOLE, "no name"),
        ({"cameras": {name: {"source": "webrtc://x"} for name in "ab"}} | CONSOLE, "wait for the same publisher"),
        ({"cameras": {"a": {"source": "webrtc://a", "publish_token": "short"}}} | CONSOLE, "16 characters"),
        ({"console": {"ice_servers": [{"url": "http://x"}]}}, "ice_servers"),
    ],
)
def test_what_can_not_be_published_to_is_refused(tree: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(tree)
    assert told in " ".join([str(caught.value), *caught.value.problems])


def test_a_camera_that_waits_for_a_publisher_holds() -> None:
    assert from_mapping({"cameras": {"a": {"source": "webrtc://a"}}} | CONSOLE).cameras["a"].source.url == "webrtc://a"
