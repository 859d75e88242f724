"""The programs that hear of alerts while benchmarks/chaos.py kills them; each writes them to a file, one a line.

    python -m benchmarks.chaos_ends subscriber OUT FEED POSITION
    python -m benchmarks.chaos_ends receiver OUT PORT
    python -m benchmarks.chaos_ends reader OUT PORT

A subscriber that keeps its position, a webhook's receiver, a reader at an MQTT broker. A line is in the file before the
alert counts as taken. What a subscriber is told to be missing goes to standard error.
"""

from __future__ import annotations

import asyncio
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stream.feed import AlertMessage, Missed, NewEpoch, NoCatchUp, Received, subscribe
from stream.feed.messages import encode

PREFIX = "chaos"  # of the topics at the broker
READER_RETRY_S = 0.05


class Lines:
    """A file to which whole lines are added, each by one call that a kill does not cut in two."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, line: bytes) -> None:
        os.write(self._file, line + b"\n")


def subscriber(out: Lines, feed: str, position: str) -> None:
    with subscribe(feed, since="all", position=Path(position)) as events:
        for event in events:
            match event:
                case Received(message=AlertMessage() as alert):
                    out.add(encode(alert))
                case Missed() | NoCatchUp() | NewEpoch():
                    print(f"missed: {event}", file=sys.stderr, flush=True)


def receiver(out: Lines, port: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # who sent it was killed meanwhile, and sends it again
                self.close_connection = True
                return
            out.add(body)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


async def reader(out: Lines, port: str) -> None:
    """Back faster than a bridge is, and its session is kept by the broker: what that confirms, it should get."""
    from aiomqtt import Client, MqttError

    while True:
        try:
            client = Client("127.0.0.1", int(port), identifier="chaos-reader", clean_session=False)
            async with client:
                await client.subscribe(f"{PREFIX}/alerts", qos=1)
                async for message in client.messages:
                    out.add(bytes(message.payload))
        except MqttError:
            await asyncio.sleep(READER_RETRY_S)


def main() -> None:
    match sys.argv[1:]:
        case ["subscriber", out, feed, position]:
            subscriber(Lines(out), feed, position)
        case ["receiver", out, port]:
            receiver(Lines(out), port)
        case ["reader", out, port]:
            asyncio.run(reader(Lines(out), port))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
