"""A configuration file that is followed, and may be written: what it says whenever that changes. Knows no camera."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from engine.errors import RuntimeFault, UsageError
from stream.config import WatchConfig, load


class ConfigFile:
    """One file, with the command line's `overrides` in place of what it says. Raises UsageError for a pipe."""

    def __init__(self, path: Path, overrides: Mapping[str, Any]) -> None:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file", advice="write it to one: a configuration is read more than once")
        self._path = path
        self._overrides = overrides
        self._seen = self._content()

    def load(self) -> WatchConfig:
        """What it says now. Raises ConfigError."""
        self._seen = self._content()
        return load(self._path, overrides=self._overrides)

    def changed(self) -> bool:
        """Whether it is unlike what was loaded last. A file that can't be read now has not changed."""
        content = self._content()
        return content is not None and content != self._seen

    def rewrite(self, change: Callable[[str, WatchConfig], tuple[str, WatchConfig]]) -> WatchConfig:
        """Replace the text, at once and whole, by what `change` makes of it, and say what it says then.

        `change` is given the text and what it says, and gives another and what that should say. Raises ConfigError,
        what `change` raises, or RuntimeFault when the new text says something else or the file can't be written;
        then it is as it was. The follower takes a new text for seen.
        """
        path = self._path.resolve()  # a link stays one
        said = load(self._path, overrides=self._overrides)
        try:
            before = path.read_bytes()
            text = before.decode("utf-8-sig")
            mark = before[: len(before) - len(text.encode())]
            changed, meant = change(text, said)
            number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".yaml")
        except OSError as error:
            raise _unwritable(path, error) from error
        part = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(mark + changed.encode())
                file.flush()
                os.fsync(file.fileno())
            if load(part, overrides=self._overrides) != meant or path.read_bytes() != before:
                raise RuntimeFault(f"{path} can't be changed so", advice="change it by hand")
            shutil.copymode(path, part)
            part.replace(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        finally:
            part.unlink(missing_ok=True)
        self._seen = mark + changed.encode()
        return meant

    def _content(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None


def _unwritable(path: Path, error: OSError) -> RuntimeFault:
    return RuntimeFault(
        f"{path} can't be written ({error.strerror})", advice="let this user write to it and to its folder"
    )
