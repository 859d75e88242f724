"""Where a subscriber keeps its position, so that its next run goes on from there. Knows no socket."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from engine.errors import FeedError
from stream.feed.events import Position
from stream.feed.messages import UNREADABLE


class PositionFile:
    """A small JSON file, replaced as a whole: it is the old position or the new one, also after a power cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved: Position | None = None

    def load(self) -> Position | None:
        """None when there is none yet. Raises FeedError for a file that is no position or can't be read."""
        try:
            self._saved = msgspec.json.decode(self._path.read_bytes(), type=Position)
        except FileNotFoundError:
            return None
        except (OSError, *UNREADABLE) as error:
            raise FeedError(
                f"{self._path} holds no position of a subscriber ({error})",
                advice="delete it to begin anew, or choose another file",
            ) from error
        return self._saved

    def save(self, position: Position) -> None:
        """On disk when this returns. Raises FeedError."""
        if position == self._saved:
            return
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(position))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise FeedError(
                f"the position can't be kept in {self._path} ({error.strerror})", advice="check the disk and its rights"
            ) from error
        self._saved = position


def _sync_folder(folder: Path) -> None:
    """Make the new name last; Windows has no such thing, and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
