"""Kinds of option and argument that several commands take."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.errors import UsageError
from stream.config.durations import parse_duration
from stream.urls import camera_name_from


class ScorerKind(StrEnum):
    MOTION = "motion"
    RECORDED = "recorded"
    INTERNVL2 = "internvl2"
    OPENAI = "openai"


CONSOLE_ADDRESS = "127.0.0.1:8788"
ConsoleAt = Annotated[
    str | None,
    typer.Option(
        metavar="[HOST:PORT]", help=f"Serve the page for the browser; at {CONSOLE_ADDRESS} unless it is said."
    ),
]
_ADDRESS = re.compile(r"(\[[^\]]*\]|[^:=/@]+):\d+|off")
_NAMED = re.compile(r"([A-Za-z0-9_-]{1,64})=(.+)")


def with_console_address(arguments: list[str]) -> list[str]:
    """`--console` may stand without its address; typer knows no option whose value may be left out."""
    return [
        f"--console={CONSOLE_ADDRESS}" if given == "--console" and not _ADDRESS.fullmatch(after) else given
        for given, after in zip_longest(arguments, arguments[1:], fillvalue="")
    ]


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


def scorer_of(
    scorer: ScorerKind | None, responses: Path | None, model: str | None, urls: list[str] | None
) -> dict[str, Any]:
    """The scorer that these options mean, as in a configuration file; empty when none is given."""
    given = {"responses": str(responses) if responses else None, "model": model, "urls": urls}
    if not scorer and not any(given.values()):
        return {}
    kind = scorer or (ScorerKind.RECORDED if responses else ScorerKind.OPENAI if urls else ScorerKind.INTERNVL2)
    return {"kind": kind.value} | {key: value for key, value in given.items() if value}
