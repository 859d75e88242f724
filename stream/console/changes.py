"""Changes of what counts as abnormal for a camera: tried against the rules, kept in the file, applied, remembered."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from engine.errors import VigilError
from engine.scorer import LanguageScorer
from stream.config.change import with_definitions
from stream.config.edit import Value, with_list
from stream.config.models import CameraConfig, DefinitionConfig, WatchConfig
from stream.console.database import transaction
from stream.console.problems import Problem, no_words
from stream.console.view import WatchView
from stream.side_thread import SideThread

KEPT = 50  # changes of a camera that are told
FROM_FILE = "(configuration)"  # who wrote what was there before the first change

Definitions = tuple[DefinitionConfig, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Definitions that came into force; one that was `undone` gave way to what was before it."""

    number: int
    time: float
    by: str
    definitions: Definitions
    undone: bool


@dataclass(frozen=True, slots=True)
class Applied:
    """What is in force now. It is in the file, or else `kept_until_restart` says why not."""

    definitions: Definitions
    version: str
    kept_until_restart: str | None


class Changes:
    """One change at a time. `disk` is the thread that `db` is used on."""

    def __init__(self, view: WatchView, db: sqlite3.Connection, disk: SideThread) -> None:
        self._view = view
        self._db = db
        self._disk = disk
        self._turn = asyncio.Lock()

    async def current(self, camera: str) -> tuple[Definitions, str, list[Change]]:
        """What is in force, its version, and how it came about, newest first."""
        config = await self._config(camera)
        return config.definitions, version_of(config.definitions), await self._disk.do(partial(self._history, camera))

    async def apply(self, camera: str, definitions: Definitions, based_on: str, by: str) -> Applied:
        """Raises Problem when they don't hold, are not based on what is in force, or nobody would understand them."""
        if not isinstance(self._view.scorer, LanguageScorer):
            raise no_words(self._view.scorer)
        async with self._turn:
            before = await self._config(camera)
            _require(before, based_on)
            applied = await self._go_on_with(camera, before, definitions)
            await self._disk.do(partial(self._remember, camera, before.definitions, definitions, by))
            return applied

    async def undo(self, camera: str, based_on: str) -> Applied:
        """Back to what was in force before the last change that was not undone itself."""
        async with self._turn:
            before = await self._config(camera)
            _require(before, based_on)
            standing = [change for change in await self._disk.do(partial(self._history, camera)) if not change.undone]
            if len(standing) < 2:
                raise Problem(HTTPStatus.CONFLICT, "nothing was changed here that could be undone")
            if standing[0].definitions != before.definitions:
                raise Problem(HTTPStatus.CONFLICT, "the configuration file was changed since: change it there")
            applied = await self._go_on_with(camera, before, standing[1].definitions)
            await self._disk.do(partial(self._take_back, standing[0].number))
            return applied

    async def _config(self, camera: str) -> CameraConfig:
        config = await self._view.there(self._view.config)
        if camera not in config.cameras:
            raise Problem(HTTPStatus.NOT_FOUND, f"no camera is called {camera}")
        return config.cameras[camera]

    async def _go_on_with(self, camera: str, before: CameraConfig, definitions: Definitions) -> Applied:
        config = with_definitions(await self._view.there(self._view.config), camera, definitions)
        why_not: str | None = "Vigil was started without a configuration file"
        if self._view.file is not None:
            try:
                change = partial(_written, camera, before.definitions, definitions)
                written = await self._disk.do(partial(self._view.file.rewrite, change))
            except VigilError as error:
                why_not = str(error)
            else:
                config, why_not = written, None
        await self._view.change(config)
        return Applied(definitions, version_of(definitions), why_not)

    def _history(self, camera: str) -> list[Change]:
        rows = self._db.execute(
            "SELECT number, time, by, definitions, undone FROM changes WHERE camera = ? ORDER BY number DESC LIMIT ?",
            (camera, KEPT),
        )
        return [
            Change(number, time_s, by, tuple(map(DefinitionConfig.model_validate, json.loads(written))), bool(undone))
            for number, time_s, by, written, undone in rows
        ]

    def _remember(self, camera: str, before: Definitions, after: Definitions, by: str) -> None:
        now_s = self._view.clock.time()
        newest = next((change for change in self._history(camera) if not change.undone), None)
        with transaction(self._db):
            if newest is None or newest.definitions != before:  # what was written into the file by hand
                self._add(camera, now_s, FROM_FILE, before)
            self._add(camera, now_s, by, after)

    def _add(self, camera: str, time_s: float, by: str, definitions: Definitions) -> None:
        self._db.execute(
            "INSERT INTO changes (camera, time, by, definitions) VALUES (?, ?, ?, ?)",
            (camera, time_s, by, json.dumps([_given(each) for each in definitions])),
        )

    def _take_back(self, number: int) -> None:
        with transaction(self._db):
            self._db.execute("UPDATE changes SET undone = 1 WHERE number = ?", (number,))


def version_of(definitions: Sequence[DefinitionConfig]) -> str:
    """The same for the same definitions, whoever wrote them and when."""
    written = json.dumps([each.model_dump(by_alias=True) for each in definitions], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def _require(config: CameraConfig, based_on: str) -> None:
    if based_on != version_of(config.definitions):
        raise Problem(HTTPStatus.CONFLICT, "the definitions were changed meanwhile: look at them as they are now")


def _written(
    camera: str, before: Definitions, after: Definitions, text: str, config: WatchConfig
) -> tuple[str, WatchConfig]:
    """A configuration file's text with other definitions, and what it says then."""
    if camera not in config.cameras or config.cameras[camera].definitions != before:
        raise Problem(HTTPStatus.CONFLICT, "the configuration file is being changed: wait until it was read again")
    items = [(_as_written(each), before.index(each) if each in before else None) for each in after]
    return with_list(text, ("cameras", camera, "definitions"), items), with_definitions(config, camera, after)


def _given(definition: DefinitionConfig) -> dict[str, Any]:
    """Without what is not set."""
    return {name: value for name, value in definition.model_dump(by_alias=True).items() if value not in (None, "")}


def _as_written(definition: DefinitionConfig) -> Value:
    """As in a configuration file: a plain sentence where there is nothing else; `${` as it is escaped there."""
    given = {
        name: value.replace("${", "$${") if isinstance(value, str) else value
        for name, value in _given(definition).items()
    }
    return given["text"] if given.keys() == {"text"} else given
