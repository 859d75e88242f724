"""Reads annotation files and gathers everything that is wrong with one, to tell it all at once. Knows no data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from offline_eval.datasets.base import LabelEnds, Span, Video, joined, to_span, video_name


class Gatherer:
    """Collects one file's videos, and its problems with their places. A place is a line or an item's number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._videos: dict[str, Video] = {}
        self._problems: list[str] = []

    def problem(self, place: str, what: str) -> None:
        self._problems.append(f"{self._path.name}{place}: {what}")

    def add(self, place: str, video: Video) -> None:
        spans = bool(video.spans or video.fractions)
        if video.name in self._videos:
            self.problem(place, f"{video.name} is annotated twice")
        elif video.normal and spans:
            self.problem(place, f"{video.name} is normal but has abnormal spans")
        elif not video.normal and not spans:
            self.problem(place, f"{video.name} is {', '.join(video.categories)} but has no abnormal span")
        else:
            self._videos[video.name] = video

    def lines(self, parse: Callable[[str], Video]) -> tuple[Video, ...]:
        """One video per line that is not blank; `parse` raises ValueError. There are no comments: names have a #."""
        for number, line in enumerate(read_text(self._path).splitlines(), 1):
            if line.strip():
                self._try(f":{number}", parse, line.strip())
        return self._done()

    def items(self, parse: Callable[[Mapping[str, Any]], Video]) -> tuple[Video, ...]:
        """One video per object of a JSON list; `parse` raises ValueError, KeyError or TypeError."""
        items = read_json(self._path)
        if not isinstance(items, list):
            raise ConfigError(f"annotations {self._path} are not a list", advice="give a JSON list of videos")
        for number, item in enumerate(items, 1):
            if isinstance(item, dict):
                self._try(f": item {number}", parse, item)
            else:
                self.problem(f": item {number}", "is not an object")
        return self._done()

    def _try(self, place: str, parse: Callable[[Any], Video], source: object) -> None:
        try:
            video = parse(source)
        except KeyError as error:
            self.problem(place, f"has no {error.args[0]!r}")
        except (ValueError, TypeError) as error:
            self.problem(place, str(error))
        else:
            self.add(place, video)

    def _done(self) -> tuple[Video, ...]:
        if not self._videos and not self._problems:
            self.problem("", "no video is annotated")
        if self._problems:
            more = f" and {len(self._problems) - 1} more" if len(self._problems) > 1 else ""
            raise ConfigError(
                f"annotations {self._path} do not hold: {self._problems[0]}{more}",
                advice="correct the file, or check that it belongs to this data set",
                problems=tuple(self._problems),
            )
        return tuple(self._videos.values())


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", advice="check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start})", advice="save it as UTF-8") from error


def read_json(path: Path) -> object:
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        where = f"{path.name}:{error.lineno}: {error.msg}"
        raise ConfigError(f"{path} is not JSON: {where}", advice="check the file", problems=(where,)) from error


def whole(value: object) -> int:
    """A whole number, from text or JSON. Raises ValueError."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is not a whole number")


def text(value: object) -> str:
    """Text that is not empty, from JSON. Raises ValueError."""
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"{value!r} is not a text")


def frame_spans(numbers: list[int], ends: LabelEnds) -> tuple[Span, ...]:
    """Spans from `start end start end ...`, where -1 -1 stands for none. Raises ValueError."""
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers do not pair up as start and end")
    return joined(_spans(numbers, ends))


def _spans(numbers: list[int], ends: LabelEnds) -> Iterator[Span]:
    for start, end in zip(numbers[::2], numbers[1::2], strict=True):
        if (start, end) == (-1, -1):
            continue
        span = to_span(start, end, ends)
        if start < 0 or span.end <= span.start:
            raise ValueError(f"span {start} to {end} is not a stretch of frames")
        yield span


def frame_labels(path: Path, ends: LabelEnds, categories: Callable[[str], tuple[str, ...]]) -> tuple[Video, ...]:
    """The JSON form with `video`, `temporal_label` (frames) and `length`; `categories` are found by the name."""

    def parse(item: Mapping[str, Any]) -> Video:
        path, length = text(item["video"]), whole(item["length"])
        name = video_name(path)
        if length <= 0:
            raise ValueError(f"{name} has a length of {length} frames")
        spans = frame_spans([whole(number) for number in item["temporal_label"]], ends)
        return Video(name, categories(name), spans, path=path).measured(length)

    return Gatherer(path).items(parse)


def fraction_labels(path: Path, ends: LabelEnds) -> tuple[Video, ...]:
    """The JSON form with `video_path`, `class_name` and `anomaly_span` in fractions of the length."""

    def parse(item: Mapping[str, Any]) -> Video:
        path, kind = text(item["video_path"]), text(item["class_name"])
        name = video_name(path)
        fractions = tuple((float(start), float(end)) for start, end in item["anomaly_span"])
        for start, end in fractions:
            if not 0 <= start < end <= 1:
                raise ValueError(f"{name}: span {start:g} to {end:g} does not lie in 0 to 1")
        categories = () if kind == "Normal" else (kind.replace("_", " "),)
        return Video(name, categories, path=path, fractions=fractions, ends=ends)

    return Gatherer(path).items(parse)
