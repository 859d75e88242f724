"""Every alert, on disk before anybody hears of it: what makes the feed durable. Knows no socket.

One SQLite file (WAL, synced at each commit). Within its `epoch`, an identifier made with the file, `seq`
counts the alerts of all cameras from 1 without holes; pruning takes only the oldest, so what is kept is
always one unbroken stretch.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from engine.errors import FeedError, OutboxError
from stream.feed.messages import AlertMessage, decode, encode
from stream.ids import Ids

FORMAT = 1  # of the tables; kept in the file's user_version
BUSY_S = 2.0  # how long to wait for another Vigil that is just letting go of the file

_log = logging.getLogger(__name__)

_CREATE = (
    "CREATE TABLE outbox (epoch TEXT NOT NULL)",
    "CREATE TABLE alerts (seq INTEGER PRIMARY KEY, time REAL NOT NULL, event TEXT NOT NULL, type TEXT NOT NULL,"
    " message BLOB NOT NULL)",
    "CREATE INDEX alerts_of_event ON alerts (event, seq)",
    f"PRAGMA user_version = {FORMAT}",
)
_OPEN = (
    "FROM alerts AS a WHERE type != 'end'"
    " AND NOT EXISTS (SELECT 1 FROM alerts AS b WHERE b.event = a.event AND b.seq > a.seq)"
)


class Outbox:
    """Used from one thread at a time, and from one process: another that opens the file is refused.

    A file that turns out to be damaged at opening is renamed, logged and named in `set_aside`; a new one,
    with a new epoch, takes its place. Everything raises OutboxError when the disk does not let it.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self.set_aside: Path | None = None
        with self._failing("opened"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what cameras saw is for this user only
            try:
                self._db, self.epoch = _open(path, now)
            except _DamagedError as error:
                self.set_aside = self._rename()
                _log.error("the outbox %s is damaged (%s): kept as %s", path, error, self.set_aside.name)
                self._db, self.epoch = _open(path, now)

    @property
    def last_seq(self) -> int:
        """0 when there is none yet."""
        with self._failing("read"):
            return self._integer("SELECT max(seq) FROM alerts")

    @property
    def first_seq(self) -> int:
        """The oldest kept; 0 when there is none yet."""
        with self._failing("read"):
            return self._integer("SELECT min(seq) FROM alerts")

    def append(self, message: AlertMessage) -> AlertMessage:
        """The message with its `seq` and `epoch`; it is on disk when this returns, and gone when this raises."""
        with self._failing("written"):
            numbered = msgspec.structs.replace(message, seq=self.last_seq + 1, epoch=self.epoch)
            row = (numbered.seq, self._now(), numbered.id, numbered.type, encode(numbered))
            self._db.execute("INSERT INTO alerts VALUES (?, ?, ?, ?, ?)", row)
            return numbered

    def since(self, seq: int, limit: int = 1000) -> list[AlertMessage]:
        """The oldest alerts after `seq`, at most `limit`."""
        return self._messages("SELECT message FROM alerts WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)

    def open_events(self) -> list[AlertMessage]:
        """The last message of each event that has not ended, oldest first."""
        return self._messages(f"SELECT message {_OPEN} ORDER BY seq")

    def prune(self, max_age_s: float, max_bytes: int) -> int:
        """Drop the oldest alerts that are too old or too many bytes; says how many went.

        The newest one stays, so that counting goes on, and so does all from an open event's last message on.
        """
        with self._failing("pruned"):
            too_old = self._integer("SELECT max(seq) FROM alerts WHERE time < ?", self._now() - max_age_s)
            too_many = self._integer(
                "SELECT max(seq) FROM (SELECT seq, sum(length(message)) OVER (ORDER BY seq DESC) AS bytes FROM alerts)"
                " WHERE bytes > ?",
                max_bytes,
            )
            keep_from = self._integer(f"SELECT min(seq) {_OPEN}") or self.last_seq
            last_dropped = min(max(too_old, too_many), keep_from - 1)
            dropped = self._db.execute("DELETE FROM alerts WHERE seq <= ?", (last_dropped,)).rowcount
            self._db.executescript("PRAGMA incremental_vacuum")  # `execute` would give back one page and stop
            return dropped

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _integer(self, query: str, *values: object) -> int:
        """The one number asked for; 0 for none."""
        (value,) = self._db.execute(query, values).fetchone()
        return int(value or 0)

    def _messages(self, query: str, *values: object) -> list[AlertMessage]:
        with self._failing("read"):
            messages = [decode(data) for (data,) in self._db.execute(query, values)]
            return [message for message in messages if isinstance(message, AlertMessage)]

    def _rename(self) -> Path:
        """Move the damaged file, with what SQLite keeps beside it, out of the way."""
        stamp = datetime.fromtimestamp(self._now(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self._path.with_name(f"{self._path.name}.damaged-{stamp}")
        for suffix in ("-wal", "-shm", ""):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        return aside

    @contextmanager
    def _failing(self, done: str) -> Iterator[None]:
        """Maps what SQLite and the disk raise."""
        try:
            yield
        except (sqlite3.Error, OSError, FeedError, _DamagedError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            may_write = "check that this user may write to its directory, or choose another with --data"
            advice = {
                sqlite3.SQLITE_BUSY: "another Vigil uses this data directory: stop it, or choose another with --data",
                sqlite3.SQLITE_FULL: "the disk is full: make room",
                sqlite3.SQLITE_CANTOPEN: may_write,
                sqlite3.SQLITE_READONLY: may_write,
            }.get(
                code, may_write if isinstance(error, OSError) else "check the disk, and that this user may write there"
            )
            reason = error.strerror if isinstance(error, OSError) else error
            raise OutboxError(f"the outbox {self._path} can't be {done} ({reason})", advice=advice) from error


class _DamagedError(Exception):
    """The file is no database, or not a whole one any more."""


def _open(path: Path, now: Callable[[], float]) -> tuple[sqlite3.Connection, str]:
    """The database, exclusively, and its epoch; a new file gets its tables and epoch in one transaction."""
    db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()  # before anything is written
        if verdict != "ok":
            raise _DamagedError(" ".join(str(verdict).split()))
        is_new = db.execute("SELECT 1 FROM sqlite_schema").fetchone() is None
        if is_new:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if is_new:
            db.execute("BEGIN EXCLUSIVE")
            for statement in _CREATE:
                db.execute(statement)
            db.execute("INSERT INTO outbox VALUES (?)", (Ids(now)(),))
            db.execute("COMMIT")
        (found,) = db.execute("PRAGMA user_version").fetchone()
        if found != FORMAT:
            raise OutboxError(
                f"{path} is no outbox that this version can read", advice="choose another directory with --data"
            )
        (epoch,) = db.execute("SELECT epoch FROM outbox").fetchone()
    except BaseException as error:
        db.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _DamagedError(str(error)) from error
        raise
    return db, str(epoch)
