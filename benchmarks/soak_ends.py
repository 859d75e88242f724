"""The two ends of the feed in processes of their own, for benchmarks/soak_feed.py.

    python -m benchmarks.soak_ends publisher OUTBOX FEED CATCH_UP
    python -m benchmarks.soak_ends subscribers FEED COUNT

The publisher has a real outbox and says "ready". Then a line "COUNT RATE" has it tell so many alerts, so many a second
(0: as fast as it can), and it says the last one's number and how long that took. The subscribers say "ready" when all
are connected. A line with a number has them say, when each has that alert, what each heard: its `seq` and its delay.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from stream.feed import (
    AlertMessage,
    AlertModel,
    AlertTiming,
    Link,
    Missed,
    NoCatchUp,
    Received,
    StatusMessage,
    subscribe,
)
from stream.feed.publisher import FeedPublisher
from stream.feed.server import CatchUpServer
from stream.outbox import Outbox, OutboxHistory

PICTURE = bytes(20_000)  # as large as the snapshot of a small camera
BEAT_S = 0.5


def publisher(path: str, feed: str, catch_up: str) -> None:
    with (
        Outbox(Path(path), time.time) as outbox,
        FeedPublisher(feed) as sender,
        CatchUpServer(catch_up, OutboxHistory(outbox), sender.run) as server,
    ):
        sender.catch_up = server.bound_endpoint
        turn = threading.Lock()
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT_S):
                with turn:
                    now_s = time.time()
                    sender.publish_status(
                        StatusMessage(
                            camera="front", state="live", since=now_s, time=now_s,
                            epoch=outbox.epoch, last_alert_seq=outbox.last_seq,
                        )
                    )  # fmt: skip

        thread = threading.Thread(target=beat)
        thread.start()
        print("ready", flush=True)
        for line in sys.stdin:
            count, rate = map(float, line.split())
            began_s = time.monotonic()
            for number in range(int(count)):
                if rate:
                    time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
                with turn:
                    sender.publish_alert(outbox.append(_alert(number)), PICTURE)
            print(json.dumps([outbox.last_seq, time.monotonic() - began_s]), flush=True)
        over.set()
        thread.join()


def _alert(number: int) -> AlertMessage:
    now_s = time.time()
    return AlertMessage(
        type=("new", "update", "end")[number % 3],
        id=f"E{number // 3}",
        camera="front",
        time=now_s,
        start_time=now_s,
        severity="alert",
        score=0.8,
        top_score=0.9,
        threshold=0.6,
        timing=AlertTiming(frame_time=now_s, window_end=now_s, scored_time=now_s, published_time=now_s),
        model=AlertModel(scorer="motion", name="motion"),
    )


class Subscriber:
    """One of them, with a thread of its own."""

    def __init__(self, feed: str) -> None:
        self.connected = threading.Event()
        self.heard: list[tuple[int, float]] = []
        self.missed = 0
        self._feed = feed
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with subscribe(self._feed, since="all") as events:
            for event in events:
                match event:
                    case Received(message=AlertMessage() as alert):
                        self.heard.append((alert.seq, time.time() - alert.timing.published_time))
                    case Missed(count=count):
                        self.missed += count
                    case NoCatchUp():
                        self.missed += 1
                    case Link.CONNECTED:
                        self.connected.set()


def subscribers(feed: str, count: int) -> None:
    all_ = [Subscriber(feed) for _ in range(count)]
    for each in all_:
        each.connected.wait()
    print("ready", flush=True)
    for line in sys.stdin:
        last = int(line)
        while not all(each.heard and each.heard[-1][0] >= last for each in all_):
            time.sleep(0.002)
        print(json.dumps([{"heard": each.heard, "missed": each.missed} for each in all_]), flush=True)
        for each in all_:
            each.heard = each.heard[-1:]


def main() -> None:
    match sys.argv[1:]:
        case ["publisher", path, feed, catch_up]:
            publisher(path, feed, catch_up)
        case ["subscribers", feed, count]:
            subscribers(feed, int(count))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
