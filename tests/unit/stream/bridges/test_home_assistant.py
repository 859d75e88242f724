from __future__ import annotations

import re

from stream.bridges.home_assistant import discovery_topics, entities


def test_each_entity_has_a_topic_an_id_and_what_home_assistant_needs() -> None:
    topics, about = discovery_topics("homeassistant", "site/vigil", "front"), entities("site/vigil", "front", "1.2")
    assert topics.keys() == about.keys() == {"event", "explanation", "connectivity", "snapshot"}
    assert topics["event"] == "homeassistant/binary_sensor/site_vigil_front/event/config"
    assert topics["explanation"] == "homeassistant/sensor/site_vigil_front/explanation/config"
    assert all(re.fullmatch(r"homeassistant/[a-z_]+/[A-Za-z0-9_-]+/[a-z]+/config", topic) for topic in topics.values())
    assert len({entity["unique_id"] for entity in about.values()}) == 4
    assert {entity["availability_topic"] for entity in about.values()} == {"site/vigil/available"}
    assert {str(entity["device"]["identifiers"]) for entity in about.values()} == {"['site_vigil_front']"}
    assert about["event"]["state_topic"] == "site/vigil/front/event"


def test_two_cameras_are_two_devices() -> None:
    first, second = (set(discovery_topics("ha", "vigil", camera).values()) for camera in ("front", "back"))
    assert not first & second
