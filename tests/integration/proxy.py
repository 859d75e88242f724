"""A wire between a real camera and Vigil that can be cut, clogged, slowed and made to lose bytes."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.integration.servers import peer


@dataclass
class Proxy:
    """`url` leads to the camera. The other attributes may be set at any time."""

    port: int = 0
    clogged: bool = False  # nothing passes
    delay_s: float = 0.0  # of each piece from the camera
    lose: bool = False  # every other piece from the camera, headers and all
    calls: int = 0
    _cut: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/stream") -> str:
        return f"rtsp://127.0.0.1:{self.port}{path}"

    def cut(self) -> None:
        """Break the connections there are; the next one passes."""
        self._cut.set()
        self._cut = threading.Event()

    def pass_on(self, near: socket.socket, camera_port: int, over: threading.Event) -> None:
        self.calls += 1
        cut = self._cut
        with socket.create_connection(("127.0.0.1", camera_port), timeout=5) as far:
            pieces = 0
            while not (over.is_set() or cut.is_set()):
                if self.clogged:
                    over.wait(0.05)
                    continue
                for side in select.select([near, far], [], [], 0.05)[0]:
                    data = side.recv(4096)
                    if not data:
                        return
                    pieces += side is far
                    if side is near:
                        far.sendall(data)
                    elif not (self.lose and pieces % 2):
                        time.sleep(self.delay_s)
                        near.sendall(data)


@contextmanager
def proxy(camera_port: int) -> Iterator[Proxy]:
    wire = Proxy()

    def talk(connection: socket.socket, over: threading.Event) -> None:
        with suppress(OSError):
            wire.pass_on(connection, camera_port, over)

    with peer(talk) as port:
        wire.port = port
        yield wire
