"""Kinds of option and argument that several commands take."""

from __future__ import annotations

import re
from typing import Any

import typer

from engine.errors import UsageError
from stream.config.durations import parse_duration
from stream.urls import camera_name_from

_NAMED = re.compile(r"([A-Za-z0-9_-]{1,64})=(.+)")


def duration(text: str) -> float:
    """Seconds of a duration such as 60s."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def cameras_of(sources: list[str]) -> dict[str, Any]:
    """The cameras that SOURCE and NAME=SOURCE mean, as in a configuration file, each under a name of its own."""
    cameras: dict[str, Any] = {}
    for source in sources:
        named = _NAMED.fullmatch(source)
        name, address = (named[1], named[2]) if named else (camera_name_from(source), source)
        if named and name in cameras:
            raise UsageError(f"two cameras are named {name}", advice="name each differently")
        unique = name
        for number in range(2, len(sources) + 1):
            if unique not in cameras:
                break
            unique = f"{name}-{number}"
        cameras[unique] = {"source": address}
    return cameras
