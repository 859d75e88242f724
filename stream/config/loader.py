"""From a file or mapping to a validated `WatchConfig`, or one ConfigError with everything that is wrong.

Each problem has its line, its key and what is accepted instead. Knows YAML's reader, the secrets and the
models; opens no source and makes no directory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.errors import ConfigError
from stream.config.models import WatchConfig
from stream.config.reader import KeyPath, Problem, Reading, read
from stream.config.report import config_error, explain, line_of
from stream.config.secrets import Secrets
from stream.config.section import merged

LARGEST_BYTES = 1_000_000


def load(
    path: Path, *, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> WatchConfig:
    """The file's configuration; `overrides`, shaped like a file, take the place of what it says.

    `environ` is where secrets are looked up, by default the process's own. Raises ConfigError.
    """
    reading = _read_file(path)
    if reading.broken:
        raise config_error(reading.problems, str(path))
    tree: object = reading.value
    if overrides and isinstance(tree, dict | None):
        tree = merged(tree or {}, overrides)
        _mark(overrides, (), reading.lines)
    return _validate(tree, reading, str(path), environ)


def from_mapping(mapping: Mapping[str, Any], *, environ: Mapping[str, str] | None = None) -> WatchConfig:
    """The configuration that `mapping`, shaped like a file, stands for. Raises ConfigError."""
    return _validate(mapping, Reading(lines={(): 0}), "", environ)


def check(path: Path, *, environ: Mapping[str, str] | None = None) -> list[str]:
    """Everything that is wrong with the file, one line each; empty when it holds."""
    try:
        load(path, environ=environ)
    except ConfigError as error:
        return list(error.problems)
    return []


def _read_file(path: Path) -> Reading:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "that is no file name"
        raise config_error([Problem(0, (), f"cannot read {path}: {reason}")], str(path)) from None
    if len(data) > LARGEST_BYTES:
        raise config_error([Problem(0, (), f"{path} is too large for a configuration")], str(path))
    try:
        return read(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise config_error([Problem(line, (), "not UTF-8 text: save the file as UTF-8")], str(path)) from None


def _mark(overrides: Mapping[str, Any], path: KeyPath, lines: dict[KeyPath, int]) -> None:
    """Overrides have no line in the file, nor has a section that only they give."""
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            lines.setdefault((*path, key), 0)
            _mark(value, (*path, key), lines)
        else:
            lines[(*path, key)] = 0


def _validate(tree: object, reading: Reading, name: str, environ: Mapping[str, str] | None) -> WatchConfig:
    problems = list(reading.problems)
    without_secret: set[KeyPath] = set()

    def expand(value: object, path: KeyPath) -> object:
        if isinstance(value, Mapping):
            return {key: expand(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [expand(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        text, wrong = secrets.expand(value)
        if wrong:
            without_secret.add(path)
            problems.extend(Problem(line_of(path, reading.lines), path, message) for message in wrong)
        return text

    secrets = Secrets.of(os.environ if environ is None else environ)
    try:
        config = WatchConfig.model_validate(expand(tree, ()))
    except ValidationError as error:
        found = [explain(each, tree, reading.lines) for each in error.errors(include_url=False, include_input=False)]
        problems += [problem for problem in found if problem.path not in without_secret]
    if problems:
        raise config_error(problems, name)
    return config
