from __future__ import annotations

import asyncio
import email.utils
import random
import ssl
import time
from collections.abc import Callable

import pytest

pytest.importorskip("httpx2", reason="needs the openai extra")

import httpx2

from stream.openai.server import Busy, Denied, Rejected, Server, ServerFault
from stream.openai.wire import Models

URL = "http://camera:hunter22@host:8000/v1"


def fault_of(answer: Callable[[httpx2.Request], httpx2.Response]) -> ServerFault:
    """What comes of a request whose answer is no model list."""

    async def ask() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            await Server(URL, client, random.Random(1), key="sk-secret").ask("/models", Models, None, 5.0)

    with pytest.raises(ServerFault) as raised:
        asyncio.run(ask())
    return raised.value


def saying(status: int, message: str = "", **headers: str) -> ServerFault:
    return fault_of(lambda _: httpx2.Response(status, json={"error": {"message": message}}, headers=headers))


def raising(error: Exception) -> ServerFault:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise error

    return fault_of(answer)


@pytest.mark.parametrize(
    ("status", "kind", "retry"),
    [
        (400, Rejected, False),
        (401, Denied, False),
        (403, Denied, False),
        (404, ServerFault, False),
        (408, ServerFault, True),
        (413, ServerFault, False),
        (422, Rejected, False),
        (429, Busy, True),
        (500, ServerFault, True),
        (502, ServerFault, True),
        (503, ServerFault, True),
    ],
)
def test_each_status_is_the_fault_that_it_means(status: int, kind: type[ServerFault], retry: bool) -> None:
    fault = saying(status)
    assert (type(fault), fault.retry) == (kind, retry)
    assert fault.message.startswith(f"http://camera:***@host:8000/v1 answered {status} (")


@pytest.mark.parametrize(
    ("told", "at_least_s", "at_most_s"),
    [
        ("7", 7.0, 7.0),
        ("100000", 60.0, 60.0),
        ("-3", 0.0, 0.0),
        ("soon", 0.0, 0.0),
        (email.utils.formatdate(time.time() + 3600, usegmt=True), 60.0, 60.0),  # a date far off, capped
        (email.utils.formatdate(time.time() - 30, usegmt=True), 0.0, 0.0),
        ("Fri, 99 Foo 2026 99:99:99 GMT", 0.0, 0.0),
    ],
)
def test_retry_after_is_read_within_reason(told: str, at_least_s: float, at_most_s: float) -> None:
    fault = saying(429, **{"Retry-After": told})
    assert isinstance(fault, Busy)
    assert at_least_s <= fault.after_s <= at_most_s


def test_a_server_that_starts_and_says_when_it_is_ready_is_busy_not_broken() -> None:
    assert isinstance(saying(503, **{"Retry-After": "3"}), Busy)


def test_what_a_server_says_is_one_bounded_line_without_secrets() -> None:
    said = saying(500, "line\none\x1b[31m sk-secret hunter22 " + "x" * 5000).message
    assert "line one" in said
    assert not any(secret in said for secret in ("sk-secret", "hunter22", "\n", "\x1b"))
    assert len(said) < 400


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx2.ConnectError("no"), "can't be reached"),
        (httpx2.ReadError("hunter22"), "broke off (ReadError)"),
        (httpx2.RemoteProtocolError("hunter22"), "broke off (RemoteProtocolError)"),
        (ssl.SSLError("wrong version"), "does not speak TLS as expected"),
        (ConnectionRefusedError(), "refused the connection"),
        (UnicodeError("label too long"), "is a name that can't be looked up"),
    ],
)
def test_foreign_errors_are_named_without_their_words(error: Exception, said: str) -> None:
    fault = raising(error)
    assert fault.message == f"http://camera:***@host:8000/v1 {said}"
    assert fault.retry


def test_the_password_of_an_address_goes_into_a_header_and_not_into_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(500)

    fault_of(answer)
    assert str(seen[0].url) == "http://host:8000/v1/models"
    assert seen[0].headers["Authorization"].startswith("Basic ")
    assert "hunter22" not in caplog.text
