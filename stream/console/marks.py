"""What people say of events: seen, right or wrong, and a note. Never changed, only added to; the latest counts.

Each mark keeps the event as it was, so that it is of use when the outbox has long forgotten it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from stream.feed.messages import AlertMessage, AlertModel, decode, encode
from stream.transaction import transaction

# Of events `e` with the latest mark of each.
CURRENT = (
    "m.number, m.time, m.by, m.acknowledged, m.verdict, m.note FROM events AS e"
    " LEFT JOIN marks AS m ON m.number = (SELECT max(number) FROM marks WHERE event = e.id)"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """`verdict` is "true" for an alert that was right, "false" for one that was wrong, None while nobody said."""

    time: float
    by: str
    acknowledged: bool
    verdict: str | None
    note: str


class MarkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the export: what was said last of an event (`by` whom and at what `time`), and the event."""

    event: str
    camera: str
    definition: str
    verdict: str | None
    acknowledged: bool
    note: str
    by: str
    time: float
    start_time: float
    end_time: float | None
    newest_time: float
    severity: str
    fault: str | None
    top_score: float
    threshold: float
    explanation: str | None
    snapshot: str | None
    clip: str | None
    model: AlertModel


def mark_of(row: Sequence[Any]) -> Mark | None:
    """From the columns of CURRENT."""
    number, time_s, by, acknowledged, verdict, note = row
    return None if number is None else Mark(time_s, by, bool(acknowledged), verdict, note)


def add_mark(db: sqlite3.Connection, event: AlertMessage, mark: Mark) -> None:
    with transaction(db):
        db.execute(
            "INSERT INTO marks (event, time, by, acknowledged, verdict, note, message) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (event.id, mark.time, mark.by, mark.acknowledged, mark.verdict, mark.note, encode(event)),
        )


def marks_of(db: sqlite3.Connection, event_id: str) -> list[Mark]:
    """All that was ever said of an event, oldest first."""
    rows = db.execute(
        "SELECT number, time, by, acknowledged, verdict, note FROM marks WHERE event = ? ORDER BY number", (event_id,)
    )
    return [mark for row in rows if (mark := mark_of(row))]


def feedback(db: sqlite3.Connection) -> Iterator[bytes]:
    """Each event that was ever marked, as one line of JSON: the latest mark, and the event as it is known.

    Of one that the outbox has forgotten, that is as it was when it was marked.
    """
    rows = db.execute(
        "SELECT time, by, acknowledged, verdict, note,"
        " coalesce((SELECT message FROM events WHERE id = m.event), m.message) FROM marks AS m"
        " WHERE number = (SELECT max(number) FROM marks WHERE event = m.event) ORDER BY number"
    )
    for time_s, by, acknowledged, verdict, note, data in rows:
        event = decode(data)
        assert isinstance(event, AlertMessage)
        line = MarkedEvent(
            event=event.id,
            camera=event.camera,
            definition=event.definition,
            verdict=verdict,
            acknowledged=bool(acknowledged),
            note=note,
            by=by,
            time=time_s,
            start_time=event.start_time,
            end_time=event.end_time,
            newest_time=event.time,
            severity=event.severity,
            fault=event.fault,
            top_score=event.top_score,
            threshold=event.threshold,
            explanation=event.explanation,
            snapshot=event.snapshot,
            clip=event.clip,
            model=event.model,
        )
        yield msgspec.json.encode(line) + b"\n"
