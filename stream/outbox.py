"""Every alert, numbered, and on disk before anybody hears of it: what makes the feed durable. Knows no socket.

Within the outbox's `epoch`, `seq` counts the alerts of all cameras from 1. Pruning takes only the oldest. A disk
that is full, locked or hangs holds up nobody: alerts are numbered all the same, wait in memory, and are written
in order as soon as it works again. Beyond PENDING_MAX the oldest of them are given up, and so are all of them
when the process ends before; their numbers stay unused, as do those of alerts that the disk took and lost. Nothing
else makes holes.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, cast

import msgspec

from engine.errors import FeedError, OutboxError
from stream.feed.catch_up import Kept
from stream.feed.messages import AlertMessage, decode, encode
from stream.outbox_file import OutboxFile, OutboxReader, Row

PENDING_MAX = 10_000  # alerts kept in memory while the disk does not take them
AT_ONCE = 500  # rows in a transaction
WRITE_WAIT_S = 2.0  # how long telling an alert waits for the disk
MARK_WAIT_S = 0.2  # ... and then for its number to be noted
RETRY_S = 1.0
CLOSE_WAIT_S = 3.0

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)


class Outbox:
    """Used from one thread at a time, but for `pending`, `lost`, `prune` and `OutboxHistory`; and from one process.

    Another process that opens the file is refused with OutboxError. A damaged file is set aside, as
    `set_aside` says, and a new one with a new epoch takes its place.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._file = OutboxFile(path, now)
        self.epoch = self._file.epoch
        self.set_aside = self._file.set_aside
        self.last_seq = self._file.marked_seq  # 0 when there is none yet
        self.lost = self.last_seq - self._file.last_seq  # alerts that were told and are not in the outbox
        self._lock = threading.Lock()  # for `last_seq` with `_pending`
        self._pending: deque[Row] = deque()
        self._closed = self._failing = False
        self._retry_at_s = 0.0
        if self.set_aside:
            _log.error("the outbox %s is damaged (%s): kept as %s", path, self._file.damage, self.set_aside.name)
        if self.lost:
            _log.error(
                "%d alerts that were told last are not in the outbox %s: the disk did not take them, or lost them",
                self.lost,
                path,
            )
        self._thread = _Thread("vigil-outbox-disk", self._store, lambda: RETRY_S if self._pending else None)
        self._marking = _Thread("vigil-outbox-mark")  # for when the other one hangs
        self._history = OutboxHistory(self)

    @property
    def pending(self) -> int:
        """Alerts that were told and are not on disk yet."""
        return len(self._pending)

    @property
    def first_seq(self) -> int:
        """The oldest kept; 0 when there is none yet."""
        return self._history.since(0, 1).first_seq

    def append(self, message: AlertMessage, within_s: float = math.inf) -> AlertMessage:
        """The message with its `seq` and `epoch`; it is on disk when this returns, or else `pending`.

        The disk is waited for WRITE_WAIT_S and MARK_WAIT_S at most, each no longer than `within_s`.
        """
        if self._closed:
            raise OutboxError(f"the outbox {self._path} is closed")
        with self._lock:
            numbered = msgspec.structs.replace(message, seq=self.last_seq + 1, epoch=self.epoch)
            self.last_seq = numbered.seq
            self._pending.append(Row(numbered.seq, self._now(), numbered.id, numbered.type, encode(numbered)))
            if len(self._pending) > PENDING_MAX:
                self._pending.popleft()
                self.lost += 1
        try:
            self._thread.do(self._store, min(WRITE_WAIT_S, within_s))
        except TimeoutError:
            self._fails(f"the disk of the outbox {self._path} does not answer")
            with contextlib.suppress(TimeoutError):  # people are told all the same
                self._marking.do(lambda: self._mark(numbered.seq, sync=False), min(MARK_WAIT_S, within_s))
        return numbered

    def since(self, seq: int, limit: int = 1000) -> list[AlertMessage]:
        """The oldest alerts after `seq`, at most `limit`."""
        return _decoded(self._history.since(seq, limit).alerts)

    def open_events(self) -> list[AlertMessage]:
        """The last message of each event that has not ended, oldest first."""
        return _decoded(self._history.open_events().alerts)

    def prune(self, max_age_s: float, max_bytes: int) -> Future[int]:
        """Drop the oldest alerts that are too old or too many bytes. Returns at once; the future says how many went.

        The newest one stays, and of each open event the last message is still known as such.
        """
        return self._thread.begin(lambda: self._file.prune(max_age_s, max_bytes))

    def close(self, within_s: float = math.inf) -> None:
        """Write what is pending, if the disk takes it within CLOSE_WAIT_S and `within_s`. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._history.close()
        self._marking.end(lambda: None, min(MARK_WAIT_S, within_s))
        if not self._thread.end(self._finish, min(CLOSE_WAIT_S, within_s)):
            _log.error("the disk of the outbox %s does not answer: it is left behind", self._path)
        if self._pending:
            _log.error("%d alerts that were told are not in the outbox", len(self._pending))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _store(self) -> None:
        """On the disk's thread: write what is pending, unless it was tried a moment ago."""
        while rows := self._oldest_pending():
            if time.monotonic() < self._retry_at_s:
                self._mark(self.last_seq, sync=True)
                return
            try:
                self._file.insert(rows)
            except OutboxError as error:
                self._retry_at_s = time.monotonic() + RETRY_S
                self._mark(self.last_seq, sync=True)
                self._fails(str(error))
                return
            self._mark(rows[-1].seq, sync=False)  # not before: it may not be told yet
            with self._lock:
                while self._pending and self._pending[0].seq <= rows[-1].seq:
                    self._pending.popleft()
        if self._failing:
            self._failing = False
            _log.warning("the outbox %s can be written again, and has everything that was kept in memory", self._path)

    def _oldest_pending(self) -> list[Row]:
        with self._lock:
            return [row for row, _ in zip(self._pending, range(AT_ONCE), strict=False)]

    def _mark(self, seq: int, *, sync: bool) -> None:
        try:
            self._file.mark(seq, sync=sync)
        except OutboxError as error:
            _log.debug("%s", error)  # then a crash right now may have numbers given twice

    def _finish(self) -> None:
        self._retry_at_s = 0.0
        self._store()
        self._file.close()

    def _fails(self, why: str) -> None:
        if not self._failing:
            _log.error("%s; alerts are told all the same, and kept in memory until it works again", why)
        self._failing = True


