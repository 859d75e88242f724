"""The console's own database beside the outbox: an index of events, people's marks, and changes of definitions.

The index is made of the outbox and can be made again; marks and changes are people's and only ever added to. One
thread uses it. A file that turns out to be damaged is set aside, as the log says, and a new one takes its place.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import RuntimeFault
from stream.transaction import transaction

log = logging.getLogger(__name__)

FORMAT = 2  # of the tables; kept in the file's user_version
OLDEST_READ = 1  # of which marks are read as they are
WRITE_WITHIN_S = 2.0
NAME = "console.sqlite3"

_CREATE = (
    "CREATE TABLE told (epoch TEXT NOT NULL, through INTEGER NOT NULL)",
    "INSERT INTO told VALUES ('', 0)",
    "CREATE TABLE events (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, first_seq INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, camera TEXT NOT NULL, definition TEXT NOT NULL, severity TEXT NOT NULL,"
    " start_time REAL NOT NULL, end_time REAL, is_open INTEGER NOT NULL, message BLOB NOT NULL)",
    "CREATE INDEX events_newest ON events (first_seq)",
    "CREATE INDEX events_of_camera ON events (camera, first_seq)",
    "CREATE INDEX events_oldest ON events (seq)",
    "CREATE VIRTUAL TABLE said USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')",
    "CREATE TABLE marks (number INTEGER PRIMARY KEY, event TEXT NOT NULL, time REAL NOT NULL, by TEXT NOT NULL,"
    " acknowledged INTEGER NOT NULL, verdict TEXT, note TEXT NOT NULL, message BLOB NOT NULL)",
    "CREATE INDEX marks_of_event ON marks (event, number)",
    "CREATE TABLE changes (number INTEGER PRIMARY KEY, camera TEXT NOT NULL, time REAL NOT NULL, by TEXT NOT NULL,"
    " definitions TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX changes_of_camera ON changes (camera, number)",
    "PRAGMA user_version = 1",
)
_NEXT = {  # what makes one format the next
    1: (
        "ALTER TABLE changes ADD COLUMN was TEXT",  # in the configuration file, where it was written into one
        "ALTER TABLE changes ADD COLUMN undone_by TEXT",
        "ALTER TABLE changes ADD COLUMN undone_time REAL",
        "PRAGMA user_version = 2",
    ),
}


def open_database(path: Path, now_s: float) -> sqlite3.Connection:
    """For reading and writing; made if there is none. Raises RuntimeFault."""
    with failing(path, "opened"):
        if path.exists() and (damage := _damage(path)):
            aside = _set_aside(path, now_s)
            log.error("%s is damaged (%s): kept as %s; marks are begun anew", path, damage, aside.name)
        db = sqlite3.connect(path, isolation_level=None, timeout=WRITE_WITHIN_S, check_same_thread=False)
        try:
            path.chmod(0o600)
            if db.execute("SELECT 1 FROM sqlite_schema").fetchone() is None:
                db.execute("PRAGMA journal_mode = WAL")
                with transaction(db):
                    for statement in _CREATE:
                        db.execute(statement)
            db.execute("PRAGMA synchronous = NORMAL")
            while statements := _NEXT.get(_format(db)):
                with transaction(db):
                    for statement in statements:
                        db.execute(statement)
            _require_format(db, path, FORMAT)
        except BaseException:
            db.close()
            raise
    return db


def open_read_only(path: Path) -> sqlite3.Connection:
    """Beside a console that writes to it, or without one. Raises RuntimeFault."""
    with failing(path, "read"):
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WRITE_WITHIN_S)
        try:
            _require_format(db, path, OLDEST_READ)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def failing(path: Path, done: str) -> Iterator[None]:
    """Maps what SQLite and the disk raise."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise RuntimeFault(
            f"the console's database {path} can't be {done} ({error})",
            advice="check the disk, and that this user may write to its folder",
        ) from error


def _format(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _require_format(db: sqlite3.Connection, path: Path, oldest: int) -> None:
    if not oldest <= _format(db) <= FORMAT:
        raise RuntimeFault(f"{path} is of another version of Vigil", advice="move it away: marks are begun anew")


def _damage(path: Path) -> str:
    """What is wrong with the file; empty when nothing is."""
    with closing(sqlite3.connect(path, timeout=WRITE_WITHIN_S)) as db:
        try:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                return str(error)
            raise
    return "" if verdict == "ok" else " ".join(str(verdict).split())


def _set_aside(path: Path, now_s: float) -> Path:
    stamp = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
