"""What counts as abnormal for a camera: to be read, changed, taken back, and tried."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Path

from engine.types import Definition
from stream.config.change import with_definitions
from stream.console.changes import Applied
from stream.console.models import (
    Definitions,
    DefinitionsChange,
    DefinitionsGiven,
    DefinitionsInForce,
    TriedPoint,
    Try,
    TryGiven,
    UndoGiven,
)
from stream.console.problems import Problem
from stream.console.routes.alerts import evidence
from stream.console.services import Here, Operator, Services, Viewer
from stream.console.tries import Trial
from stream.console.view import CameraNow
from stream.feed.messages import AlertMessage

router = APIRouter()

Name = Annotated[str, Path(max_length=64)]


@router.get("/definitions/{camera}")
async def definitions(_account: Viewer, here: Here, camera: Name) -> Definitions:
    """As they are configured; none means the usual crimes, accidents and dangers."""
    found, version, history = await here.changes.current(camera)
    return Definitions(definitions=list(found), version=version, history=list(map(DefinitionsChange.of, history)))


@router.put("/definitions/{camera}")
async def change(account: Operator, here: Here, camera: Name, given: DefinitionsGiven) -> DefinitionsInForce:
    """Others, from the next window on. They go into the configuration file as well, if there is one."""
    return _in_force(await here.changes.apply(camera, tuple(given.definitions), given.based_on, account.name))


@router.post("/definitions/{camera}/undo")
async def undo(account: Operator, here: Here, camera: Name, given: UndoGiven) -> DefinitionsInForce:
    """Back to what was in force before the last change."""
    return _in_force(await here.changes.undo(camera, given.based_on, account.name))


@router.post("/definitions/{camera}/try", status_code=HTTPStatus.ACCEPTED)
async def begin_try(_account: Operator, here: Here, camera: Name, given: TryGiven) -> Try:
    """Scores an event's clip, or what the camera showed last, by another wording. Nobody is told of it."""
    now = await here.view.camera(camera)
    if now is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no camera is called {camera}")
    config = await here.view.there(here.view.config)
    with_definitions(config, camera, [given.definition])  # raises what is wrong with it
    new = given.definition.definition()
    if given.event is None:
        return _try(await here.tries.of_ring(camera, given.seconds, _old(now, new.name), new))
    event = await _event(here, given.event, camera)
    path = await anyio.to_thread.run_sync(evidence, here.data, event.clip)
    if path is None:
        raise Problem(HTTPStatus.NOT_FOUND, "there is no clip of this event: none was made, or it was deleted since")
    return _try(await here.tries.of_clip(camera, path[0], _old(now, event.definition), new))


@router.get("/try/{trial_id}")
async def tried(_account: Viewer, here: Here, trial_id: Annotated[str, Path(max_length=64)]) -> Try:
    """What came of it so far."""
    trial = here.tries.get(trial_id)
    if trial is None:
        raise Problem(HTTPStatus.NOT_FOUND, "there is no such try; only the newest are remembered")
    return _try(trial)


async def _event(here: Services, event_id: str, camera: str) -> AlertMessage:
    filed = await here.disk.do(lambda: here.catalogue.event(event_id))
    if filed is None or filed.latest.camera != camera:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no event {event_id} of {camera}")
    return filed.latest


def _old(now: CameraNow, name: str) -> Definition:
    """The wording in force under this name, else the camera's first."""
    named = [track.definition for track in now.tracks if track.definition.name == name]
    return named[0] if named else now.tracks[0].definition


def _in_force(applied: Applied) -> DefinitionsInForce:
    return DefinitionsInForce(
        definitions=list(applied.definitions),
        version=applied.version,
        kept_until_restart=applied.kept_until_restart,
    )


def _try(trial: Trial) -> Try:
    footage = trial.footage
    return Try(
        id=trial.id,
        camera=trial.camera,
        state=trial.state,
        problem=trial.problem,
        start_time=footage.start_time_s if footage else None,
        length_s=footage.length_s if footage else None,
        shortfall=footage.shortfall if footage else None,
        old=[TriedPoint(at_s=at_s, score=score) for at_s, score in trial.old],
        new=[TriedPoint(at_s=at_s, score=score) for at_s, score in trial.new],
    )
