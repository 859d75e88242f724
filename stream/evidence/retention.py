"""Deletes old evidence: by age and by total size, the oldest events first. Knows files and folders only."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from stream.evidence.paths import events_folder

log = logging.getLogger(__name__)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ENDINGS = (".jpg", ".jpeg", ".mp4")
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: events deleted, bytes freed, and bytes still there."""

    events: int
    freed_bytes: int
    kept_bytes: int


@dataclass(slots=True)
class _Kept:
    files: list[Path] = field(default_factory=list)
    size_bytes: int = 0
    changed_s: float = 0.0


class Retention:
    """Keeps the evidence under `data` younger than `max_age_s` and smaller than `max_bytes` in all.

    A sweep deletes at most `most_per_sweep` events, so that it never takes long; the next one goes on.
    Files and folders that were not made by Vigil are left alone.
    """

    def __init__(self, data: Path, *, max_age_s: float, max_bytes: int, most_per_sweep: int = 200) -> None:
        self._root = events_folder(data)
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._most_per_sweep = most_per_sweep

    def sweep(self, now_s: float, keep: Collection[Path] = ()) -> Swept:
        """Delete what is too old or too much at UTC time `now_s`, but no event in `keep` (`event_path`)."""
        events = self._scan()
        total_bytes = sum(event.size_bytes for event in events.values())
        deleted = freed_bytes = 0
        for path, event in sorted(events.items(), key=lambda item: item[1].changed_s):
            too_old = now_s - event.changed_s > self._max_age_s
            if deleted >= self._most_per_sweep or not (too_old or total_bytes - freed_bytes > self._max_bytes):
                break
            if path not in keep and self._delete(event):
                deleted += 1
                freed_bytes += event.size_bytes
        self._remove_empty_folders(now_s)
        return Swept(deleted, freed_bytes, total_bytes - freed_bytes)

    def _scan(self) -> dict[Path, _Kept]:
        events: dict[Path, _Kept] = {}
        for day in _folders(self._root):
            if not _DAY.fullmatch(day.name):
                continue
            for camera in _folders(day):
                for file, size_bytes, changed_s in _files(camera):
                    event = events.setdefault(camera / file.name.partition(".")[0], _Kept())
                    event.files.append(file)
                    event.size_bytes += size_bytes
                    event.changed_s = max(event.changed_s, changed_s)
        return events

    def _delete(self, event: _Kept) -> bool:
        try:
            for file in event.files:
                file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("can't delete old evidence %s (%s)", event.files[0], error.strerror)
            return False
        return True

    def _remove_empty_folders(self, now_s: float) -> None:
        # The folders of the last two days stay: a new event may be about to write into one.
        today = datetime.fromtimestamp(now_s - _DAY_S, UTC).strftime("%Y-%m-%d")
        for day in _folders(self._root):
            if _DAY.fullmatch(day.name) and day.name < today:
                for folder in (*_folders(day), day):
                    with suppress(OSError):  # not empty
                        folder.rmdir()


def _folders(parent: Path) -> list[Path]:
    with suppress(OSError), os.scandir(parent) as entries:
        return [parent / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []


def _files(parent: Path) -> Iterator[tuple[Path, int, float]]:
    """(path, bytes, time of the last change) of the evidence in a folder."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.endswith(_ENDINGS) and entry.is_file(follow_symlinks=False):
                stat = entry.stat(follow_symlinks=False)
                yield parent / entry.name, stat.st_size, stat.st_mtime
