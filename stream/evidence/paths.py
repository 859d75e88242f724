"""Where evidence lies: `<data>/events/<YYYY-MM-DD>/<camera>/<event id>.jpg` and `.mp4`, the day in UTC."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 100


def events_folder(data: Path) -> Path:
    return data / "events"


def event_path(data: Path, start_time_s: float, camera: str, event_id: str) -> Path:
    """The path of an event's files, without their ending."""
    day = datetime.fromtimestamp(start_time_s, UTC).strftime("%Y-%m-%d")
    return events_folder(data) / day / safe_name(camera) / safe_name(event_id)


def safe_name(name: str) -> str:
    """`name` as one part of a path; names that had to be changed stay distinct."""
    safe = _UNSAFE.sub("_", name)[:_LONGEST]
    if safe and safe == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
