"""Compares what is annotated with what is there, so that no video is left out in silence. Scores nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import av

from engine.errors import ConfigError, RuntimeFault, VigilError
from offline_eval.datasets.base import VIDEO_SUFFIXES, Video, video_name

LENGTH_TOLERANCE_FRAMES = 2
"""Decoders differ in the last frames of a file; a copy that was cut or re-timed differs by more."""

SHOWN_EXTRAS = 5  # enough to see that names differ; a folder may hold a whole training set


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which annotated videos can be evaluated. The lists hold names, with what is wrong where that needs saying."""

    annotated: int
    videos: tuple[Video, ...]  # the ones to evaluate, in the order of the annotations
    missing: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    wrong_length: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()  # there, but not annotated; never stops an evaluation
    damaged: tuple[str, ...] = ()  # evaluated, though some of their frames could not be decoded

    @property
    def complete(self) -> bool:
        return len(self.videos) == self.annotated

    def __str__(self) -> str:
        counts = {name.replace("_", " "): getattr(self, name) for name in ("missing", "unreadable", "wrong_length")}
        gaps = ", ".join(f"{len(names)} {name}" for name, names in counts.items() if names)
        return f"{len(self.videos)} of {self.annotated} videos" + (f" ({gaps})" if gaps else "")

    def explained(self, found: Coverage, failed: Mapping[str, str]) -> Coverage:
        """The same, but that videos which are only missing here are said to be what `found` knows of them, or to be
        unreadable where they `failed`. Both are of the same annotations."""
        names = [*self.missing, *(video.name for video in self.videos)]

        def of_them(texts: Iterable[str]) -> tuple[str, ...]:
            return tuple(text for text in texts if _subject(text, names) in self.missing)

        unreadable = (
            *of_them(found.unreadable),
            *(f"{name}: {failed[name]}" for name in self.missing if name in failed),
        )
        return replace(
            self,
            missing=tuple(name for name in self.missing if name in found.missing),
            unreadable=(*self.unreadable, *unreadable),
            wrong_length=(*self.wrong_length, *of_them(found.wrong_length)),
        )

    def required(self, *, allow_missing: bool) -> Coverage:
        """Itself, or ConfigError with every gap when there are any that were not allowed or nothing is left."""
        if self.videos and (self.complete or allow_missing):
            return self
        error = ConfigError(
            f"only {self} can be evaluated",
            advice="check the folder or file and the annotations, or leave videos out with --allow-missing",
        )
        error.problems = (
            *(f"{name}: missing" for name in self.missing),
            *(f"unreadable: {text}" for text in self.unreadable),
            *(f"wrong length: {text}" for text in self.wrong_length),
            *(f"{name}: there, but not annotated" for name in self.extra[:SHOWN_EXTRAS]),
            *((f"and {more} more that are not annotated",) if (more := len(self.extra) - SHOWN_EXTRAS) > 0 else ()),
            str(error),
        )
        raise error


def _subject(text: str, names: Iterable[str]) -> str:
    """Which of the names a text begins with: the longest, as "Fire" begins "Fire 2 has no frames" too."""
    return max((name for name in names if text.startswith((f"{name} ", f"{name}:"))), key=len, default="")


def count_frames(path: Path) -> int:
    """Frames in a file, by its packets: exact without decoding. Raises RuntimeFault."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise RuntimeFault(f"{path.name} has no video", advice="check the file")
            frames = sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))
    except (av.FFmpegError, OSError) as error:
        raise RuntimeFault(f"{path.name} cannot be opened ({type(error).__name__})", advice="check the file") from error
    if not frames:
        raise RuntimeFault(f"{path.name} holds no frames", advice="check the file")
    return frames


def match(
    videos: Iterable[Video], there: Path | Iterable[str], *, frame_counter: Callable[[Path], int] = count_frames
) -> Coverage:
    """Match annotated videos with a folder of files (searched deeply) or with names, such as those of responses.

    With a folder each file's frames are counted, and a video's path becomes that of its file. A video is of the
    wrong length when the count differs from the annotated one, or when an event begins after its end.
    """
    annotated = list(videos)
    if isinstance(there, Path):
        return _match_files(annotated, _files(there), frame_counter)
    names = dict.fromkeys(video_name(name) for name in there)
    known = {video.name for video in annotated}
    return Coverage(
        len(annotated),
        tuple(video for video in annotated if video.name in names),
        missing=tuple(video.name for video in annotated if video.name not in names),
        extra=tuple(name for name in names if name not in known),
    )


def _files(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}", advice="give the folder with the data set's videos")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            files.setdefault(video_name(path.name), []).append(path)
    return files


def match_lengths(videos: Iterable[Video], frame_counts: Mapping[str, int]) -> Coverage:
    """Match annotated videos with those that are there, by name, and measure them.

    A video is of the wrong length when the count differs from the annotated one, or when an event begins after its
    end.
    """
    found: list[Video] = []
    missing: list[str] = []
    wrong_length: list[str] = []
    known: set[str] = set()
    for video in videos:
        known.add(video.name)
        frames = frame_counts.get(video.name)
        if frames is None:
            missing.append(video.name)
        elif wrong := _wrong_length(video, frames):
            wrong_length.append(f"{video.name} {wrong}")
        else:
            found.append(video.measured(video.frame_count or frames))
    extra = tuple(name for name in frame_counts if name not in known)
    return Coverage(len(known), tuple(found), tuple(missing), (), tuple(wrong_length), extra)


def _match_files(videos: list[Video], files: Mapping[str, list[Path]], count: Callable[[Path], int]) -> Coverage:
    paths: dict[str, Path] = {}
    frame_counts: dict[str, int] = {}
    unreadable: dict[str, str] = {}
    for video in videos:
        likely = _likeliest(video, files.get(video.name, []))
        if len(likely) > 1:
            unreadable[video.name] = f"{video.name} is there {len(likely)} times: {', '.join(map(str, likely))}"
        elif likely:
            paths[video.name] = likely[0]
            try:
                frame_counts[video.name] = count(likely[0])
            except VigilError as error:
                unreadable[video.name] = f"{video.name}: {error.message}"
    found = match_lengths(videos, frame_counts)
    known = {video.name for video in videos}
    return replace(
        found,
        videos=tuple(replace(video, path=str(paths[video.name])) for video in found.videos),
        missing=tuple(name for name in found.missing if name not in unreadable),
        unreadable=tuple(unreadable.values()),
        extra=tuple(name for name in files if name not in known),
    )


def _likeliest(video: Video, paths: list[Path]) -> list[Path]:
    """Of several files of one name, those that lie where the annotations say, if any do."""
    annotated = unicodedata.normalize("NFC", video.path or "")
    there = [path for path in paths if unicodedata.normalize("NFC", path.as_posix()).endswith(f"/{annotated}")]
    return there or paths


def _wrong_length(video: Video, frames: int) -> str:
    if video.frame_count is not None and abs(video.frame_count - frames) > LENGTH_TOLERANCE_FRAMES:
        return f"has {frames} frames, its annotation {video.frame_count}"
    late = [span.start for span in video.spans if span.start >= frames]
    return f"has {frames} frames, but an event begins at {late[0]}" if late else ""
