"""Peers that are not there, stay silent, talk nonsense or refuse: the fault says so, and no text tells a password."""

from __future__ import annotations

import socket
import threading
import time
import traceback

import pytest

from engine.errors import SourceError, SourceFault
from stream.sources.pyav import PyAvOptions, PyAvSource
from tests.integration.servers import Conversation, answer, hang_up, noise, peer, silent

PASSWORD = "s3cr3t%2Fpa%40ss"
OPTIONS = PyAvOptions(open_timeout_s=1.0, read_timeout_s=1.0)
SLACK_S = 4.0  # what a busy machine may add


def fault_of(url: str) -> SourceError:
    source = PyAvSource(url, OPTIONS)
    started_s = time.monotonic()
    with pytest.raises(SourceError) as caught:
        source.open()
    assert time.monotonic() - started_s < OPTIONS.open_timeout_s + SLACK_S
    source.close()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(source)
    assert "s3cr3t" not in told
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "\n" not in str(caught.value)
    return caught.value


def url(scheme: str, port: int) -> str:
    return f"{scheme}://admin:{PASSWORD}@127.0.0.1:{port}/live?token=s3cr3t"


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_port_where_nothing_listens_is_refused(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = fault_of(url(scheme, port))
    assert error.fault is SourceFault.REFUSED
    assert error.message.startswith(f"{scheme}://admin:***@127.0.0.1:{port}/live?token=***")


@pytest.mark.parametrize(
    ("scheme", "talk", "faults"),
    [
        ("rtsp", silent, {SourceFault.UNREACHABLE}),
        ("http", silent, {SourceFault.UNREACHABLE}),
        # In RTSP noise may be data that comes before the answer, so it is waited for.
        ("rtsp", noise, {SourceFault.UNREACHABLE, SourceFault.INVALID}),
        ("http", noise, {SourceFault.INVALID}),
        ("rtsp", hang_up, {SourceFault.INVALID}),
        ("http", hang_up, {SourceFault.INVALID, SourceFault.LOST}),
        ("rtsp", answer("200 OK", b"<html>hello</html>"), {SourceFault.INVALID}),
        ("http", answer("200 OK", b"<html>hello</html>"), {SourceFault.INVALID}),
        ("rtsp", answer("401 Unauthorized"), {SourceFault.UNAUTHORIZED}),
        ("http", answer("401 Unauthorized"), {SourceFault.UNAUTHORIZED}),
        ("rtsp", answer("403 Forbidden"), {SourceFault.UNAUTHORIZED}),
        ("http", answer("403 Forbidden"), {SourceFault.UNAUTHORIZED}),
        ("rtsp", answer("404 Not Found"), {SourceFault.NOT_FOUND}),
        ("http", answer("404 Not Found"), {SourceFault.NOT_FOUND}),
        ("rtsp", answer("503 Service Unavailable"), {SourceFault.REFUSED}),
        ("http", answer("429 Too Many Requests"), {SourceFault.REFUSED}),
        ("rtsp", answer("400 Bad Request"), {SourceFault.INVALID}),
    ],
)  # fmt: skip
def test_a_peer_that_gives_no_video_has_its_own_fault(
    scheme: str, talk: Conversation, faults: set[SourceFault]
) -> None:
    with peer(talk) as port:
        assert fault_of(url(scheme, port)).fault in faults


def test_an_unknown_host_is_unreachable() -> None:
    error = fault_of(f"rtsp://admin:{PASSWORD}@no-such-host.invalid/live")
    assert error.fault is SourceFault.UNREACHABLE
    assert "name is unknown" in error.message


@pytest.mark.parametrize("target", ["file:///etc/hostname", "concat:/etc/hostname", "gopher://127.0.0.1/"])
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_redirect_leads_to_no_file_and_no_odd_protocol(scheme: str, target: str) -> None:
    with peer(answer("302 Found", headers=f"Location: {target}\r\n")) as port:
        assert fault_of(url(scheme, port)).fault in {SourceFault.INVALID, SourceFault.LOST, SourceFault.UNREACHABLE}


def test_close_makes_a_blocked_open_give_up_within_its_timeout() -> None:
    calling = threading.Event()

    def hear_out(connection: socket.socket, over: threading.Event) -> None:
        calling.set()
        over.wait(30)

    failures: list[SourceError] = []

    def open_it() -> None:
        try:
            source.open()
        except SourceError as error:
            failures.append(error)

    with peer(hear_out) as port:
        source = PyAvSource(url("rtsp", port), OPTIONS)
        opener = threading.Thread(target=open_it)
        opener.start()
        assert calling.wait(10)
        source.close()
        opener.join(OPTIONS.open_timeout_s + SLACK_S)
    assert not opener.is_alive()
    assert len(failures) == 1
