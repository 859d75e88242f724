"""Where bridges keep their place in the outbox, and their dead letters: one small SQLite file beside it.

Several bridges and commands may have it open at once, each with a Ledger of its own. Knows no sink.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import BridgeError
from stream.feed.events import Position
from stream.transaction import transaction

FILE_NAME = "bridges.sqlite3"  # in the data directory
FORMAT = 1  # of the tables; kept in the file's user_version
MOST_DEAD_LETTERS = 10_000  # of each bridge; then the oldest go
WAIT_S = 2.0  # for another bridge that is just writing

_CREATE = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS positions (bridge TEXT PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS dead_letters (
  bridge TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, time REAL NOT NULL, reason TEXT NOT NULL,
  body BLOB NOT NULL, again INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (bridge, epoch, seq)
);
PRAGMA user_version = {FORMAT};
COMMIT;
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An alert that its receiver would not take; `body` is its JSON. `again` says that it is to be tried once more."""

    bridge: str
    place: Position
    time_s: float
    reason: str
    body: bytes
    again: bool


class Ledger:
    """Used from one thread at a time. Raises BridgeError. A damaged file is set aside, and a new one begun."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        with self._doing("opened"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if damage := _damage(self._path):
                aside = _set_aside(self._path)
                _log.error("%s is damaged (%s): kept as %s; bridges begin as new ones", self._path, damage, aside.name)
            self._db = sqlite3.connect(self._path, isolation_level=None, timeout=WAIT_S, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def position(self, bridge: str) -> Position | None:
        """How far the bridge is; None for one that is new."""
        with self._doing("read"):
            row = self._db.execute("SELECT epoch, seq FROM positions WHERE bridge = ?", (bridge,)).fetchone()
        return Position(*row) if row else None

    def keep(self, bridge: str, position: Position) -> None:
        """It is on disk when this returns."""
        with self._doing("written"):
            self._keep(bridge, position)

    def set_aside(self, letter: DeadLetter, position: Position) -> int:
        """Keep a dead letter, and with it, at once, how far its bridge is; says how many of the oldest went for it."""
        with self._doing("written"), transaction(self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?)",
                (letter.bridge, letter.place.epoch, letter.place.seq, letter.time_s, letter.reason, letter.body,
                 letter.again),
            )  # fmt: skip
            gone = self._db.execute(
                "DELETE FROM dead_letters WHERE bridge = ?1 AND rowid NOT IN"
                " (SELECT rowid FROM dead_letters WHERE bridge = ?1 ORDER BY time DESC, epoch DESC, seq DESC LIMIT ?2)",
                (letter.bridge, MOST_DEAD_LETTERS),
            ).rowcount
            self._keep(letter.bridge, position)
        return gone

    def dead_letters(self, bridge: str | None = None) -> list[DeadLetter]:
        """Of one bridge, or of all; oldest first."""
        return self._letters("?1 IS NULL OR bridge = ?1", bridge, -1)

    def next_again(self, bridge: str) -> DeadLetter | None:
        """The oldest that is to be tried once more."""
        return next(iter(self._letters("bridge = ?1 AND again", bridge, 1)), None)

    def try_again(self, bridge: str | None = None) -> int:
        """Have the dead letters of one bridge, or of all, tried once more; says how many they are."""
        with self._doing("written"):
            return self._db.execute(
                "UPDATE dead_letters SET again = 1 WHERE ?1 IS NULL OR bridge = ?1", (bridge,)
            ).rowcount

    def forget(self, bridge: str, place: Position) -> None:
        """A dead letter was delivered after all."""
        with self._doing("written"):
            self._db.execute(
                "DELETE FROM dead_letters WHERE bridge = ? AND epoch = ? AND seq = ?", (bridge, place.epoch, place.seq)
            )

    def close(self) -> None:
        self._db.close()

    def _letters(self, which: str, bridge: str | None, limit: int) -> list[DeadLetter]:
        query = (
            f"SELECT bridge, epoch, seq, time, reason, body, again FROM dead_letters WHERE {which}"
            " ORDER BY time, epoch, seq LIMIT ?2"
        )
        with self._doing("read"):
            rows = self._db.execute(query, (bridge, limit)).fetchall()
        return [
            DeadLetter(name, Position(epoch, seq), time_s, reason, body, bool(again))
            for name, epoch, seq, time_s, reason, body, again in rows
        ]

    def _keep(self, bridge: str, position: Position) -> None:
        self._db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (bridge, position.epoch, position.seq))

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise BridgeError(f"{self._path} is of a newer version", advice="choose another directory with --data")
        if found < FORMAT:
            self._db.executescript(_CREATE)

    @contextmanager
    def _doing(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise BridgeError(
                f"the bridges' ledger {self._path} can't be {done} ({reason})",
                advice="check the disk, and that this user may write there",
            ) from error


def _damage(path: Path) -> str:
    """What is wrong with the file; nothing when there is none, or when it holds."""
    if not path.exists():
        return ""
    with closing(sqlite3.connect(path, timeout=WAIT_S)) as db:
        try:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                return str(error)
            raise
    return "" if verdict == "ok" else " ".join(str(verdict).split())


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
