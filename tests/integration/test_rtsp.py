"""A real RTSP server, over TCP and UDP: reading, passwords, and the ways in which it can go away."""

from __future__ import annotations

import itertools
import threading
import time
import traceback
from collections.abc import Callable
from urllib.parse import quote

import pytest

from engine.errors import SourceError, SourceFault
from stream.remux import decode_at
from stream.sources.base import EncodedPacket, Item, StreamInfo
from stream.sources.pyav import PyAvOptions, PyAvSource
from tests.integration.conftest import RtspServer
from tests.unit.stream.sources.videos import rgb, split

pytestmark = pytest.mark.rtsp

Start = Callable[..., RtspServer]
QUICK = PyAvOptions(open_timeout_s=10, read_timeout_s=1)
SLACK_S = 4.0  # what a busy machine may add to a timeout
PASSWORD = "p@ss/w:o?r#d%21ü"


def secret(password: str = PASSWORD) -> str:
    return f"admin:{quote(password, safe='')}"


def take(source: PyAvSource, count: int) -> list[Item]:
    return list(itertools.islice(source, count))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
def test_packets_and_pictures_arrive(start_rtsp_server: Start, transport: str, codec: str) -> None:
    server = start_rtsp_server("--codec", codec, "--audio")
    options = PyAvOptions(rtsp_transport="udp" if transport == "udp" else "tcp", skip_unreferenced=False)
    source = PyAvSource(server.url(), options)
    try:
        info = source.open()
        infos, packets, pictures = split(take(source, 61))
    finally:
        source.close()
    assert source.live
    assert infos == [info]
    assert (info.codec, info.width, info.height) == ({"h265": "hevc"}.get(codec, codec), 320, 240)
    assert len(pictures) > 20
    assert packets[0].is_key
    assert pictures[0].is_key
    times = [picture.pts_s for picture in pictures if picture.pts_s is not None]
    assert len(times) >= len(pictures) - 1  # FFmpeg gives the first packet no time
    assert times == sorted(times)
    spread_s = times[-1] - times[0]
    assert spread_s == pytest.approx((len(times) - 1) / 15, abs=0.3)
    assert rgb(pictures[-1], 64, 48).max() > 200
    if codec != "mjpeg":
        assert decode_at(info, packets, 0).shape == (240, 320, 3)


def test_key_frames_only_over_a_live_stream(start_rtsp_server: Start) -> None:
    source = PyAvSource(start_rtsp_server("--gop", "5").url())
    try:
        source.open()
        source.keyframes_only = True
        _, packets, pictures = split(take(source, 50))
    finally:
        source.close()
    assert len(packets) > 35
    assert pictures
    assert 0 <= sum(packet.is_key for packet in packets) - len(pictures) <= 1  # it may end between the two
    assert all(picture.is_key for picture in pictures)


# Passwords


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_the_right_password_opens_the_stream(start_rtsp_server: Start, auth: str) -> None:
    server = start_rtsp_server("--user", "admin", "--password", PASSWORD, "--auth", auth)
    source = PyAvSource(server.url(secret()))
    try:
        assert source.open().width == 320
    finally:
        source.close()


@pytest.mark.parametrize("auth", ["basic", "digest"])
@pytest.mark.parametrize("userinfo", ["", "admin:", secret("Wr0ng@P/w")])
def test_without_the_password_it_is_unauthorized_and_no_text_tells_one(
    start_rtsp_server: Start, auth: str, userinfo: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server = start_rtsp_server("--user", "admin", "--password", PASSWORD, "--auth", auth)
    source = PyAvSource(server.url(userinfo))
    with pytest.raises(SourceError) as caught:
        source.open()
    source.close()
    assert caught.value.fault is SourceFault.UNAUTHORIZED
    assert f"127.0.0.1:{server.port}" in caught.value.message
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(source)
    told += "".join(capfd.readouterr())
    assert not any(part in told for part in ("Wr0ng", quote("Wr0ng@P/w", safe="")))


def test_a_path_that_is_not_there_is_not_found(start_rtsp_server: Start) -> None:
    source = PyAvSource(start_rtsp_server().url(path="/nothing"))
    with pytest.raises(SourceError) as caught:
        source.open()
    source.close()
    assert caught.value.fault is SourceFault.NOT_FOUND


# Going away


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_a_camera_that_goes_away_is_noticed_within_the_read_timeout(
    start_rtsp_server: Start, transport: str, how: str
) -> None:
    server = start_rtsp_server()
    url = server.url(secret())
    source = PyAvSource(url, PyAvOptions(rtsp_transport="udp" if transport == "udp" else "tcp", read_timeout_s=1))
    try:
        source.open()
        take(source, 10)
        getattr(server, how)()
        gone_s = time.monotonic()
        with pytest.raises(SourceError) as caught:
            take(source, 10_000)
        assert time.monotonic() - gone_s < 1 + SLACK_S
    finally:
        source.close()
    faults = {SourceFault.STALLED} if how == "freeze" else {SourceFault.LOST, SourceFault.ENDED, SourceFault.STALLED}
    assert caught.value.fault in faults
    assert quote(PASSWORD, safe="") not in "".join(traceback.format_exception(caught.value))


def test_a_camera_that_is_frozen_from_the_start_is_given_up(start_rtsp_server: Start) -> None:
    server = start_rtsp_server()
    server.freeze()
    source = PyAvSource(server.url(), PyAvOptions(open_timeout_s=1))
    started_s = time.monotonic()
    with pytest.raises(SourceError) as caught:
        source.open()
    source.close()
    assert time.monotonic() - started_s < 1 + SLACK_S
    assert caught.value.fault is SourceFault.UNREACHABLE


def test_close_from_another_thread_ends_the_iteration(start_rtsp_server: Start) -> None:
    source = PyAvSource(start_rtsp_server().url(), QUICK)
    reading = threading.Event()
    seen: list[Item] = []

    def read() -> None:
        source.open()
        try:
            for item in source:
                seen.append(item)
                reading.set()
        finally:
            source.close()

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(20)
    source.close()
    reader.join(QUICK.read_timeout_s + SLACK_S)
    assert not reader.is_alive()


def test_close_makes_a_blocked_read_give_up_within_the_read_timeout(start_rtsp_server: Start) -> None:
    server = start_rtsp_server()
    source = PyAvSource(server.url(), QUICK)
    blocked = threading.Event()

    def read() -> None:
        source.open()
        try:
            for count, _ in enumerate(source):
                if count == 10:
                    server.freeze()
                    blocked.set()
        finally:
            source.close()

    reader = threading.Thread(target=read)
    reader.start()
    assert blocked.wait(20)
    source.close()
    reader.join(QUICK.read_timeout_s + SLACK_S)
    assert not reader.is_alive()


def test_a_stream_can_be_read_again_and_again_without_leaking_connections(start_rtsp_server: Start) -> None:
    server = start_rtsp_server()
    for _ in range(5):
        source = PyAvSource(server.url(), QUICK)
        info = source.open()
        items = take(source, 5)
        source.close()
        assert isinstance(info, StreamInfo)
        assert any(isinstance(item, EncodedPacket) for item in items)
