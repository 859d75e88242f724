from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from stream.config.fields import (
    Address,
    Endpoint,
    FilePath,
    HostPort,
    Listen,
    PictureSize,
    Pixels,
    Polygon,
    SourceAddress,
)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (Listen, "127.0.0.1:8787", HostPort("127.0.0.1", 8787)),
        (Listen, "[::1]:0", HostPort("::1", 0)),
        (Listen, "off", None),
        (Endpoint, "tcp://127.0.0.1:5557", "tcp://127.0.0.1:5557"),
        (Endpoint, "tcp://*:*", "tcp://*:*"),
        (Endpoint, "ipc:///run/vigil/feed", "ipc:///run/vigil/feed"),
        (Pixels, "1280x720", PictureSize(1280, 720)),
        (FilePath, "~/x", Path.home() / "x"),
        (Polygon, [[0, 0], ["1", 0], [0.5, 1]], ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0))),
    ],
)
def test_values_are_read(kind: Any, value: object, read: object) -> None:
    assert TypeAdapter(kind).validate_python(value) == read


@pytest.mark.parametrize("kind", [Listen, Endpoint, Pixels, FilePath, Polygon, SourceAddress])
@pytest.mark.parametrize("value", ["", None, [], {}, True, 1.5])
def test_other_values_are_refused_and_told_what_is_accepted(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError, match="must be"):
        TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[0, 0], [1, 1]], "3 or more points"),
        ([[0, 0], [1, 0], [1, 1.1]], "from 0 to 1"),
        ([[0, 0], [1, 0], [1, -0.1]], "from 0 to 1"),
        ([[0, 0], [1, 0], [1, "nan"]], "from 0 to 1"),
        ([[0, 0], [1, 0], [1, 1, 1]], "3 or more points"),
        ([[0, 0], [0.5, 0.5], [1, 1]], "enclose an area"),
        ([[0.2, 0.2]] * 3, "enclose an area"),
    ],
)
def test_what_is_no_polygon_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Polygon).validate_python(value)


@pytest.mark.parametrize("port", ["65536", "99999", "x", ""])
def test_ports_end_at_65535(port: str) -> None:
    with pytest.raises(ValidationError, match="must be HOST:PORT"):
        TypeAdapter(Listen).validate_python(f"127.0.0.1:{port}")


@pytest.mark.parametrize("host_port", [HostPort("127.0.0.1", 80), HostPort("::1", 80)])
def test_a_listening_place_reads_back_as_written(host_port: HostPort) -> None:
    assert TypeAdapter(Listen).validate_python(str(host_port)) == host_port


@pytest.mark.parametrize(
    "source",
    ["rtsp://h/x", "https://h/x.m3u8", "clips/a.mp4", "0", 0, "/dev/video0", "synthetic://", "synthetic://?seed=3"],
)
def test_sources_of_every_kind_are_taken(source: str | int) -> None:
    assert TypeAdapter(SourceAddress).validate_python(source) == Address(str(source))


def test_an_unknown_kind_of_source_is_told_the_known_ones() -> None:
    with pytest.raises(ValidationError, match=r"unknown kind of source: .*rtsp://.*synthetic://"):
        TypeAdapter(SourceAddress).validate_python("rtps://u:hunter2@h/x")


def test_an_address_shows_itself_without_its_password_but_keeps_it() -> None:
    address = Address("rtsp://admin:hunter2@h/x?token=hunter2")
    for shown in (str(address), repr(address), f"{address}", f"{address!r}", repr([address]), repr({"a": address})):
        assert "hunter2" not in shown
        assert "admin" in shown
    assert address.url == "rtsp://admin:hunter2@h/x?token=hunter2"
    assert pickle.loads(pickle.dumps(address)) == address
