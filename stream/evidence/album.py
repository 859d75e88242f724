"""Puts pictures on disk from a thread of its own: neither a disk that hangs nor a slow clip holds up anybody.

Knows files; nothing of events.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from pathlib import Path

from engine.errors import EvidenceError
from stream.evidence.snapshot import write_snapshot
from stream.side_thread import SideThread

WRITE_WAIT_S = 0.5  # how long somebody waits for a picture to be there
MOST_WAITING = 200  # pictures in memory while the disk takes none; then the oldest are given up


class Album:
    """Pictures of any number of events, from any thread. Each file is there whole, or as it was before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Path, tuple[bytes, Future[Path]]] = {}
        self._overdue: Future[Path] | None = None
        self._closed = False
        self._thread = SideThread("vigil-pictures")

    def put(self, path: Path, jpeg: bytes) -> Future[Path]:
        """Have this picture be at `path`, in place of one that is there or waits to be. Returns at once.

        The future is done when there is a picture at `path`. It raises EvidenceError when it can't be written.
        """
        with self._lock:
            before = self._waiting.pop(path, None)
            future: Future[Path] = before[1] if before else Future()
            if self._closed:
                future.set_exception(EvidenceError("no picture is written any more: Vigil ends"))
                return future
            if before is None:
                future.set_running_or_notify_cancel()  # who waits may give up; the picture is written all the same
                self._thread.begin(self._write_next)
            self._waiting[path] = (jpeg, future)
            if len(self._waiting) > MOST_WAITING:
                self._give_up_oldest("too many pictures wait for the disk")
        return future

    def wait(self, written: Future[Path]) -> bool:
        """Whether it is done within a moment. While one is overdue, no other is waited for."""
        hangs = self._overdue is not None and not self._overdue.done()
        wait([written], 0.0 if hangs else WRITE_WAIT_S)
        if not written.done() and not hangs:
            self._overdue = written
        return written.done()

    def close(self, within_s: float) -> None:
        """Write what waits and end, if the disk lets it in time; what comes now is not written. Safe to call twice."""
        with self._lock:
            self._closed = True
        self._thread.close(within_s)
        with self._lock:
            while self._waiting:
                self._give_up_oldest("the disk did not take it before Vigil ended")

    def _give_up_oldest(self, why: str) -> None:
        _, future = self._waiting.pop(next(iter(self._waiting)))
        future.set_exception(EvidenceError(why))

    def _write_next(self) -> None:
        with self._lock:
            if not self._waiting:  # one was given up
                return
            path = next(iter(self._waiting))
            jpeg, future = self._waiting.pop(path)
        try:
            write_snapshot(path, jpeg)
        except Exception as error:  # noqa: BLE001 - it is for who waits
            future.set_exception(error)
        else:
            future.set_result(path)
