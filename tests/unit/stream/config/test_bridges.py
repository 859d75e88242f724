from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ConfigError
from stream.config import WatchConfig, from_mapping
from tests.unit.stream.feed.made import an_alert

HOOK = {"name": "ops", "url": "https://hooks.example.org/T0/very-secret"}


def config(**sections: Any) -> WatchConfig:
    return from_mapping({"cameras": {"front": {"source": "synthetic://"}}, **sections}, environ={"SECRET": "p@ss/word"})


def test_without_their_sections_there_are_no_bridges() -> None:
    assert (config().mqtt, config().webhooks) == (None, ())


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "user", "password"),
    [
        ("mqtt://broker", "broker", 1883, False, None, None),
        ("mqtts://broker", "broker", 8883, True, None, None),
        ("mqtt://me:${SECRET}@broker:1884/", "broker", 1884, False, "me", "p@ss/word"),
        ("mqtt://me@[::1]:1884", "::1", 1884, False, "me", None),
    ],
)
def test_a_broker_is_one_address(
    url: str, host: str, port: int, tls: bool, user: str | None, password: str | None
) -> None:
    mqtt = config(mqtt={"url": url}).mqtt
    assert mqtt is not None
    broker = mqtt.url
    assert (broker.host, broker.port, broker.tls, broker.user, broker.password) == (host, port, tls, user, password)


def test_secrets_are_not_shown() -> None:
    made = config(mqtt={"url": "mqtt://me:${SECRET}@broker"}, webhooks=[{**HOOK, "secret": "${SECRET}"}])
    for shown in (repr(made), str(made), str(made.model_dump())):
        assert "p@ss" not in shown
        assert "very-secret" not in shown
    assert made.mqtt is not None
    assert str(made.mqtt.url) == "mqtt://me:***@broker:1883"
    assert str(made.webhooks[0].url) == "https://hooks.example.org/***"


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"mqtt": {"url": "http://broker"}}, "mqtt.url: must be an address such as mqtt://"),
        ({"mqtt": {"url": "mqtt://a:secret-b@c@broker"}}, "mqtt.url: must be an address such as mqtt://"),
        ({"mqtt": {"url": "mqtt://broker:0"}}, "mqtt.url: must be an address such as mqtt://"),
        ({"mqtt": {"url": "mqtt://broker", "prefix": "a/#"}}, "mqtt.prefix: must be letters"),
        ({"mqtt": {"url": "mqtt://broker", "prefix": "/a"}}, "mqtt.prefix: must be letters"),
        ({"mqtt": {"url": "mqtt://broker", "topic": "a"}}, "mqtt.topic: unknown key"),
        ({"webhooks": [{**HOOK, "url": "ftp://x"}]}, "webhooks[0].url: must be an address such as https://"),
        ({"webhooks": [{**HOOK, "url": "http://x.example"}]}, "http would send alerts in the open"),
        (
            {"webhooks": [{**HOOK, "url": "https://10.0.0.1/"}]},
            "this webhook must not go to 10.0.0.1: set allow_private",
        ),
        ({"webhooks": [{**HOOK, "url": "https://[::1]:8443/"}]}, "this webhook must not go to ::1"),
        ({"webhooks": [{**HOOK, "url": "https://localhost/"}]}, "this webhook must not go to localhost"),
        (
            {"webhooks": [{**HOOK, "url": "http://1.1.1.1/", "allow_private": "yes"}]},
            "must not go to 1.1.1.1: use https",
        ),
        ({"webhooks": [HOOK, HOOK]}, "two webhooks are called 'ops'"),
        ({"webhooks": [{**HOOK, "name": "a b"}]}, "a webhook's name has"),
        ({"webhooks": [{**HOOK, "cameras": ["frnt"]}]}, "names a camera 'frnt' that there is not"),
        ({"webhooks": [{**HOOK, "types": ["begin"]}]}, "webhooks[0].types[0]: must be new, update or end"),
    ],
)
def test_what_makes_no_sense_is_refused(sections: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(**sections)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_webhook_says_which_alerts_it_wants() -> None:
    (everything,) = config(webhooks=[HOOK]).webhooks
    assert everything.wants(an_alert(type="update", severity="detection", camera="gone"))
    (few,) = config(webhooks=[{**HOOK, "types": ["new", "end"], "severity": "alert", "cameras": ["front"]}]).webhooks
    assert few.wants(an_alert())
    for other in ({"type": "update"}, {"severity": "detection"}, {"camera": "back"}):
        assert not few.wants(an_alert(**other))
