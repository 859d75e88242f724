"""The kinds of value that Vigil's configuration has beside numbers and text. Knows none of its keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, ValidationError, WrapValidator

from engine.errors import UsageError
from stream.config.durations import format_duration, format_size, parse_duration, parse_size
from stream.urls import kind_of, redact

_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_ENDPOINT = re.compile(r"tcp://(?:\*|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?:\*|\d{1,5})|ipc://[^\s@]+")
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of value is called in the documentation, and how a default is written there."""

    name: str
    write: Callable[[Any], str] = str


@dataclass(frozen=True, slots=True)
class Address:
    """Where a source is. Shows itself without its password; `url` is the whole of it, for whoever opens it."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        return redact(self.url)

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"


class HostPort(NamedTuple):
    """Where a server listens; an IPv6 host without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PictureSize(NamedTuple):
    """In pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


Point = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]
LEAST_AREA = 1e-6  # of the picture: less is a line


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text:
        raise ValueError("must be a URL, a file, a webcam's number or a device")
    try:
        kind_of(text)
    except UsageError as error:
        raise ValueError(f"unknown kind of source: {error.advice}") from None
    return Address(text)


def _host_port(value: object) -> HostPort | None:
    if value == "off" or isinstance(value, HostPort):
        return value if isinstance(value, HostPort) else None
    match = _HOST_PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65535:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8787, or off")
    return HostPort(match[1].strip("[]"), int(match[2]))


def _endpoint(value: object) -> str:
    if not isinstance(value, str) or not _ENDPOINT.fullmatch(value):
        raise ValueError("must be a ZeroMQ address, such as tcp://127.0.0.1:5557 or ipc:///run/vigil/feed")
    return value


def _picture_size(value: object) -> PictureSize:
    if isinstance(value, PictureSize):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be WIDTHxHEIGHT in pixels, such as 1280x720")
    return PictureSize(int(match[1]), int(match[2]))


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError("must be a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("must be a path; this one names an unknown home directory") from None


def _polygon(value: object, validate: Callable[[object], tuple[Point, ...]]) -> tuple[Point, ...]:
    try:
        points = validate(value)
    except ValidationError:
        raise ValueError("must be a list of 3 or more points [x, y], with x and y from 0 to 1") from None
    twice_area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True))
    if abs(twice_area) / 2 < LEAST_AREA:
        raise ValueError("must enclose an area: its points lie on a line")
    return points


Duration = Annotated[float, BeforeValidator(parse_duration), Kind("duration", format_duration)]  # seconds
Size = Annotated[int, BeforeValidator(parse_size), Kind("size", format_size)]  # bytes
SourceAddress = Annotated[Address, PlainValidator(_address), PlainSerializer(str), Kind("URL, file or webcam")]
Listen = Annotated[
    HostPort | None,
    PlainValidator(_host_port),
    PlainSerializer(lambda value: str(value or "off")),
    Kind("HOST:PORT or `off`", lambda value: str(value or "off")),
]
Endpoint = Annotated[str, PlainValidator(_endpoint), Kind("ZeroMQ address")]
Pixels = Annotated[PictureSize, PlainValidator(_picture_size), PlainSerializer(str), Kind("WIDTHxHEIGHT")]
FilePath = Annotated[Path, PlainValidator(_path), PlainSerializer(str), Kind("path")]
Polygon = Annotated[tuple[Point, ...], Field(min_length=3), WrapValidator(_polygon), Kind("polygon")]
ModelName = Annotated[str, Field(min_length=1), Kind("folder or hub name")]
Question = Annotated[str, Field(min_length=1, max_length=500), Kind("question")]
Score = Annotated[float, Field(ge=0, le=1)]
