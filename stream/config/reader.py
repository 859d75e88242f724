"""Reads YAML into plain mappings, lists and text, and remembers the line of every value.

Scalars stay text, so `off`, `1:30` or `0123` are what they look like, and what reads them says what
they mean. Only what is plain data is taken: no tags, anchors or aliases. Knows nothing of Vigil's keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml
from yaml import events

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree] | None"
KeyPath = tuple[str | int, ...]

DEEPEST = 16
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_UNFIT = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at a line (0 when there is none) and key."""

    line: int
    path: KeyPath
    message: str


@dataclass(slots=True)
class Reading:
    """A text's values and the line of each; `broken` when the text could not be read to its end."""

    value: Tree = None
    lines: dict[KeyPath, int] = field(default_factory=lambda: {(): 1})
    problems: list[Problem] = field(default_factory=list)
    broken: bool = False


def read(text: str) -> Reading:
    """Never raises: what is wrong with the text is in the reading's problems."""
    reading = Reading()
    try:
        _read(text, reading)
    except _Broken as error:
        reading.problems.append(Problem(error.line, (), error.message))
        reading.broken = True
    return reading


class _Broken(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def _read(text: str, reading: Reading) -> None:
    stream = _events(text)
    for event in stream:
        if isinstance(event, events.NodeEvent):
            reading.value = _value(event, stream, (), reading)
            break
    for event in stream:
        if isinstance(event, events.DocumentStartEvent):
            reading.problems.append(Problem(_line(event), (), "a second document: keep to one in a file"))
            break


def _events(text: str) -> Iterator[events.Event]:
    line = 1
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = _line(event)
            yield event
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Broken(
            line, f"not valid YAML: the character U+{ord(text[error.position]):04X} cannot stand here"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else line
        raise _Broken(line, f"not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, OverflowError):  # PyYAML's own slips, such as "\UFFFFFFFF"
        raise _Broken(line, "not valid YAML: a number or escape is out of range") from None


def _value(event: events.Event, stream: Iterator[events.Event], path: KeyPath, reading: Reading) -> Tree:
    if len(path) > DEEPEST:
        raise _Broken(_line(event), f"nested deeper than {DEEPEST} levels")
    if getattr(event, "anchor", None) is not None or getattr(event, "tag", None) is not None:
        message = "anchors (&), aliases (*) and tags (!) are not used here: quote the text, or share it under defaults"
        reading.problems.append(Problem(_line(event), path, message))
    if isinstance(event, events.MappingStartEvent):
        return _mapping(stream, path, reading)
    if isinstance(event, events.SequenceStartEvent):
        return _sequence(stream, path, reading)
    return _text(event, path, reading)


def _mapping(stream: Iterator[events.Event], path: KeyPath, reading: Reading) -> Tree:
    mapping: dict[str, Tree] = {}
    for event in stream:
        if isinstance(event, events.MappingEndEvent):
            break
        if not isinstance(event, events.ScalarEvent):
            raise _Broken(_line(event), "a key must be plain text")
        _text(event, path, reading)
        at = (*path, event.value)
        value_event = next(stream)
        if event.value in mapping:
            problem = f"given twice, first in line {reading.lines[at]}: keep one of them"
            reading.problems.append(Problem(_line(event), at, problem))
            _value(value_event, stream, at, Reading())
        else:
            reading.lines[at] = _line(event)
            mapping[event.value] = _value(value_event, stream, at, reading)
    return mapping


def _sequence(stream: Iterator[events.Event], path: KeyPath, reading: Reading) -> Tree:
    items: list[Tree] = []
    for event in stream:
        if not isinstance(event, events.NodeEvent):
            break
        at = (*path, len(items))
        reading.lines[at] = _line(event)
        items.append(_value(event, stream, at, reading))
    return items


def _text(event: events.Event, path: KeyPath, reading: Reading) -> str | None:
    if not isinstance(event, events.ScalarEvent):  # an alias
        return None
    if _UNFIT.search(event.value):
        reading.problems.append(Problem(_line(event), path, "holds a character that is no text"))
    return None if event.style is None and event.value in _NOTHING else event.value


def _line(event: events.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
