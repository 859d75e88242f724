from __future__ import annotations

import threading
from fractions import Fraction

import numpy as np
import pytest

from engine.errors import SourceError, SourceFault
from stream.sources.base import EncodedPacket, Item, StreamInfo
from stream.sources.raw import RawPicture
from stream.sources.scripted import ScriptedSource, Silence

INFO = StreamInfo("h264", 320, 180, Fraction(1, 1000), b"header")
PACKET = EncodedPacket(b"x", 0, 0, 40, True)


def picture(pts_s: float | None = 0.0, *, is_key: bool = True) -> RawPicture:
    return RawPicture(np.zeros((4, 4, 3), np.uint8), pts_s, is_key=is_key)


def test_it_yields_the_script_in_order() -> None:
    script: list[Item] = [INFO, PACKET, picture(0.0), picture(None, is_key=False)]
    source = ScriptedSource(script, live=False)
    assert source.open() is INFO
    assert list(source) == script


def test_a_live_script_ends_with_an_error() -> None:
    source = ScriptedSource([INFO])
    source.open()
    items = iter(source)
    assert next(items) is INFO
    with pytest.raises(SourceError) as caught:
        next(items)
    assert caught.value.fault is SourceFault.ENDED


def test_errors_come_where_the_script_has_them() -> None:
    lost = SourceError("gone", SourceFault.LOST)
    source = ScriptedSource([INFO, lost, PACKET])
    source.open()
    items = iter(source)
    next(items)
    with pytest.raises(SourceError) as caught:
        next(items)
    assert caught.value is lost


def test_opening_fails_as_told() -> None:
    refused = SourceError("no", SourceFault.REFUSED)
    with pytest.raises(SourceError) as caught:
        ScriptedSource([], fail=refused).open()
    assert caught.value is refused


@pytest.mark.parametrize("script", [[], [PACKET]])
def test_a_script_without_a_stream_is_a_mistake(script: list[Item]) -> None:
    with pytest.raises(ValueError, match="StreamInfo"):
        ScriptedSource(script).open()


def test_silence_is_a_stall() -> None:
    source = ScriptedSource([INFO, Silence(0.01), PACKET])
    source.open()
    items = iter(source)
    next(items)
    with pytest.raises(SourceError) as caught:
        next(items)
    assert caught.value.fault is SourceFault.STALLED


def test_silence_ends_when_the_source_is_closed() -> None:
    source = ScriptedSource([INFO, Silence(60.0), PACKET])
    source.open()
    got: list[Item] = []
    reader = threading.Thread(target=lambda: got.extend(source), name="reader")
    reader.start()
    source.close()
    reader.join(10)
    assert not reader.is_alive()
    assert PACKET not in got
    assert source.closed


def test_a_closed_source_does_not_open() -> None:
    source = ScriptedSource([INFO])
    source.close()
    with pytest.raises(SourceError):
        source.open()
