"""Changes of what counts as abnormal for a camera: tried against the rules, kept in the file, applied, remembered."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from engine.errors import VigilError
from engine.scorer import LanguageScorer
from stream.config.change import with_definitions
from stream.config.edit import Item, Revised, Value, with_list
from stream.config.models import CameraConfig, DefinitionConfig, WatchConfig
from stream.config.restore import Replaced, replaced, restored
from stream.console.problems import Problem, no_words
from stream.console.view import WatchView
from stream.side_thread import SideThread
from stream.transaction import transaction

KEPT = 50  # changes of a camera that are told
FROM_FILE = "(configuration)"  # who wrote what was there before the first change

Definitions = tuple[DefinitionConfig, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Definitions that came into force; one that was `undone` gave way to what was before it.

    `was` is what the file had in their place, if they were written into one. Of changes that were undone long ago it
    is not known who did it.
    """

    number: int
    time: float
    by: str
    definitions: Definitions
    undone: bool
    undone_by: str | None
    undone_time: float | None
    was: Replaced | None


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
            applied, was = await self._go_on_with(camera, before, definitions)
            await self._disk.do(partial(self._remember, camera, before.definitions, definitions, by, was))
            return applied

    async def undo(self, camera: str, based_on: str, by: str) -> Applied:
        """Back to what was in force before the last change that was not undone itself, in the file to the byte."""
        async with self._turn:
            before = await self._config(camera)
            _require(before, based_on)
            standing = [change for change in await self._disk.do(partial(self._history, camera)) if not change.undone]
            if len(standing) < 2:
                raise Problem(HTTPStatus.CONFLICT, "nothing was changed here that could be undone")
            if standing[0].definitions != before.definitions:
                raise Problem(HTTPStatus.CONFLICT, "the configuration file was changed since: change it there")
            applied, _ = await self._go_on_with(camera, before, standing[1].definitions, standing[0].was)
            await self._disk.do(partial(self._take_back, standing[0].number, by))
            return applied

    async def _config(self, camera: str) -> CameraConfig:
        config = await self._view.there(self._view.config)
        if camera not in config.cameras:
            raise Problem(HTTPStatus.NOT_FOUND, f"no camera is called {camera}")
        return config.cameras[camera]

    async def _go_on_with(
        self, camera: str, before: CameraConfig, definitions: Definitions, was: Replaced | None = None
    ) -> tuple[Applied, Replaced | None]:
        """Has them in force, and in the file. `was` is what was there before what is there now, if that is known."""
        config = with_definitions(await self._view.there(self._view.config), camera, definitions)
        why_not: str | None = "Vigil was started without a configuration file"
        writing = _Writing(camera, before.definitions, definitions, was)
        if self._view.file is not None:
            try:
                written = await self._disk.do(partial(self._view.file.rewrite, writing))
            except VigilError as error:
                why_not = str(error)
            else:
                config, why_not = written, None
        await self._view.change(config)
        return Applied(definitions, version_of(definitions), why_not), writing.replaced if why_not is None else None

    def _history(self, camera: str) -> list[Change]:
        rows = self._db.execute(
            "SELECT number, time, by, definitions, undone, undone_by, undone_time, was FROM changes WHERE camera = ?"
            " ORDER BY number DESC LIMIT ?",
            (camera, KEPT),
        )
        return [
            Change(
                number,
                time_s,
                by,
                tuple(map(DefinitionConfig.model_validate, json.loads(written))),
                bool(undone),
                undone_by,
                undone_time,
                Replaced(**json.loads(was)) if was else None,
            )
            for number, time_s, by, written, undone, undone_by, undone_time, was in rows
        ]

    def _remember(self, camera: str, before: Definitions, after: Definitions, by: str, was: Replaced | None) -> None:
        now_s = self._view.clock.time()
        newest = next((change for change in self._history(camera) if not change.undone), None)
        with transaction(self._db):
            if newest is None or newest.definitions != before:  # what was written into the file by hand
                self._add(camera, now_s, FROM_FILE, before)
            self._add(camera, now_s, by, after, was)

    def _add(self, camera: str, time_s: float, by: str, definitions: Definitions, was: Replaced | None = None) -> None:
        written = json.dumps([_given(each) for each in definitions])
        self._db.execute(
            "INSERT INTO changes (camera, time, by, definitions, was) VALUES (?, ?, ?, ?, ?)",
            (camera, time_s, by, written, json.dumps(asdict(was)) if was else None),
        )

    def _take_back(self, number: int, by: str) -> None:
        with transaction(self._db):
            self._db.execute(
                "UPDATE changes SET undone = 1, undone_by = ?, undone_time = ? WHERE number = ?",
                (by, self._view.clock.time(), number),
            )


