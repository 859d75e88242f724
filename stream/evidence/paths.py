"""Where evidence lies: `<data>/events/<YYYY-MM-DD>/<camera>/<event id>.jpg` and `.mp4`, the day in UTC.

A snapshot that has boxes drawn lies there without them as well. Its ending is another one, so that `*.jpg` stays one
picture of each event.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

CLEAN = ".clean.jpeg"

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 100


def events_folder(data: Path) -> Path:
    return data / "events"


def event_path(data: Path, start_time_s: float, camera: str, event_id: str) -> Path:
    """The path of an event's files, without their ending."""
    day = datetime.fromtimestamp(start_time_s, UTC).strftime("%Y-%m-%d")
    return events_folder(data) / day / safe_name(camera) / safe_name(event_id)


def evidence_file(data: Path, relative: Path | str | None) -> Path | None:
    """The file that an alert names, if that lies where evidence does; it need not be there. Not for an event loop."""
    path = (data / relative).resolve() if relative else None
    return path if path and path.is_relative_to(events_folder(data).resolve()) else None


def safe_name(name: str) -> str:
    """`name` as one part of a path; names that had to be changed stay distinct."""
    safe = _UNSAFE.sub("_", name)[:_LONGEST]
    if safe and safe == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
