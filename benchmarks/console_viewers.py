"""Viewers of the console without a browser, which would take the cores that the server is measured on.

    python -m benchmarks.console_viewers URL --viewers N --tiles N --fps F --seconds S [--deaf]

Each does over the line what the page's wall does: it hears the stream, and asks for the pictures of all tiles, those
of `TOGETHER` cameras in one answer, again and again. The `deaf` ones ask for all of it and read nothing. Says
`settled` on a line of its own when all have been answered, then measures, and writes what came as one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import urlencode, urlsplit

TOGETHER = 12  # cameras in one answer, as the page begins
WIDTH_PX = 320
SETTLE_S = 1.0
LARGEST_PIECE = 1 << 22


@dataclass(slots=True)
class Seen:
    """What came to all viewers while it was measured. `alerts` are new events: when one was sent, and when it came."""

    seconds: float = 0.0
    pictures: int = 0
    picture_bytes: int = 0
    alerts: dict[str, tuple[float, float]] = field(default_factory=dict)


class _Line:
    """One connection that asks again and again."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = urlsplit(url).netloc
        self._reader = reader
        self._writer = writer

    async def ask(self, path: str, headers: Mapping[str, str]) -> None:
        lines = [f"GET {path} HTTP/1.1", f"Host: {self._host}", *(f"{name}: {said}" for name, said in headers.items())]
        self._writer.write("\r\n".join((*lines, "", "")).encode())
        answer = await self._reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in answer.partition(b"\r\n")[0]:
            raise SystemExit(f"{path}: {answer.decode(errors='replace')}")

    async def pieces(self) -> AsyncIterator[bytes]:
        """An answer's pieces, as they were sent."""
        while size := int(await self._reader.readline(), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readline()


@contextlib.asynccontextmanager
async def _line(url: str) -> AsyncIterator[_Line]:
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port, limit=LARGEST_PIECE)
    try:
        yield _Line(url, reader, writer)
    finally:
        writer.close()


async def _look(url: str, cameras: Sequence[str], every_s: float, seen: Seen) -> None:
    """At these cameras' pictures, for ever."""
    tags: dict[str, str] = {}
    path = f"/api/pictures?{urlencode([('camera', name) for name in cameras])}&width={WIDTH_PX}"
    due_s = time.monotonic()
    async with _line(url) as line:
        while True:
            await line.ask(path, {"If-None-Match": ", ".join(tags.values())})
            async for piece in line.pieces():
                for camera, tag, size in _parts(piece):
                    tags[camera] = tag
                    seen.pictures += size > 0
                    seen.picture_bytes += size
            due_s = max(due_s + every_s, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())


def _parts(piece: bytes) -> Iterator[tuple[str, str, int]]:
    """(camera, tag, bytes) of the one part that a piece is, and nothing for the end of all."""
    head, found, _ = piece.partition(b"\r\n\r\n")
    if found:
        said = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        yield said["X-Camera"], said["ETag"], int(said["Content-Length"])


async def _hear(url: str, seen: Seen) -> None:
    """The stream, for ever."""
    async with _line(url) as line:
        await line.ask("/api/stream", {"Accept": "text/event-stream"})
        async for piece in line.pieces():
            now_s = time.time()
            for event in piece.decode().split("\n\n"):
                if "\nevent: alert\n" in event:
                    alert = json.loads(event.partition("\ndata: ")[2])
                    if alert["type"] == "new":
                        seen.alerts[alert["id"]] = (alert["timing"]["published_time"], now_s)


async def measure(url: str, viewers: int, cameras: Sequence[str], fps: float, seconds: float) -> Seen:
    seen = Seen()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_hear(url, seen)) for _ in range(viewers)]
        for _ in range(viewers if fps else 0):
            groups = [cameras[first : first + TOGETHER] for first in range(0, len(cameras), TOGETHER)]
            tasks += [group.create_task(_look(url, each, 1 / fps, seen)) for each in groups]
        await asyncio.sleep(SETTLE_S)
        print("settled", flush=True)
        seen.pictures = seen.picture_bytes = 0
        began_s = time.monotonic()
        await asyncio.sleep(seconds)
        seen.seconds = time.monotonic() - began_s
        result = Seen(seen.seconds, seen.pictures, seen.picture_bytes, dict(seen.alerts))
        for task in tasks:
            task.cancel()
    return result


def stay_deaf(url: str, viewers: int, cameras: Sequence[str], seconds: float) -> Seen:
    """Ask for the stream, for a moving picture and for all pictures, and read none of it."""
    at = urlsplit(url)
    together = urlencode([("camera", name) for name in cameras])
    paths = ("/api/stream?since_seq=0", f"/api/cameras/{cameras[0]}/live.mjpg?width=960", f"/api/pictures?{together}")
    with contextlib.ExitStack() as stack:
        for path in paths * viewers:
            line = stack.enter_context(socket.create_connection((at.hostname or "", at.port or 80)))
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode())
        time.sleep(SETTLE_S)
        print("settled", flush=True)
        time.sleep(seconds)
    return Seen(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--tiles", type=int, default=32)
    parser.add_argument("--fps", type=float, default=5.0, help="0: only the stream")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--deaf", action="store_true")
    options = parser.parse_args()
    cameras = [f"camera-{number}" for number in range(options.tiles)]
    if options.deaf:
        seen = stay_deaf(options.url, options.viewers, cameras, options.seconds)
    else:
        seen = asyncio.run(measure(options.url, options.viewers, cameras, options.fps, options.seconds))
    print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main()
