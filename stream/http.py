"""Health and metrics over HTTP, for a supervisor and Prometheus. Knows no camera: asks `ready` and `metrics`.

`/healthz` answers 200 while the process is alive, and 503 when only a restart helps; `/readyz` 200 or 503, with JSON
that says what is not ready; `/metrics` Prometheus's text format. All but `/healthz`, which says nothing of the cameras,
are for those who show the token, `Authorization: Bearer TOKEN`; or, without one, who ask this machine by its own name.
"""

from __future__ import annotations

import errno
import hmac
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Self

from engine.errors import RuntimeFault, UsageError
from stream.loopback import is_loopback, meant_for_loopback
from stream.metrics import CONTENT_TYPE, Metrics

MAX_CONNECTIONS = 8  # more are closed at once
DEADLINE_S = 10.0  # then a connection is cut off, however slowly it talks
_POLL_S = 0.1  # how often deadlines are looked at

Ready = Callable[[], tuple[bool, dict[str, Any]]]
Alive = Callable[[], bool]

_log = logging.getLogger(__name__)


class HealthServer:
    """Serves on `bind` (HOST:PORT, port 0 for any free one) from its own threads until closed.

    `ready` and `alive` are called from those threads: they must be quick and safe to call from any. Raises UsageError
    for an address that makes no sense or that other machines could reach without a token, RuntimeFault for one that
    can't be bound.
    """

    def __init__(
        self, bind: str, metrics: Metrics, ready: Ready, alive: Alive = lambda: True, *, token: str | None = None
    ) -> None:
        self._server = _Server(_address(bind, token), metrics, ready, alive, token)
        host, port = self._server.server_address[:2]
        self.url = f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="health")
        self._thread.start()

    def close(self) -> None:
        """Cut off who is still connected and join every thread. Safe to call twice."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingMixIn, TCPServer):
    """One thread per connection, one request per connection, both bounded."""

    allow_reuse_address = True
    request_queue_size = 16

    def __init__(
        self, address: tuple[str, int], metrics: Metrics, ready: Ready, alive: Alive, token: str | None
    ) -> None:
        self.metrics = metrics
        self.ready = ready
        self.alive = alive
        self._token = token
        self._lock = threading.Lock()
        self._since_s: dict[socket.socket, float] = {}  # the open connections
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            raise RuntimeFault(
                f"health and metrics can't be served at {address[0]}:{address[1]} ({error.strerror})",
                advice="stop the program that has it, or choose another port" if in_use else "choose another address",
            ) from error

    def refusal(self, headers: Message) -> tuple[HTTPStatus, str] | None:
        """Why a request with these headers may not ask. Takes as long for any token of the same length."""
        if self._token is None:
            if meant_for_loopback(headers.get("Host", "")):
                return None
            return HTTPStatus.FORBIDDEN, "without a token this answers to this machine only: ask localhost"
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode()):
            return None
        return HTTPStatus.UNAUTHORIZED, "a token is needed"

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            full = len(self._since_s) >= MAX_CONNECTIONS
            if not full:
                self._since_s[request] = time.monotonic()
        if full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._since_s.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self._cut_off(older_than_s=DEADLINE_S)

    def server_close(self) -> None:
        self._cut_off(older_than_s=0.0)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("the connection of %s, %s broke", client_address, request, exc_info=True)

    def _cut_off(self, older_than_s: float) -> None:
        """Ends reading and writing, so that the connection's thread comes back and closes it."""
        before_s = time.monotonic() - older_than_s
        with self._lock:
            for connection, since_s in self._since_s.items():
                if since_s <= before_s:
                    try:
                        connection.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        continue  # it broke by itself


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "vigil"
    sys_version = ""
    timeout = DEADLINE_S

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path != "/healthz" and (refusal := self.server.refusal(self.headers)):
            status, why = refusal
            self._answer(status, "text/plain; charset=utf-8", f"{why}\n".encode())
            return
        match path:
            case "/healthz":
                self._liveness()
            case "/readyz":
                self._readiness()
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE, self.server.metrics.exposition())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"/healthz, /readyz or /metrics\n")

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", b"GET or HEAD\n")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse

    def _liveness(self) -> None:
        alive = self.server.alive()
        status = HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, "text/plain; charset=utf-8", b"ok\n" if alive else b"hung\n")

    def _readiness(self) -> None:
        try:
            ready, details = self.server.ready()
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready", not silence
            _log.exception("the readiness check failed")
            ready, details = False, {"error": type(error).__name__}
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        body = json.dumps({"ready": ready, **details}).encode() + b"\n"
        self._answer(status, "application/json", body)

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)


def _address(bind: str, token: str | None) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f"{bind!r} is no address for health and metrics", advice="use one like 127.0.0.1:9090")
    if token is None and not is_loopback(host):
        raise UsageError(f"health and metrics at {bind} would be open to the whole network", advice="give it a token")
    return ("127.0.0.1" if host == "localhost" else host.strip("[]")), int(port)
