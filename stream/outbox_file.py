"""The outbox's file: one SQLite database in WAL mode with one writer. Knows messages as rows of bytes, and no thread.

Beside it lie `.lock`, which the writer holds, and `.mark`: the newest number that was told. Whatever the database
lacks after a crash, a number is never given twice within an `epoch`, an identifier made with the file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import OutboxError
from stream.filesystem import network_filesystem
from stream.ids import Ids
from stream.outbox_mark import Mark
from stream.transaction import transaction

FORMAT = 1  # of the tables; kept in the file's user_version
OPEN_WITHIN_S = 2.0  # how long to wait for another Vigil that is just letting go of the file
WRITE_WITHIN_S = 0.5  # ... and for another program that writes to it

_CREATE = (
    "CREATE TABLE outbox (epoch TEXT NOT NULL)",
    "CREATE TABLE alerts (seq INTEGER PRIMARY KEY, time REAL NOT NULL, event TEXT NOT NULL, type TEXT NOT NULL,"
    " message BLOB NOT NULL)",
    "CREATE INDEX alerts_of_event ON alerts (event, seq)",
    f"PRAGMA user_version = {FORMAT}",
)
# What pruning dropped of events that were open then: the last message of each, until the event has a newer one.
_CREATE_DROPPED = (
    "CREATE TABLE IF NOT EXISTS dropped_open (event TEXT PRIMARY KEY, seq INTEGER NOT NULL, message BLOB NOT NULL)"
)
_OPEN = (
    "SELECT event, seq, message FROM alerts AS a WHERE type != 'end'"
    " AND NOT EXISTS (SELECT 1 FROM alerts AS b WHERE b.event = a.event AND b.seq > a.seq)"
)
_DROPPED_OPEN = "SELECT event, seq, message FROM dropped_open WHERE event NOT IN (SELECT event FROM alerts)"


@dataclass(frozen=True, slots=True)
class Row:
    """One alert as it is kept; `message` is its JSON."""

    seq: int
    time_s: float
    event: str
    type: str
    message: bytes


class OutboxFile:
    """The writing end. Used from one thread at a time; everything raises OutboxError when the disk does not let it.

    A file that turns out to be damaged at opening is renamed and named in `set_aside`, with why in `damage`; a
    new one, with a new epoch, takes its place. Another process that opens the file is refused.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path = Path(os.path.realpath(path))  # by whatever link it is reached, it has one lock
        self._now = now
        self.set_aside: Path | None = None
        self.damage = ""
        with failing(path, "opened"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what cameras saw is for this user only
            if kind := network_filesystem(path.parent):
                raise OutboxError(
                    f"the outbox {path} would lie on a network file system ({kind}), which breaks databases",
                    advice="choose a folder on a local disk with --data",
                )
            self._lock = _hold(path.with_name(f"{path.name}.lock"))
            try:
                self._db, self.epoch = self._open_or_replace()
                self._mark = Mark(path.with_name(f"{path.name}.mark"), self.epoch, self.last_seq)
                self._identity = _identity(path)
            except BaseException:
                self.close()
                raise

    @property
    def last_seq(self) -> int:
        """0 when there is none yet."""
        with failing(self._path, "read"):
            return self._integer("SELECT max(seq) FROM alerts")

    @property
    def marked_seq(self) -> int:
        """The newest number that is known to have been told; not less than `last_seq` was at opening."""
        return self._mark.seq

    def insert(self, rows: Sequence[Row]) -> None:
        """All of them or none; they are on disk when this returns."""
        with failing(self._path, "written"):
            if _identity(self._path) != self._identity:
                raise OutboxError(
                    f"the outbox {self._path} was replaced while it was in use", advice="start `vigil watch` anew"
                )
            with transaction(self._db):
                self._db.executemany(
                    "INSERT INTO alerts VALUES (?, ?, ?, ?, ?)",
                    [(row.seq, row.time_s, row.event, row.type, row.message) for row in rows],
                )

    def mark(self, seq: int, *, sync: bool) -> None:
        """Note, from any thread, that numbers up to this are told.

        Without `sync` it outlives this process, but no power cut; and it waits for the disk in no ordinary case.
        """
        with failing(self._path, "marked"):
            self._mark.write(seq, sync=sync)

    def prune(self, max_age_s: float, max_bytes: int) -> int:
        """Drop the oldest alerts that are too old or too many bytes; says how many went.

        The newest one stays, so that counting goes on; and of an open event the last message is kept elsewhere, so
        that an event that stays open for months holds up nothing.
        """
        with failing(self._path, "pruned"):
            # Up to the first that is young enough: a clock that was wrong for a while makes none before it old.
            young_from = self._integer("SELECT min(seq) FROM alerts WHERE time >= ?", self._now() - max_age_s)
            too_old = young_from - 1 if young_from else self.last_seq
            too_many = self._integer(
                "SELECT max(seq) FROM (SELECT seq, sum(length(message)) OVER (ORDER BY seq DESC) AS bytes FROM alerts)"
                " WHERE bytes > ?",
                max_bytes,
            )
            last_dropped = min(max(too_old, too_many), self.last_seq - 1)
            with transaction(self._db):
                self._db.execute("DELETE FROM dropped_open WHERE event IN (SELECT event FROM alerts)")
                self._db.execute(f"INSERT INTO dropped_open {_OPEN} AND seq <= ?", (last_dropped,))
                dropped = self._db.execute("DELETE FROM alerts WHERE seq <= ?", (last_dropped,)).rowcount
            self._db.executescript("PRAGMA incremental_vacuum")  # `execute` would give back one page and stop
            return dropped

    def close(self) -> None:
        """Safe to call twice."""
        for part in ("_mark", "_db", "_lock"):  # what there is of it: opening may have failed
            if part in self.__dict__:
                getattr(self, part).close()

    def _open_or_replace(self) -> tuple[sqlite3.Connection, str]:
        try:
            return _open(self._path, self._now)
        except _DamagedError as error:
            self.damage = str(error)
            self.set_aside = self._rename()
            return _open(self._path, self._now)

    def _rename(self) -> Path:
        """Move the damaged file, with what SQLite keeps beside it, out of the way."""
        stamp = datetime.fromtimestamp(self._now(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self._path.with_name(f"{self._path.name}.damaged-{stamp}")
        for suffix in ("-wal", "-shm", ""):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        return aside

    def _integer(self, query: str, *values: object) -> int:
        """The one number asked for; 0 for none."""
        (value,) = self._db.execute(query, values).fetchone()
        return int(value or 0)


class OutboxReader:
    """A reading end beside the writer, which it neither delays nor waits for. Used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with failing(path, "opened"):
            self._db = _read_only(path)

    def since(self, seq: int, limit: int) -> tuple[int, list[tuple[int, bytes]]]:
        """The oldest number kept, 0 for none; and the oldest alerts after `seq`, at most `limit`."""
        with self._at_one_moment() as db:
            (first_seq,) = db.execute("SELECT min(seq) FROM alerts").fetchone()
            query = "SELECT seq, message FROM alerts WHERE seq > ? ORDER BY seq LIMIT ?"
            return first_seq or 0, db.execute(query, (seq, limit)).fetchall()

    def of_event(self, event: str) -> list[tuple[int, bytes]]:
        """The alerts of one event, oldest first."""
        query = (
            "SELECT seq, message FROM dropped_open WHERE event = ?1"
            " UNION ALL SELECT seq, message FROM alerts WHERE event = ?1 ORDER BY seq"
        )
        with self._at_one_moment() as db:
            return db.execute(query, (event,)).fetchall()

    def open_events(self) -> tuple[int, list[tuple[str, int, bytes]]]:
        """The newest number, 0 for none; and by then each open event with its last message, oldest first."""
        with self._at_one_moment() as db:
            (last_seq,) = db.execute("SELECT max(seq) FROM alerts").fetchone()
            return last_seq or 0, db.execute(f"{_DROPPED_OPEN} UNION ALL {_OPEN} ORDER BY seq").fetchall()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _at_one_moment(self) -> Iterator[sqlite3.Connection]:
        with failing(self._path, "read"):
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                self._db.execute("ROLLBACK")


@contextmanager
def failing(path: Path, done: str) -> Iterator[None]:
    """Maps what SQLite and the disk raise."""
    try:
        yield
    except (sqlite3.Error, OSError, _DamagedError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        may_write = "check that this user may write to its directory, or choose another with --data"
        advice = {
            sqlite3.SQLITE_BUSY: "another Vigil uses this data directory: stop it, or choose another with --data"
            if done == "opened"
            else "another program holds it",
            sqlite3.SQLITE_FULL: "the disk is full: make room",
            sqlite3.SQLITE_CANTOPEN: may_write,
            sqlite3.SQLITE_READONLY: may_write,
        }.get(code, may_write if isinstance(error, OSError) else "check the disk, and that this user may write there")
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutboxError(f"the outbox {path} can't be {done} ({reason})", advice=advice) from error


def _identity(path: Path) -> tuple[int, int]:
    """Which file it is: SQLite goes on in one that was removed, as if all were well."""
    status = path.stat()
    return status.st_dev, status.st_ino


class _DamagedError(Exception):
    """The file is no database, or not a whole one any more."""


def _hold(path: Path) -> sqlite3.Connection:
    """A lock on the whole outbox until the connection is closed or the process ends: an SQLite file, for its locks."""
    lock = sqlite3.connect(path, isolation_level=None, timeout=OPEN_WITHIN_S, check_same_thread=False)
    try:
        lock.execute("PRAGMA journal_mode = MEMORY")
        lock.execute("BEGIN EXCLUSIVE")
    except BaseException:
        lock.close()
        raise
    return lock


def _open(path: Path, now: Callable[[], float]) -> tuple[sqlite3.Connection, str]:
    """The database and its epoch; a new file gets its tables and epoch in one transaction."""
    if path.exists():
        _check(path)
    db = sqlite3.connect(path, isolation_level=None, timeout=WRITE_WITHIN_S, check_same_thread=False)
    try:
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
        db.execute(_CREATE_DROPPED)  # also for a file of before there was such a table
        (epoch,) = db.execute("SELECT epoch FROM outbox").fetchone()
    except BaseException:
        db.close()
        raise
    return db, str(epoch)


def _check(path: Path) -> None:
    """Raises _DamagedError. Writes nothing, also not to what lies beside the file, so that all of it can be kept."""
    with closing(_read_only(path)) as db:
        try:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise _DamagedError(str(error)) from error
            raise
    if verdict != "ok":
        raise _DamagedError(" ".join(str(verdict).split()))


def _read_only(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=WRITE_WITHIN_S, check_same_thread=False)
