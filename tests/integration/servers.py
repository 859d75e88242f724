"""Small servers on loopback that answer well, badly or not at all. Each is stopped by its own handle."""

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Conversation = Callable[[socket.socket, threading.Event], None]


@contextmanager
def peer(talk: Conversation) -> Iterator[int]:
    """A TCP server that holds `talk(connection, over)` with everyone who connects; gives its port.

    `over` is set at the end: a talk that waits must wait for it.
    """
    over = threading.Event()
    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)

    def converse(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(0.2)
            talk(connection, over)

    def accept() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=converse, args=(connection,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        over.set()
        acceptor.join()
        for thread in threads:
            thread.join()
        listener.close()


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Takes the call and says nothing."""
    over.wait(30)


def hang_up(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(4096)


def noise(connection: socket.socket, over: threading.Event) -> None:
    """Bytes that mean nothing, without end."""
    while not over.is_set():
        with suppress(TimeoutError):
            connection.sendall(bytes(range(256)) * 16)


def answer(status: str, body: bytes = b"", kind: str = "text/html", headers: str = "") -> Conversation:
    """The same answer to every request, in the protocol that it came in: HTTP or RTSP."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        while request := _request(connection):
            first = request.split("\r\n")[0]
            sequence = "".join(f"{line}\r\n" for line in request.split("\r\n") if line.startswith("CSeq:"))
            head = f"{'RTSP/1.0' if 'RTSP/' in first else 'HTTP/1.1'} {status}\r\n{sequence}{headers}"
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)

    return talk


def _request(connection: socket.socket) -> str:
    with suppress(TimeoutError):
        return connection.recv(4096).decode("latin-1")
    return ""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def files_over_http(folder: Path) -> Iterator[str]:
    """Serves a folder; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
