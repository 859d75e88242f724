"""Where a publisher's pictures are handed to the camera's thread: one door for each name, one publisher at a time.

Knows neither the network nor a codec. A picture that is not taken before the next one comes is lost, and counted.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

import av

from engine.errors import SourceError

UNTAKEN = "untaken"  # the reason of drops: the next one came before the camera took it


class Incoming:
    """One publisher's pictures, from its loop to the camera's thread: only the newest is kept."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: av.VideoFrame | None = None
        self._error: SourceError | None = None
        self.dropped: Counter[str] = Counter()  # pictures that nobody will take, by reason; others count here as well
        self.came_s: float | None = None  # monotonic time of the last one
        self.taken_s = time.monotonic()  # when the camera last took one

    @property
    def over(self) -> bool:
        return self._error is not None

    def put(self, picture: av.VideoFrame) -> None:
        with self._changed:
            if self._newest is not None:
                self.dropped[UNTAKEN] += 1
            self.came_s = time.monotonic()
            self._newest = picture
            self._changed.notify()

    def end(self, error: SourceError) -> None:
        """No more come, because of this. Only the first reason counts."""
        with self._changed:
            self._error = self._error or error
            self._newest = None
            self._changed.notify()

    def take(self, within_s: float) -> av.VideoFrame | None:
        """The newest picture that was not taken yet; None when none comes in time. Raises why it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._error, within_s)
            if self._error is not None:
                raise self._error
            picture, self._newest = self._newest, None
            if picture is not None:
                self.taken_s = time.monotonic()
            return picture


class Door:
    """Where one name's publishers come in. For any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._incoming: Incoming | None = None

    def enter(self, incoming: Incoming) -> None:
        """The publisher to take pictures from, from now on."""
        with self._changed:
            self._incoming = incoming
            self._changed.notify_all()

    def wait(self, within_s: float) -> Incoming | None:
        """The publisher that is there, or comes within this time."""
        with self._changed:
            self._changed.wait_for(lambda: self._incoming is not None and not self._incoming.over, within_s)
            return None if self._incoming is None or self._incoming.over else self._incoming


class Doors:
    """By name. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doors: dict[str, Door] = {}

    def __getitem__(self, name: str) -> Door:
        with self._lock:
            return self._doors.setdefault(name, Door())