class OutboxHistory:
    """What an outbox has, for one other thread: a `stream.feed.catch_up.History` beside the writer.

    Everything that was told is in it, be it on disk or still in memory. Raises OutboxError.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._reader = OutboxReader(outbox._path)
        self.epoch = outbox.epoch

    def since(self, seq: int, limit: int) -> Kept:
        """The oldest alerts after `seq`, at most `limit`."""
        last_seq, pending = self._told()  # before the disk is read: what is written meanwhile is in both
        first_seq, alerts = self._reader.since(seq, limit)
        newest = alerts[-1][0] if alerts else seq
        if len(alerts) < limit:
            alerts += [(row.seq, row.message) for row in pending if row.seq > newest][: limit - len(alerts)]
        if not first_seq and pending:
            first_seq = pending[0].seq
        return Kept(first_seq, max([last_seq, *(seq for seq, _ in alerts[-1:])]), alerts)

    def open_events(self) -> Kept:
        """The last message of each event that has not ended by `last_seq`."""
        last_seq, pending = self._told()
        newest, events = self._reader.open_events()
        opened = {event: (seq, message) for event, seq, message in events}
        for row in pending:
            if row.seq > newest:
                opened[row.event] = (row.seq, row.message)
                if row.type == "end":
                    del opened[row.event]
        return Kept(0, max(last_seq, newest), sorted(opened.values()))

    def of_event(self, event: str) -> list[tuple[int, bytes]]:
        """The alerts of one event that are kept, as (seq, JSON), oldest first."""
        _, pending = self._told()
        alerts = self._reader.of_event(event)
        newest = alerts[-1][0] if alerts else 0
        return alerts + [(row.seq, row.message) for row in pending if row.event == event and row.seq > newest]

    def close(self) -> None:
        self._reader.close()

    def _told(self) -> tuple[int, list[Row]]:
        with self._outbox._lock:
            return self._outbox.last_seq, list(self._outbox._pending)


class _Thread:
    """Does jobs one after another. Nobody waits for it longer than they say; while one is overdue it takes no other.

    `idle` is called when no job came for as long as `idle_after_s` says.
    """

    def __init__(
        self,
        name: str,
        idle: Callable[[], None] = lambda: None,
        idle_after_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._idle = idle
        self._idle_after_s = idle_after_s
        self._jobs: queue.SimpleQueue[tuple[Callable[[], object], Future[object]] | None] = queue.SimpleQueue()
        self._overdue: Future[object] | None = None
        # A daemon, because a hung disk must not hold up the end of the process.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], _Result], within_s: float) -> _Result:
        """What the job returns or raises; or TimeoutError, though it may still be done then."""
        if self._overdue is not None and not self._overdue.done():
            raise TimeoutError
        future = self.begin(job)
        try:
            return future.result(within_s)
        except TimeoutError:
            self._overdue = cast("Future[object]", future)
            raise

    def begin(self, job: Callable[[], _Result]) -> Future[_Result]:
        """Have it done without waiting."""
        future: Future[_Result] = Future()
        self._jobs.put((job, cast("Future[object]", future)))
        return future

    def end(self, last: Callable[[], None], within_s: float) -> bool:
        """Do a last job and end; False when that took too long, and the thread is left behind."""
        self._jobs.put((last, Future()))
        self._jobs.put(None)
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                item = self._jobs.get(timeout=self._idle_after_s())
            except queue.Empty:
                self._idle()
                continue
            if item is None:
                return
            job, future = item
            try:
                future.set_result(job())
            except Exception as error:  # noqa: BLE001 - it is for who asked
                future.set_exception(error)


def _decoded(alerts: list[tuple[int, bytes]]) -> list[AlertMessage]:
    """Without what this version can't read, which a newer one may have written."""
    messages = []
    for seq, data in alerts:
        try:
            message = decode(data)
        except FeedError as error:
            _log.warning("alert %d of the outbox is left out: %s", seq, error)
            continue
        if isinstance(message, AlertMessage):
            messages.append(message)
    return messages
