"""An RTSP camera made of plain sockets, that behaves well or as badly as a test wants, one connection at a time.

`camera(first, second, ...)` answers its connections with these talks in turn, and all further ones with the last.
It counts how many connections were ever open at once.
"""

from __future__ import annotations

import base64
import functools
import io
import itertools
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction

import av

from tests.integration.servers import peer
from tests.unit.stream.sources.videos import scene

FPS = 15
GOP = 15
SIZE = (160, 96)
LONGEST_S = 60.0  # no talk is longer, whatever happens

Talk = Callable[["Call"], None]


@dataclass
class FakeCamera:
    """What a test may ask of the camera."""

    port: int = 0
    calls: int = 0
    most_open: int = 0
    silent_since_s: list[float] = field(default_factory=list)  # monotonic, one for each time it fell silent
    _open: list[socket.socket] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/live"

    def enter(self, connection: socket.socket) -> int:
        with self._turn:
            self._open = [*filter(_is_open, self._open), connection]
            self.most_open = max(self.most_open, len(self._open))
            self.calls += 1
            return self.calls

    def leave(self, connection: socket.socket) -> None:
        with self._turn, suppress(ValueError):
            self._open.remove(connection)


@contextmanager
def camera(*talks: Talk) -> Iterator[FakeCamera]:
    fake = FakeCamera()

    def talk(connection: socket.socket, over: threading.Event) -> None:
        number = fake.enter(connection)
        try:
            talks[min(number, len(talks)) - 1](Call(fake, connection, over))
        finally:
            fake.leave(connection)

    with peer(talk) as port:
        fake.port = port
        yield fake


class Call:
    """One connection to the camera, with what a talk is made of."""

    def __init__(self, fake: FakeCamera, connection: socket.socket, over: threading.Event) -> None:
        self._fake = fake
        self._connection = connection
        self._over = over
        self._unread = b""
        self._packets = itertools.count()
        self._shown = 0  # pictures

    @property
    def url(self) -> str:
        return self._fake.url

    def serve(self, last: str = "PLAY", *, framerate: float | None = None) -> None:
        """Answer every request well, up to the first one of the method `last`."""
        while True:
            method = self.request()
            if method == "DESCRIBE":
                self.reply(_sdp(framerate), "Content-Type: application/sdp\r\n")
            elif method == "SETUP":
                self.reply(headers="Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n")
            else:
                self.reply(headers="Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n")
            if method == last:
                return

    def request(self) -> str:
        """The method of the next request; ConnectionError when there is none."""
        deadline_s = time.monotonic() + LONGEST_S
        while b"\r\n\r\n" not in self._unread:
            if self._over.is_set() or time.monotonic() > deadline_s:
                raise ConnectionError("over")
            with suppress(TimeoutError):
                data = self._connection.recv(4096)
                if not data:
                    raise ConnectionError("hung up")
                self._unread += data
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        found = re.search(r"^CSeq: *(\d+)", text, re.MULTILINE | re.IGNORECASE)
        self._sequence = found[1] if found else "0"
        return text.split(" ")[0]

    def reply(self, body: bytes = b"", headers: str = "", *, status: str = "200 OK", length: int | None = None) -> None:
        """Answer the last request; `length` is what the answer claims to have."""
        head = f"RTSP/1.0 {status}\r\nCSeq: {self._sequence}\r\nSession: 1\r\n{headers}"
        head += f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
        self.send(head.encode() + body)

    def play(
        self,
        pictures: int | None = None,
        *,
        ahead_s: float = 0.0,
        size: tuple[int, int] = SIZE,
    ) -> None:
        """Send so many pictures in real time, or all there can be; their time stamps are `ahead_s` of that time."""
        encoded = _encoded(size)
        start_s = time.monotonic()
        for number in itertools.count() if pictures is None else range(pictures):
            if self._over.wait(max(0.0, start_s + number / FPS - time.monotonic())) or number > LONGEST_S * FPS:
                return
            units = encoded[number % len(encoded)]
            self._shown += 1
            for place, unit in enumerate(units):
                marker = 0x80 if place == len(units) - 1 else 0
                stamp = round((ahead_s + self._shown / FPS) * 90_000) & 0xFFFFFFFF
                header = struct.pack(">BBHII", 0x80, marker | 96, next(self._packets) & 0xFFFF, stamp, 7)
                self.send(struct.pack(">cBH", b"$", 0, len(header) + len(unit)) + header + unit)

    def send(self, data: bytes) -> None:
        """All of it, or ConnectionError."""
        view = memoryview(data)
        deadline_s = time.monotonic() + LONGEST_S
        while view:
            if self._over.is_set() or time.monotonic() > deadline_s:
                raise ConnectionError("over")
            with suppress(TimeoutError):
                view = view[self._connection.send(view) :]

    def say_nothing(self) -> None:
        """Keep the line open without a word until the other side hangs up."""
        self._fake.silent_since_s.append(time.monotonic())
        deadline_s = time.monotonic() + LONGEST_S
        while not self._over.is_set() and time.monotonic() < deadline_s:
            with suppress(TimeoutError):
                if not self._connection.recv(4096):
                    return


def well(call: Call) -> None:
    """As a camera should."""
    call.serve()
    call.play()


def _is_open(connection: socket.socket) -> bool:
    """Whether the other side still holds it; what it has sent meanwhile is thrown away."""
    try:
        while select.select([connection], [], [], 0)[0]:
            if not connection.recv(4096):
                return False
    except (OSError, ValueError):
        return False
    return True


@functools.cache
def _encoded(size: tuple[int, int] = SIZE) -> list[list[bytes]]:
    """Two groups of pictures, each picture as its NAL units."""
    buffer = io.BytesIO()
    options = {"preset": "ultrafast", "tune": "zerolatency", "bf": "0", "g": str(GOP), "sc_threshold": "0"}
    with av.open(buffer, "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        packets = []
        for number in range(2 * GOP):
            frame = av.VideoFrame.from_ndarray(scene(number, *size), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            packets += [bytes(packet) for packet in stream.encode(frame)]
    return [[unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", packet)[1:]] for packet in packets]


def _sdp(framerate: float | None) -> bytes:
    sets = ",".join(base64.b64encode(unit).decode() for unit in _encoded()[0] if unit[0] & 31 in (7, 8))
    lines = [
        "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=fake", "t=0 0", "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000",
        f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}", "a=control:track1",
    ]  # fmt: skip
    if framerate is not None:
        lines.append(f"a=framerate:{framerate:g}")
    return "".join(f"{line}\r\n" for line in lines).encode()
