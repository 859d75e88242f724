"""A folder of responses that replays add to and that no crash damages. Knows nothing of how responses come about.

A video's lines are written at once, when it is finished, and synced to disk before it counts. What a crash can leave
behind is therefore one torn end, which `ResponseStore` cuts off; a video without its `finished` line is begun anew,
as scorers remember what they saw of it. Shards have a file each, so a shared folder serves many machines: a video
that is finished in any of them is done.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from engine.errors import RuntimeFault, UsageError
from offline_eval.videos.records import Finished, Line, Run, WindowRecord, decode, encode

NAME, SUFFIX = "responses", ".jsonl"


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """One finished video and what was said of its windows, in their order."""

    finished: Finished
    windows: tuple[WindowRecord, ...]

    @property
    def name(self) -> str:
        return self.finished.video

    def encoded(self) -> bytes:
        lines: list[Line] = [*self.windows, self.finished]
        return b"".join(map(encode, lines))


@dataclass(slots=True)
class _Part:
    """What one file holds: its run, its finished videos, and where the last of them ends."""

    run: Run | None = None
    done: list[str] = field(default_factory=list)
    end: int = 0


class StorePart:
    """One file of the store in `folder`, locked for this process. Raises UsageError when another one has it."""

    def __init__(self, folder: Path, shard: str = "") -> None:
        self.path = folder / (f"{NAME}.{shard}{SUFFIX}" if shard else f"{NAME}{SUFFIX}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open("ab")
        except OSError as error:
            raise RuntimeFault(f"cannot write {self.path}: {error.strerror or error}") from error
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go of it whatever ends the process
        except OSError as error:
            self.close()
            raise UsageError(
                f"another process writes to {self.path}", advice="give each its own --shard or --out"
            ) from error

    def close(self) -> None:
        self.file.close()


class ResponseStore:
    """The store in `folder`, open for adding to one of its files. Used from one thread, by one process at a time.

    `part` is that file where it is locked already; the store closes it. Raises UsageError when `run` differs from that
    of the responses already there, or when another process adds to the same file; RuntimeFault for a file that is
    damaged other than at its end.
    """

    def __init__(self, folder: Path, run: Run, *, shard: str = "", part: StorePart | None = None) -> None:
        part = part or StorePart(folder, shard)
        self.path, self._file = part.path, part.file
        try:
            self.done = self._begin(folder, run)
        except BaseException:
            self._file.close()
            raise

    def add(self, video: StoredVideo) -> None:
        """A video is finished. When this returns it is on disk."""
        if video.name in self.done:
            raise UsageError(f"{self.path} has {video.name} already")
        self._write(video.encoded())
        self.done.add(video.name)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, folder: Path, run: Run) -> set[str]:
        """Check every part, cut off this part's torn end, and say which videos are done."""
        parts = {path: _scan(path) for path in _files([folder])}
        for path, part in parts.items():
            if part.run is not None and (differences := run.differences(part.run)):
                raise UsageError(
                    f"{path} was made with other settings: now {', '.join(differences)}",
                    advice="give another --out, or the settings that it was made with",
                )
        own = parts[self.path]
        try:
            os.truncate(self.path, own.end)
        except OSError as error:
            raise RuntimeFault(f"cannot mend {self.path}: {error.strerror or error}") from error
        if own.run is None:
            self._write(encode(run))
            _sync_folder(folder)
        return {name for part in parts.values() for name in part.done}

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RuntimeFault(
                f"cannot write {self.path}: {error.strerror or error}", advice="make room and replay again: it resumes"
            ) from error


def read_run(*places: Path) -> Run:
    """Who judged what in stores, each a folder or a file of one. Raises UsageError where there are no responses."""
    for path in _files(places):
        with _open(path) as file:
            for line in _lines(path, file):
                if isinstance(line, Run):
                    return line
    raise UsageError(
        f"{' and '.join(map(str, places))} holds no responses",
        advice=f"name a folder with a {NAME}{SUFFIX} from `vigil replay`",
    )


def read_videos(*places: Path) -> Iterator[StoredVideo]:
    """Every finished video, of all shards and stores. Raises UsageError where they differ in settings or overlap."""
    run = read_run(*places)
    seen: set[str] = set()
    for path in _files(places):
        windows: list[WindowRecord] = []
        with _open(path) as file:
            for line in _lines(path, file):
                match line:
                    case Run():
                        if differences := line.differences(run):
                            raise UsageError(
                                f"{path} does not belong to the other shards: {', '.join(differences)}",
                                advice="evaluate what was judged in the same way",
                            )
                    case WindowRecord():
                        windows.append(line)
                    case Finished(video=name):
                        if name in seen:
                            raise UsageError(
                                f"{path} has {name} twice", advice="or another shard has: remove one of the files"
                            )
                        seen.add(name)
                        yield StoredVideo(line, tuple(windows))
                        windows = []


def _files(places: Iterable[Path]) -> list[Path]:
    files = [sorted(place.glob(f"{NAME}*{SUFFIX}")) if place.is_dir() else [place] for place in places]
    return [file for found in files for file in found]


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def _scan(path: Path) -> _Part:
    part = _Part()
    with _open(path) as file:
        for line in _lines(path, file):
            if isinstance(line, Run):
                part.run, part.end = line, file.tell()
            elif isinstance(line, Finished):
                part.done.append(line.video)
                part.end = file.tell()
    return part


def _lines(path: Path, file: BinaryIO) -> Iterator[Line]:
    """A file's sound lines, up to its torn end if it has one. Raises RuntimeFault for damage that is no torn end."""
    count = number = 0
    problem = ""
    while raw := file.readline():  # not by iterating, which would make `tell` useless
        number += 1
        try:
            line = decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if number == 1 and raw.endswith(b"\n"):
                raise UsageError(f"{path} is no store of responses", advice="give another --out") from error
            problem = problem or f"{path}, line {number}: {error}"
            continue
        count = count + 1 if isinstance(line, WindowRecord) else 0 if isinstance(line, Run) else count
        if isinstance(line, Run) != (number == 1):
            problem = problem or f"{path}, line {number}: a run line belongs at the beginning, and there only"
        if isinstance(line, Finished):
            if problem or line.windows != count:
                raise RuntimeFault(
                    problem or f"{path}, line {number}: {line.video} has {count} of its {line.windows} windows",
                    advice="the file was changed: restore it, or replay into another folder",
                )
            count = 0
        if not problem:
            yield line


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
