import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from engine.errors import RuntimeFault, UsageError
from stream import http as http_module
from stream.http import HealthServer
from stream.metrics import Metrics


class Readiness:
    def __init__(self) -> None:
        self.answer: tuple[bool, dict[str, Any]] = (True, {"cameras": {}})

    def __call__(self) -> tuple[bool, dict[str, Any]]:
        return self.answer


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def server(readiness: Readiness) -> Iterator[HealthServer]:
    before = set(threading.enumerate())
    with HealthServer("127.0.0.1:0", Metrics("1.2.3"), readiness) as server:
        yield server
    assert set(threading.enumerate()) <= before


def address(server: HealthServer) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def ask(
    server: HealthServer, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(*address(server), timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_it_says_that_it_is_alive(server: HealthServer) -> None:
    status, headers, body = ask(server, "/healthz")
    assert (status, body) == (200, b"ok\n")
    assert headers["Cache-Control"] == "no-store"


def test_what_only_a_restart_helps_is_not_alive(readiness: Readiness) -> None:
    with HealthServer("127.0.0.1:0", Metrics("x"), readiness, alive=lambda: False) as server:
        status, _, body = ask(server, "/healthz")
    assert (status, body) == (503, b"hung\n")


def test_ready_is_200_and_not_ready_503_with_the_reasons(server: HealthServer, readiness: Readiness) -> None:
    status, _, body = ask(server, "/readyz")
    assert (status, json.loads(body)) == (200, {"ready": True, "cameras": {}})
    readiness.answer = (False, {"cameras": {"front": "offline"}})
    status, headers, body = ask(server, "/readyz?verbose")
    assert status == 503
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"ready": False, "cameras": {"front": "offline"}}


def test_a_check_that_raises_is_not_ready(readiness: Readiness, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> tuple[bool, dict[str, Any]]:
        raise RuntimeError("no such thing")

    with HealthServer("127.0.0.1:0", Metrics("x"), broken) as server:
        status, _, body = ask(server, "/readyz")
    assert status == 503
    assert json.loads(body) == {"ready": False, "error": "RuntimeError"}
    assert "no such thing" in caplog.text


def test_metrics_are_prometheus_text(server: HealthServer) -> None:
    status, headers, body = ask(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b'vigil_build_info{version="1.2.3"} 1.0' in body


def test_head_sends_the_headers_only(server: HealthServer) -> None:
    status, headers, body = ask(server, "/metrics", "HEAD")
    assert status == 200
    assert int(headers["Content-Length"]) > 0
    assert body == b""


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/HEALTHZ"])
def test_anything_else_is_404(server: HealthServer, path: str) -> None:
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(server: HealthServer, method: str) -> None:
    status, headers, _ = ask(server, "/healthz", method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"


def test_garbage_does_not_stop_it(server: HealthServer) -> None:
    with socket.create_connection(address(server), timeout=10) as raw:
        raw.sendall(b"\x00\xff\r\n\r\n")
        raw.recv(1000)
    assert ask(server, "/healthz")[0] == 200


def test_too_many_connections_are_closed_at_once_and_served_again_later(server: HealthServer) -> None:
    held = [socket.create_connection(address(server), timeout=10) for _ in range(http_module.MAX_CONNECTIONS)]
    with socket.create_connection(address(server), timeout=10) as too_many:
        assert too_many.recv(1) == b""
    for connection in held:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert connection.recv(20).startswith(b"HTTP/1.0 200")
        while connection.recv(1000):
            pass
        connection.close()
    assert ask(server, "/healthz")[0] == 200


def test_a_slow_client_is_cut_off_even_while_it_talks(monkeypatch: pytest.MonkeyPatch, readiness: Readiness) -> None:
    monkeypatch.setattr(http_module, "DEADLINE_S", 0.3)
    monkeypatch.setattr(http_module, "_POLL_S", 0.05)
    with (
        HealthServer("127.0.0.1:0", Metrics("x"), readiness) as server,
        socket.create_connection(address(server), timeout=10) as slow,
    ):
        slow.sendall(b"GET /healthz HT")
        assert slow.recv(1) == b""


def test_closing_does_not_wait_for_clients(readiness: Readiness) -> None:
    server = HealthServer("127.0.0.1:0", Metrics("x"), readiness)
    with socket.create_connection(address(server), timeout=10) as idle:
        idle.sendall(b"GET /heal")
        server.close()
        server.close()
        with contextlib.suppress(ConnectionResetError):
            assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(server), timeout=10)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "192.0.2.1", "localhost.evil.example"])
def test_a_name_of_another_site_that_leads_here_is_told_nothing_of_the_cameras(server: HealthServer, host: str) -> None:
    for path in ("/metrics", "/readyz", "/"):
        status, _, body = ask(server, path, headers={"Host": host})
        assert (status, b"vigil_" in body, b"cameras" in body) == (403, False, False)
    assert ask(server, "/healthz", headers={"Host": host})[0] == 200


def test_ipv6_and_localhost_work_where_the_machine_has_them(readiness: Readiness) -> None:
    with HealthServer("localhost:0", Metrics("x"), readiness) as server:
        assert server.url.startswith("http://127.0.0.1:")
    try:
        six = HealthServer("[::1]:0", Metrics("x"), readiness)
    except RuntimeFault:
        pytest.skip("no IPv6 loopback on this machine")
    with six:
        assert six.url.startswith("http://[::1]:")


def test_an_address_in_use_is_one_line_with_advice(server: HealthServer, readiness: Readiness) -> None:
    host, port = address(server)
    with pytest.raises(RuntimeFault, match=f"127.0.0.1:{port}.*choose another port"):
        HealthServer(f"{host}:{port}", Metrics("x"), readiness)


@pytest.mark.parametrize("bind", ["0.0.0.0:9090", "[::]:9090", "192.0.2.1:9090"])
def test_an_address_that_other_machines_reach_is_refused(bind: str, readiness: Readiness) -> None:
    with pytest.raises(UsageError, match=r"open to the whole network.*give it a token"):
        HealthServer(bind, Metrics("x"), readiness)


@pytest.mark.parametrize("bind", ["", "9090", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":9090"])
def test_what_is_no_address_is_refused(bind: str, readiness: Readiness) -> None:
    with pytest.raises(UsageError, match="no address"):
        HealthServer(bind, Metrics("x"), readiness)


TOKEN = "a-token-of-22-letters!"


@pytest.fixture
def guarded(readiness: Readiness) -> Iterator[HealthServer]:
    with HealthServer("127.0.0.1:0", Metrics("1.2.3"), readiness, token=TOKEN) as server:
        yield server


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/", "/healthz/", "/healthz/../metrics"])
@pytest.mark.parametrize(
    "authorization",
    [None, "", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x"],
)
def test_without_the_token_nothing_but_health_is_told(
    guarded: HealthServer, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    status, answered, body = ask(guarded, path, headers=headers)
    assert (status, body, answered["WWW-Authenticate"]) == (401, b"a token is needed\n", "Bearer")


def test_a_header_that_is_no_text_is_no_token(guarded: HealthServer) -> None:
    with socket.create_connection(address(guarded), timeout=10) as raw:
        raw.sendall(b"GET /metrics HTTP/1.0\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
        assert raw.recv(20).startswith(b"HTTP/1.0 401")


def test_with_the_token_everything_is_told_and_health_needs_none(guarded: HealthServer) -> None:
    assert ask(guarded, "/healthz")[0] == 200
    for scheme in ("Bearer", "bearer"):
        for path in ("/metrics", "/readyz"):
            assert ask(guarded, path, headers={"Authorization": f"{scheme} {TOKEN}"})[0] == 200


def test_with_a_token_other_machines_may_reach_it(readiness: Readiness) -> None:
    with HealthServer("0.0.0.0:0", Metrics("x"), readiness, token=TOKEN) as server:
        port = address(server)[1]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            raw.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert raw.recv(20).startswith(b"HTTP/1.0 401")