def version_of(definitions: Sequence[DefinitionConfig]) -> str:
    """The same for the same definitions, whoever wrote them and when."""
    written = json.dumps([each.model_dump(by_alias=True) for each in definitions], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def _require(config: CameraConfig, based_on: str) -> None:
    if based_on != version_of(config.definitions):
        raise Problem(HTTPStatus.CONFLICT, "the definitions were changed meanwhile: look at them as they are now")


class _Writing:
    """Other definitions of a camera for a configuration file's text; `replaced` is then what they took the place of."""

    def __init__(self, camera: str, before: Definitions, after: Definitions, was: Replaced | None) -> None:
        self._camera = camera
        self._before = before
        self._after = after
        self._was = was
        self.replaced: Replaced | None = None

    def __call__(self, text: str, config: WatchConfig) -> tuple[str, WatchConfig]:
        camera, before = self._camera, self._before
        if camera not in config.cameras or config.cameras[camera].definitions != before:
            raise Problem(HTTPStatus.CONFLICT, "the configuration file is being changed: wait until it was read again")
        place = ("cameras", camera)
        changed = restored(text, place, self._was) if self._was else None
        if changed is None:
            changed = with_list(text, (*place, "definitions"), items_of(before, self._after))
        self.replaced = replaced(text, changed, place)
        return changed, with_definitions(config, camera, self._after)


def items_of(before: Definitions, after: Definitions) -> list[Item]:
    """How a list is written anew: those that are still there as they were, or revised where they only changed."""
    kept = {each: before.index(each) for each in after if each in before}
    items: list[Item] = []
    for place, each in enumerate(after):
        found = kept.get(each)
        if found is None and (old := _same_one(each, place, before, after)) is not None:
            items.append((Revised(_as_written(each), _differences(before[old], each)), old))
        else:
            items.append((_as_written(each), found))
    return items


def _same_one(definition: DefinitionConfig, place: int, before: Definitions, after: Definitions) -> int | None:
    """Which one this was before it was changed: what has its name, or is in its place of a list as long."""
    named = {each.definition().name: old for old, each in enumerate(before)}
    if (old := named.get(definition.definition().name)) is not None:
        return old
    taken = {each.definition().name for each in after}
    if len(before) == len(after) and before[place].definition().name not in taken:
        return place
    return None


def _differences(before: DefinitionConfig, after: DefinitionConfig) -> dict[str, object]:
    was, now = _escaped(_given(before)), _escaped(_given(after))
    return {key: now.get(key) for key in was | now if was.get(key) != now.get(key)}


def _given(definition: DefinitionConfig) -> dict[str, Any]:
    """Without what is not set."""
    return {name: value for name, value in definition.model_dump(by_alias=True).items() if value not in (None, "")}


def _escaped(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value.replace("${", "$${") if isinstance(value, str) else value for name, value in given.items()}


def _as_written(definition: DefinitionConfig) -> Value:
    """As in a configuration file: a plain sentence where there is nothing else; `${` as it is escaped there."""
    given = _escaped(_given(definition))
    return given["text"] if given.keys() == {"text"} else given
