"""Events, as people look for them: built from the outbox's alerts, with a full-text index of what was said.

One row per event with its latest alert. Brought up to date whenever something is asked, so it needs no thread.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import FeedError
from stream.console.marks import CURRENT, Mark, mark_of
from stream.feed.messages import AlertMessage, decode
from stream.outbox import OutboxHistory
from stream.transaction import transaction

PAGE_ALERTS = 500
MARKS = {
    "none": "m.number IS NULL",
    "acknowledged": "m.acknowledged",
    "true": "m.verdict = 'true'",
    "false": "m.verdict = 'false'",
}
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Filed:
    """An event: its latest alert, the seq of its first one, and what people say of it."""

    first_seq: int
    latest: AlertMessage
    mark: Mark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events: all that fit everything that is given. Times are UTC; an event counts for all of its span."""

    before_seq: int | None = None  # of the first alert
    camera: str | None = None
    definition: str | None = None
    severity: str | None = None
    since_s: float | None = None
    until_s: float | None = None
    words: str | None = None  # all of them, or their beginnings
    mark: str | None = None  # a key of MARKS
    is_open: bool | None = None
    ids: Sequence[str] | None = None  # among these


class Catalogue:
    """For one thread, which `history` is for as well. Raises sqlite3.Error, and OutboxError for the outbox."""

    def __init__(self, db: sqlite3.Connection, history: OutboxHistory) -> None:
        self._db = db
        self._history = history

    def find(self, wanted: Wanted, limit: int) -> list[Filed]:
        """The newest events first, by when they began."""
        self.catch_up()
        wheres, values = _conditions(wanted)
        query = f"SELECT e.first_seq, e.message, {CURRENT} WHERE {' AND '.join(wheres)}"
        rows = self._db.execute(f"{query} ORDER BY e.first_seq DESC LIMIT ?", (*values, limit)).fetchall()
        return [_filed(row) for row in rows]

    def event(self, event_id: str) -> Filed | None:
        self.catch_up()
        row = self._db.execute(f"SELECT e.first_seq, e.message, {CURRENT} WHERE e.id = ?", (event_id,)).fetchone()
        return _filed(row) if row else None

    def course(self, event_id: str) -> list[bytes]:
        """All alerts of an event that are kept, as JSON, oldest first."""
        return [data for _, data in self._history.of_event(event_id)]

    def catch_up(self) -> None:
        """File what was told since the last time, and forget what the outbox does not keep any more."""
        epoch, through = self._db.execute("SELECT epoch, through FROM told").fetchone()
        kept = self._history.since(through, PAGE_ALERTS)
        if epoch != self._history.epoch or kept.last_seq < through:  # another outbox, or an older copy of it
            with transaction(self._db):
                self._db.execute("DELETE FROM said")
                self._db.execute("DELETE FROM events")
                self._db.execute("UPDATE told SET epoch = ?, through = 0", (self._history.epoch,))
            kept = self._history.since(0, PAGE_ALERTS)
            through = 0
        if through < kept.first_seq - 1:  # something is forgotten already, of which events may be open still
            with transaction(self._db):
                for seq, data in self._history.open_events().alerts:
                    if through < seq < kept.first_seq:
                        self._file(seq, data)
        while kept.alerts:
            through = kept.alerts[-1][0]
            with transaction(self._db):
                for seq, data in kept.alerts:
                    self._file(seq, data)
                self._db.execute("UPDATE told SET through = ?", (through,))
            kept = self._history.since(through, PAGE_ALERTS)
        self._forget_before(kept.first_seq)

    def _file(self, seq: int, data: bytes) -> None:
        try:
            message = decode(data)
        except FeedError:  # what this version can't read, a newer one may have written
            return
        if not isinstance(message, AlertMessage):
            return
        span = (message.severity, message.start_time, message.end_time, message.type != "end", data)
        found = self._db.execute("SELECT number FROM events WHERE id = ?", (message.id,)).fetchone()
        if found is None:
            number = self._db.execute(
                "INSERT INTO events (id, first_seq, camera, definition, seq, severity, start_time, end_time, is_open,"
                " message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (message.id, seq, message.camera, message.definition, seq, *span),
            ).lastrowid
            self._db.execute("INSERT INTO said (rowid, text) VALUES (?, ?)", (number, message.explanation or ""))
            return
        self._db.execute(
            "UPDATE events SET seq = ?, severity = ?, start_time = ?, end_time = ?, is_open = ?, message = ?"
            " WHERE number = ?",
            (seq, *span, found[0]),
        )
        (said,) = self._db.execute("SELECT text FROM said WHERE rowid = ?", found).fetchone()
        if message.explanation and message.explanation not in said.split("\n"):
            text = f"{said}\n{message.explanation}".strip("\n")
            self._db.execute("UPDATE said SET text = ? WHERE rowid = ?", (text, found[0]))

    def _forget_before(self, first_seq: int) -> None:
        """What the outbox has forgotten: it keeps events that are still open, however old."""
        forgotten = "FROM events WHERE seq < ? AND NOT is_open"
        if self._db.execute(f"SELECT 1 {forgotten} LIMIT 1", (first_seq,)).fetchone() is None:
            return
        with transaction(self._db):
            self._db.execute(f"DELETE FROM said WHERE rowid IN (SELECT number {forgotten})", (first_seq,))
            self._db.execute(f"DELETE {forgotten}", (first_seq,))


def _conditions(wanted: Wanted) -> tuple[Sequence[str], Sequence[object]]:
    found: list[tuple[str, object]] = [("e.first_seq > ?", 0)]
    if wanted.before_seq is not None:
        found.append(("e.first_seq < ?", wanted.before_seq))
    equal = {"camera": wanted.camera, "definition": wanted.definition, "severity": wanted.severity}
    found += [(f"e.{column} = ?", value) for column, value in equal.items() if value is not None]
    if wanted.since_s is not None:
        found.append(("(e.is_open OR e.end_time >= ?)", wanted.since_s))
    if wanted.until_s is not None:
        found.append(("e.start_time <= ?", wanted.until_s))
    if wanted.is_open is not None:
        found.append(("e.is_open = ?", wanted.is_open))
    if wanted.words is not None:
        matching = " ".join(f'"{word}"*' for word in _WORD.findall(wanted.words)) or '""'
        found.append(("e.number IN (SELECT rowid FROM said WHERE said MATCH ?)", matching))
    wheres, values = [condition for condition, _ in found], [value for _, value in found]
    if wanted.ids is not None:
        wheres.append(f"e.id IN ({', '.join('?' * len(wanted.ids))})")
        values += wanted.ids
    if wanted.mark is not None:
        wheres.append(MARKS[wanted.mark])
    return wheres, values


def _filed(row: tuple[object, ...]) -> Filed:
    first_seq, data, *mark = row
    message = decode(data) if isinstance(data, bytes) else None
    assert isinstance(message, AlertMessage)
    assert isinstance(first_seq, int)
    return Filed(first_seq, message, mark_of(mark))
