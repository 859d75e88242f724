"""What Home Assistant is told so that it shows each camera as a device, by its MQTT discovery. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_STATE = 255  # that Home Assistant takes
ENTITIES = (
    ("binary_sensor", "event"),
    ("sensor", "explanation"),
    ("binary_sensor", "connectivity"),
    ("image", "snapshot"),
)


def discovery_topics(discovery: str, prefix: str, camera: str) -> dict[str, str]:
    """Where each entity of a camera is announced: an empty message there takes it away again."""
    node = _node(prefix, camera)
    return {name: f"{discovery}/{kind}/{node}/{name}/config" for kind, name in ENTITIES}


def entities(prefix: str, camera: str, version: str) -> dict[str, Mapping[str, Any]]:
    """What to announce, by entity. Texts are cut and never become part of a template."""
    topic = f"{prefix}/{camera}"
    special: dict[str, dict[str, Any]] = {
        "event": {
            "name": "Event",
            "state_topic": f"{topic}/event",
            "value_template": "{{ value_json.state }}",
            "json_attributes_topic": f"{topic}/event",
            "device_class": "problem",
        },
        "explanation": {
            "name": "Last explanation",
            "state_topic": f"{topic}/explanation",
            "value_template": f"{{{{ value_json.explanation[:{_LONGEST_STATE}] }}}}",
            "json_attributes_topic": f"{topic}/explanation",
            "icon": "mdi:text-box-outline",
        },
        "connectivity": {
            "name": "Connectivity",
            "state_topic": f"{topic}/status",
            "value_template": "{{ 'ON' if value_json.state == 'live' else 'OFF' }}",
            "json_attributes_topic": f"{topic}/status",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
        },
        "snapshot": {"name": "Snapshot", "image_topic": f"{topic}/snapshot", "content_type": "image/jpeg"},
    }
    node = _node(prefix, camera)
    shared = {
        "availability_topic": f"{prefix}/available",
        "device": {"identifiers": [node], "name": camera, "manufacturer": "Vigil", "sw_version": version},
        "origin": {"name": "Vigil", "sw_version": version},
    }
    return {name: {"unique_id": f"{node}_{name}", **own, **shared} for name, own in special.items()}


def _node(prefix: str, camera: str) -> str:
    return _NOT_IN_IDS.sub("_", f"{prefix}_{camera}")
