"""Steady alerts and their bridges in a process of its own: a real outbox, and no cameras.

    python -m tests.integration.bridging FOLDER [--webhook URL] [--mqtt URL]

Waits between attempts are a tenth of what they are. A line on its standard input ends the alerts; it says the last
one's number then, and goes on with the bridges until the input is closed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from stream import backoff
from stream.bridges.board import Board
from stream.config import from_mapping
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.wiring.bridges import make_bridges
from tests.unit.stream.feed.made import a_status, an_alert

EVERY_S = 0.01
CAMERAS = ("front", "back", "yard")
TYPES = ("new", "update", "end")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--webhook")
    parser.add_argument("--mqtt")
    options = parser.parse_args()
    sections: dict[str, Any] = {"data": {"dir": str(options.folder)}}
    if options.webhook:
        hook = {"name": "ops", "url": options.webhook, "secret": "s", "allow_private": "yes", "from": "start"}
        sections["webhooks"] = [hook]
    if options.mqtt:
        sections["mqtt"] = {"url": options.mqtt, "from": "start"}

    backoff.FIRST_S, backoff.LONGEST_S = 0.1, 0.5
    enough, over = threading.Event(), threading.Event()

    def read_input() -> None:
        sys.stdin.readline()
        enough.set()
        sys.stdin.read()
        over.set()

    threading.Thread(target=read_input, daemon=True).start()
    board = Board(CAMERAS)
    for camera in CAMERAS:
        board.tell(a_status(camera=camera))
    with (
        Outbox(options.folder / "outbox.sqlite3", time.time) as outbox,
        closing(make_bridges(from_mapping(sections), outbox, board, Metrics("1"))) as bridges,
    ):
        for number in itertools.count():
            if enough.wait(EVERY_S):
                break
            outbox.append(an_alert(camera=CAMERAS[number % 3], type=TYPES[number // 3 % 3], id=f"E{number // 9}"))
            bridges.wake()
        print(outbox.last_seq, flush=True)
        over.wait()


if __name__ == "__main__":
    main()
