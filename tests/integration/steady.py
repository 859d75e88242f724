"""A publisher of steady alerts in a process of its own: a real outbox, feed and catch-up, and no cameras.

    python -m tests.integration.steady OUTBOX FEED CATCH_UP [KEYS]

It says "ready" when it listens. A line on its standard input ends the alerts; it says the last one's number then, and
goes on with heartbeats until the input is closed.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from pathlib import Path

from stream.feed.publisher import FeedPublisher
from stream.feed.server import CatchUpServer
from stream.outbox import Outbox, OutboxHistory
from tests.unit.stream.feed.made import a_status, an_alert

EVERY_S = 0.004
CAMERAS = ("front", "back", "yard")
TYPES = ("new", "update", "end")


def main(path: str, feed: str, catch_up: str, keys: str = "") -> None:
    folder = Path(keys) if keys else None
    enough, over = threading.Event(), threading.Event()

    def read_input() -> None:
        sys.stdin.readline()
        enough.set()
        sys.stdin.read()
        over.set()

    threading.Thread(target=read_input, daemon=True).start()
    with (
        Outbox(Path(path), time.time) as outbox,
        FeedPublisher(feed, keys=folder) as sender,
        CatchUpServer(catch_up, OutboxHistory(outbox), sender.run, keys=folder) as server,
    ):
        sender.catch_up = server.bound_endpoint

        def beat() -> None:
            sender.publish_status(a_status(epoch=outbox.epoch, last_alert_seq=outbox.last_seq))

        print("ready", flush=True)
        beat()
        for number in itertools.count():
            if enough.is_set():
                break
            alert = an_alert(camera=CAMERAS[number % 3], type=TYPES[number // 3 % 3], id=f"E{number // 9}")
            sender.publish_alert(outbox.append(alert), b"a picture")
            time.sleep(EVERY_S)
        print(outbox.last_seq, flush=True)
        while not over.wait(0.05):
            beat()


if __name__ == "__main__":
    main(*sys.argv[1:])
