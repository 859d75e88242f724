"""A subscriber to everything, in a thread, for tests of what is published."""

from __future__ import annotations

import contextlib
import threading
import time

from engine.errors import FeedError
from stream.feed import AlertMessage, Event, Kind, Link, Received, ScoreMessage, StatusMessage, subscribe

KINDS: tuple[Kind, ...] = ("alerts", "status", "scores")


class Heard:
    """What a subscriber in another thread has received. `start` fits `Watch.run(started=...)`."""

    def __init__(self) -> None:
        self.alerts: list[AlertMessage] = []
        self.statuses: list[StatusMessage] = []
        self.scores: list[ScoreMessage] = []
        self._connected = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, feed: str, _http: str | None = None) -> None:
        self._thread = threading.Thread(target=self._listen, args=(feed,))
        self._thread.start()
        assert self._connected.wait(10)
        time.sleep(0.2)  # the subscription itself follows the connection

    def stop(self) -> None:
        time.sleep(0.3)  # for what is still on its way
        self._over.set()
        if self._thread:
            self._thread.join(10)
            assert not self._thread.is_alive()

    def _listen(self, feed: str) -> None:
        with subscribe(feed, kinds=KINDS, timeout_s=0.2) as subscription:
            while not self._over.is_set():
                with contextlib.suppress(FeedError):  # nothing came for a moment
                    self._take(next(subscription))

    def _take(self, event: Event) -> None:
        match event:
            case Link.CONNECTED:
                self._connected.set()
            case Received(message=AlertMessage() as message):
                self.alerts.append(message)
            case Received(message=StatusMessage() as message):
                self.statuses.append(message)
            case Received(message=ScoreMessage() as message):
                self.scores.append(message)
