"""What people marked of events, beside the scores that were recorded while those were told. Chooses nothing.

Marks come from `vigil feedback export`, scores from `vigil watch --record`. An event's mark is of use where the scores
of its camera and definition were recorded at its time: only then is it known what other settings would have told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from engine.errors import ConfigError, UsageError
from engine.recorded import Response
from engine.timeline import WindowMeta
from engine.types import Judgement
from stream.responses import read_responses


class MarkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `vigil feedback export`, as far as it counts here. Times are UTC seconds."""

    event: str
    camera: str
    definition: str
    verdict: Literal["true", "false"] | None
    start_time: float
    end_time: float | None  # null for one that was open
    newest_time: float
    fault: str | None = None  # of the camera: such an event was made from no scores

    @property
    def right(self) -> bool:
        return self.verdict == "true"

    @property
    def until(self) -> float:
        """The end, as far as it is known."""
        return self.newest_time if self.end_time is None else self.end_time


_line = msgspec.json.Decoder(MarkedEvent)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What was recorded of a camera by one definition (None: its first one) while one `vigil watch` ran."""

    camera: str
    definition: str | None
    windows: Sequence[tuple[WindowMeta, Judgement]]
    marks: tuple[MarkedEvent, ...]  # of events of this course, each with a verdict


@dataclass(frozen=True, slots=True, eq=False)
class MarkedScores:
    """Every mark that says right or wrong and has scores is in one course."""

    courses: tuple[Course, ...]
    undecided: int  # events whose mark says neither right nor wrong
    unrecorded: int  # events with a verdict, but without scores of their time

    @property
    def marks(self) -> tuple[MarkedEvent, ...]:
        return tuple(mark for course in self.courses for mark in course.marks)

    @property
    def windows(self) -> int:
        return sum(len(course.windows) for course in self.courses)


def read_marked_scores(marks: Path, recordings: Iterable[Path]) -> MarkedScores:
    """Raises ConfigError for a file of marks that does not hold, UsageError for such a recording."""
    events = [event for event in read_marks(marks) if event.fault is None]
    waiting = [event for event in events if event.verdict is not None]
    undecided = len(events) - len(waiting)
    courses: list[Course] = []
    for recording in recordings:
        courses += _courses(recording, waiting)
        found = {mark.event for course in courses for mark in course.marks}
        waiting = [event for event in waiting if event.event not in found]
    return MarkedScores(tuple(courses), undecided, len(waiting))


def read_marks(path: Path) -> list[MarkedEvent]:
    """One for each event; where an event is in the file twice, its last line."""
    found: dict[str, MarkedEvent] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", advice="make it with `vigil feedback export`"
        ) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            mark = _line.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(
                f"{path}, line {number}: {error}", advice="make it with `vigil feedback export`"
            ) from error
        found[mark.event] = mark
    return list(found.values())


def _courses(recording: Path, marks: Sequence[MarkedEvent]) -> list[Course]:
    said: dict[tuple[str, str | None], list[tuple[WindowMeta, Judgement]]] = {}
    for response in read_responses(recording):
        windows = said.setdefault((response.camera, response.definition), [])
        windows.append((_window(response, len(windows), recording), Judgement(response.score)))
    return [
        Course(camera, definition, windows, _of_course(camera, definition, windows, said, marks))
        for (camera, definition), windows in said.items()
    ]


def _window(response: Response, index: int, recording: Path) -> WindowMeta:
    if response.time_s is None or response.pts_s is None:
        raise UsageError(
            f"{recording} does not say when its windows ended", advice="make it with `vigil watch --record`"
        )
    return WindowMeta(response.camera, response.segment or 0, index, response.pts_s, response.time_s, response.length_s)


def _of_course(
    camera: str,
    definition: str | None,
    windows: Sequence[tuple[WindowMeta, Judgement]],
    said: Mapping[tuple[str, str | None], object],
    marks: Sequence[MarkedEvent],
) -> tuple[MarkedEvent, ...]:
    """The marks whose event is of this camera and definition, at a time of which there is a known score.

    A recording names every definition but a camera's first: an event of none of those is of that one.
    """
    times_s = np.array([window.time_s for window, judgement in windows if judgement.score is not None])
    return tuple(
        mark
        for mark in marks
        if mark.camera == camera
        and (mark.definition if (camera, mark.definition) in said else None) == definition
        and ((mark.start_time <= times_s) & (times_s <= mark.until)).any()
    )
