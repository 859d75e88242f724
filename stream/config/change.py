"""A configuration with one thing changed, held to the same rules as a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from stream.config.models import DefinitionConfig, WatchConfig
from stream.config.report import config_error, explain
from stream.config.section import Section


def with_definitions(config: WatchConfig, camera: str, definitions: Sequence[DefinitionConfig]) -> WatchConfig:
    """The same with other definitions for a camera. Raises ConfigError when they do not hold there."""
    changed = _values(config.cameras[camera]) | {"definitions": tuple(definitions)}
    tree = _values(config) | {"cameras": {**config.cameras, camera: changed}}
    try:
        return WatchConfig.model_validate(tree)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise config_error([explain(each, tree, {(): 0}) for each in found], "") from error


def _values(section: Section) -> dict[str, Any]:
    """Under the names of the file, as they are: a dump would hide secrets."""
    return {str(field.alias): getattr(section, name) for name, field in type(section).model_fields.items()}
