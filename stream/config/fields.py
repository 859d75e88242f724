"""The kinds of value that Vigil's configuration has beside numbers and text. Knows none of its keys."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationError,
    WrapValidator,
)

from engine.errors import UsageError
from stream.config.durations import format_duration, format_size, parse_duration, parse_size
from stream.urls import HIDDEN, host_of, redact, require_host

_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_PORT = re.compile(r":(\d+)$")
_ENDPOINT = re.compile(r"tcp://(?:\*|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?:\*|\d{1,5})|ipc://[^\s@]+")
_BROKER = re.compile(
    r"mqtt(?P<tls>s)?://(?:(?P<user>[^:@/\s]+)(?::(?P<password>[^:@/\s]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?/?",
    re.ASCII,
)
_TOPIC = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SHORTEST_TOKEN = 16


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


@dataclass(frozen=True, slots=True)
class Hook(Address):
    """Where a webhook is. Shows its host only: the rest of such URLs is often a secret."""

    def __str__(self) -> str:
        return f"{self.url.partition('://')[0]}://{host_of(self.url)}/{HIDDEN}"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where an MQTT broker listens, and as whom to connect. Shows itself without the password."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        user = f"{self.user}{f':{HIDDEN}' if self.password else ''}@" if self.user else ""
        return f"mqtt{'s' if self.tls else ''}://{user}{HostPort(self.host, self.port)}"


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
        require_host(text)
    except UsageError as error:
        raise ValueError(f"{error.message.removeprefix(f'{redact(text)}: ')}: {error.advice}") from None
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


def _server(value: object) -> Address:
    if isinstance(value, Address):
        return value
    text = value.strip() if isinstance(value, str) else ""
    port = _PORT.search(text.partition("://")[2].partition("/")[0])
    if (
        not re.match(r"https?://[^?#\s]+$", text, re.IGNORECASE)
        or host_of(text) is None
        or (port and int(port[1]) > 65535)
    ):
        raise ValueError("must be an address such as http://127.0.0.1:8000/v1")
    return Address(text)


def _broker(value: object) -> Broker:
    if isinstance(value, Broker):
        return value
    match = _BROKER.fullmatch(value.strip()) if isinstance(value, str) else None
    port = int(match["port"] or (8883 if match["tls"] else 1883)) if match else 0
    if match is None or not 0 < port <= 65535:
        raise ValueError("must be an address such as mqtt://USER:PASSWORD@HOST:1883, or mqtts:// for TLS")
    user, password = (unquote(part) if part is not None else None for part in (match["user"], match["password"]))
    return Broker(match["host"].strip("[]"), port, match["tls"] is not None, user, password)


def _webhook(value: object) -> Hook:
    if isinstance(value, Hook):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not re.match(r"https?://[^#\s]+$", text, re.IGNORECASE) or host_of(text) is None:
        raise ValueError("must be an address such as https://alerts.example.org/vigil")
    return Hook(text)


def _topic(value: object) -> str:
    if not isinstance(value, str) or not _TOPIC.fullmatch(value):
        raise ValueError("must be letters, digits, - and _, and / in between")
    return value


def _key(value: object) -> SecretStr:
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("a key has printable ASCII characters and no spaces")  # and nothing shows it
    return SecretStr(value)


def _token(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"a token has {SHORTEST_TOKEN} characters or more: make one: openssl rand -hex 24")
    return value


def _network(value: object) -> str:
    try:
        return str(ipaddress.ip_network(value if isinstance(value, str) else "", strict=False))
    except ValueError:
        raise ValueError("must be an IP address or a network, such as 127.0.0.1 or 10.0.0.0/8") from None


def _name_of(what: str) -> AfterValidator:
    def check(name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"a {what}'s name has 1 to 64 letters, digits, - or _")
        return name

    return AfterValidator(check)


Duration = Annotated[float, BeforeValidator(parse_duration), Kind("duration", format_duration)]  # seconds
Size = Annotated[int, BeforeValidator(parse_size), Kind("size", format_size)]  # bytes
SourceAddress = Annotated[Address, PlainValidator(_address), PlainSerializer(str), Kind("URL, file or webcam")]
ServerAddress = Annotated[Address, PlainValidator(_server), PlainSerializer(str), Kind("URL")]
BrokerAddress = Annotated[Broker, PlainValidator(_broker), PlainSerializer(str), Kind("URL")]
WebhookAddress = Annotated[Hook, PlainValidator(_webhook), PlainSerializer(str), Kind("URL")]
AlertTypes = Annotated[
    tuple[Literal["new", "update", "end"], ...],
    Kind("list of `new`, `update` and `end`", lambda value: f"[{', '.join(value)}]"),
]
Topic = Annotated[str, PlainValidator(_topic), Kind("topic")]
ApiKey = Annotated[SecretStr, PlainValidator(_key), PlainSerializer(str), Kind("secret")]
Token = Annotated[ApiKey, AfterValidator(_token)]  # opens a door, so it can't be guessed
Listen = Annotated[
    HostPort | None,
    PlainValidator(_host_port),
    PlainSerializer(lambda value: str(value or "off")),
    Kind("HOST:PORT or `off`", lambda value: str(value or "off")),
]
Endpoint = Annotated[str, PlainValidator(_endpoint), Kind("ZeroMQ address")]
Pixels = Annotated[PictureSize, PlainValidator(_picture_size), PlainSerializer(str), Kind("WIDTHxHEIGHT")]
NetworkAddress = Annotated[str, PlainValidator(_network), Kind("network")]
FilePath = Annotated[Path, PlainValidator(_path), PlainSerializer(str), Kind("path")]
Polygon = Annotated[tuple[Point, ...], Field(min_length=3), WrapValidator(_polygon), Kind("polygon")]
ModelName = Annotated[str, Field(min_length=1), Kind("folder or hub name")]
Question = Annotated[str, Field(min_length=1, max_length=500), Kind("question")]
Score = Annotated[float, Field(ge=0, le=1)]
CameraName = Annotated[str, _name_of("camera")]
WebhookName = Annotated[str, _name_of("webhook")]
