"""A receiver of webhooks on loopback that answers well, badly or not at all."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from stream.feed.messages import AlertMessage


@dataclass(frozen=True)
class Post:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def alert(self) -> AlertMessage:
        return msgspec.json.decode(self.body, type=AlertMessage)


@dataclass(frozen=True)
class Answer:
    """`hang` never answers, `cut` hangs up instead."""

    status: int = 204
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    hang: bool = False
    cut: bool = False


OK = Answer()


class Receiver:
    """Gives these answers in turn, then only good ones. `taken` are the posts that got 2xx, `posts` all."""

    def __init__(self, answers: Iterable[Answer] = (), *, port: int = 0, certificate: Path | None = None) -> None:
        self._answers = iter(answers)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.posts: list[Post] = []
        self.taken: list[Post] = []
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.receiver = self
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in/secret-path?token=secret-token"

    def take(self, post: Post) -> Answer:
        with self._lock:
            answer = next(self._answers, OK)
            self.posts.append(post)
            if 200 <= answer.status < 300 and not (answer.hang or answer.cut):
                self.taken.append(post)
        if answer.hang:
            self._over.wait(30)
        return answer

    @property
    def numbers(self) -> list[int]:
        """Of the alerts that were taken, in the order in which they came."""
        with self._lock:
            return [post.alert.seq for post in self.taken]

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    receiver: Receiver
    daemon_threads = False
    block_on_close = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 0.3  # for the next request of a connection

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) < int(self.headers["Content-Length"]):  # the sender was killed
            self.close_connection = True
            return
        answer = self.server.receiver.take(Post(self.path, dict(self.headers), body))
        if answer.hang or answer.cut:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in (answer.headers or {}).items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        pass
