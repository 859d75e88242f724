"""Says what is wrong with a configuration: where, which key, and what is accepted. Shows nothing that may be secret."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from itertools import islice

from pydantic_core import ErrorDetails

from engine.errors import ConfigError
from stream.config.models import CameraConfig, WatchConfig
from stream.config.reader import KeyPath, Problem
from stream.config.section import Section, sections_of

_ABSENT = object()
_WORD = re.compile(r"[\w-]{1,64}")
_PLAIN = {
    "missing": "is missing",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list",
    "mapping_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
}


def config_error(problems: Iterable[Problem], name: str) -> ConfigError:
    ordered = sorted(problems, key=lambda problem: problem.line)
    texts = tuple(dict.fromkeys(_text(problem, name) for problem in ordered))
    if len(texts) == 1:
        return ConfigError(texts[0], problems=texts)
    advice = f"`vigil config check {name}` lists all" if name else ""
    return ConfigError(f"{texts[0]} (and {len(texts) - 1} more)", advice=advice, problems=texts)


def _text(problem: Problem, name: str) -> str:
    place = f"{name}:{problem.line}: " if problem.line else ""
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{_shown_key(part)}" for part in problem.path)
    return f"{place}{key.removeprefix('.')}{': ' if key else ''}{problem.message}"


def explain(error: ErrorDetails, tree: object, lines: Mapping[KeyPath, int]) -> Problem:
    """pydantic's error in our words, at the place in the file that it comes from."""
    kind, context = error["type"], error.get("ctx", {})
    location = error["loc"]
    if location[-1:] == ("[key]",) and kind != "extra_forbidden":  # a mapping's key is wrong, not its value
        location = location[:-1]
    path, _ = _walk(location)
    if kind == "union_tag_invalid":
        path = (*path, "kind")
    if path[:1] == ("cameras",) and _at(tree, path) is _ABSENT and _at(tree, ("defaults", *path[2:])) is not _ABSENT:
        path = ("defaults", *path[2:])
    value = _at(tree, path)
    if kind == "extra_forbidden":
        message = _unknown_key(str(path[-1]), _walk(location[:-1])[1])
    elif kind == "value_error":
        message = str(context["error"])
    elif kind in ("string_too_long", "too_long"):
        message = f"is too long: {context['max_length']} at most"
    elif kind == "literal_error":
        message = "must be " + str(context["expected"]).replace("'", "")
    elif kind == "union_tag_invalid":
        message = "must be one of " + str(context["expected_tags"]).replace("'", "")
    else:
        message = _PLAIN.get(kind, error["msg"].replace("Input should be", "must be"))
    if message.startswith("must ") and isinstance(value, str | int | float | None):
        message += _shown(value)
    return Problem(line_of(path, lines), path, message)


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """The line of a key, or of what it would be in."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _walk(location: tuple[int | str, ...]) -> tuple[KeyPath, list[type[Section]]]:
    """The key path without pydantic's marks of which kind it tried, and the sections it ends in."""
    path: list[int | str] = []
    sections: list[type[Section]] = [WatchConfig]
    parts = iter(location)
    for part in parts:
        path.append(part)
        if isinstance(part, int):  # a place in a list of sections
            continue
        fields = [field for section in sections for field in section.model_fields.values() if field.alias == part]
        sections = [inner for field in fields for inner in sections_of(field.annotation)]
        if sections == [CameraConfig]:
            path.extend(islice(parts, 1))  # the camera's name
        elif len(sections) > 1:
            path_kind = next(parts, None)
            sections = [inner for inner in sections if inner.model_fields["kind"].default == path_kind]
    return tuple(path), sections


def _unknown_key(key: str, sections: list[type[Section]]) -> str:
    known = [str(field.alias) for section in sections for field in section.model_fields.values()]
    near = difflib.get_close_matches(key, known, n=1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known here: {', '.join(known)}"


def _at(tree: object, path: KeyPath) -> object:
    for part in path:
        if isinstance(tree, list | tuple):
            tree = dict(enumerate(tree))
        if not isinstance(tree, Mapping) or part not in tree:
            return _ABSENT
        tree = tree[part]
    return tree


def _shown(value: str | float | None) -> str:
    if value is None:
        return "; it is empty"
    return "" if _may_be_secret(str(value)) else f", not {repr(value)[:40]}"


def _shown_key(key: str) -> str:
    if _WORD.fullmatch(key):
        return key
    return "(hidden)" if _may_be_secret(key) else repr(key)[:40]


def _may_be_secret(text: str) -> bool:
    """Whether it looks like a URL or a part of one, wherever it was put by mistake."""
    return "@" in text or "://" in text
