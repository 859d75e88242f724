"""Events: to be looked for, looked at, and marked."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from enum import IntEnum
from functools import partial
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import StringConstraints
from starlette.responses import FileResponse

from stream.console.catalogue import Filed, Wanted
from stream.console.marks import Mark, MarkedEvent, add_mark, feedback, marks_of
from stream.console.models import Event, EventCourse, EventMark, Events, MarkGiven, MarkTold
from stream.console.problems import Problem
from stream.console.routes.cameras import known_tags, unless_known
from stream.console.routes.pictures import JpegResponse
from stream.console.services import Here, Operator, Services, Viewer
from stream.console.told import lines_of
from stream.evidence.paths import evidence_file
from stream.feed.messages import AlertMessage, decode

router = APIRouter()

LARGEST_SEQ = 2**63 - 1
Id = Annotated[str, Path(max_length=100)]
Each = Annotated[str, StringConstraints(max_length=100)]
Text = Annotated[str | None, Query(max_length=200)]
Time = Annotated[float | None, Query(allow_inf_nan=False)]


class SnapshotWidth(IntEnum):
    """Few of them, as each is kept in memory."""

    SMALL = 240
    MEDIUM = 480
    LARGE = 960


class Mp4Response(FileResponse):
    media_type = "video/mp4"


class JsonLinesResponse(Response):
    media_type = "application/jsonl"


@router.get("/alerts")
async def alerts(
    _account: Viewer,
    here: Here,
    before_seq: Annotated[int | None, Query(ge=0, le=LARGEST_SEQ)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    camera: Text = None,
    definition: Text = None,
    severity: Text = None,
    since: Time = None,
    until: Time = None,
    q: Annotated[str | None, Query(max_length=200, description="Words of what was said, or how they begin.")] = None,
    mark: Annotated[Literal["none", "acknowledged", "true", "false"] | None, Query()] = None,
    open: Annotated[bool | None, Query()] = None,
    id: Annotated[list[Each] | None, Query(max_length=200, description="Among these; repeat it for each.")] = None,
) -> Events:
    """The newest events first, of those that fit everything that is asked for."""
    wanted = Wanted(
        before_seq=before_seq,
        camera=camera,
        definition=definition,
        severity=severity,
        since_s=since,
        until_s=until,
        words=q.strip() or None if q else None,
        mark=mark,
        is_open=open,
        ids=id,
    )
    filed = await here.disk.do(lambda: here.catalogue.find(wanted, limit + 1))
    more, filed = len(filed) > limit, filed[:limit]
    return Events(events=list(map(_event, filed)), next_before_seq=filed[-1].first_seq if more else None)


@router.get("/alerts/{event_id}")
async def alert(_account: Viewer, here: Here, event_id: Id) -> EventCourse:
    """An event with its whole course."""
    filed = await _filed(here, event_id)
    messages = await here.disk.do(lambda: here.catalogue.course(event_id))
    marks = await here.disk.do(lambda: marks_of(here.db, event_id))
    told = {"messages": list(map(decode, messages)), "marks": list(map(EventMark.of, marks))}
    return EventCourse.model_validate(_fields(filed) | told)


@router.head("/alerts/{event_id}/snapshot.jpg", include_in_schema=False)
@router.get("/alerts/{event_id}/snapshot.jpg", response_class=JpegResponse)
async def snapshot(
    _account: Viewer,
    here: Here,
    request: Request,
    event_id: Id,
    width: Annotated[SnapshotWidth | None, Query(description="In pixels; it is not made larger for it.")] = None,
    boxes: Annotated[bool, Query(description="Whether the event's boxes are drawn in it.")] = True,
) -> Response:
    """The worst moment so far."""
    filed = await _filed(here, event_id)
    read = partial(here.snapshots.read, filed.latest, width=width, boxes=boxes, known=known_tags(request))
    found = await anyio.to_thread.run_sync(read)
    if found is None:
        raise _no("snapshot")
    tag, jpeg = found
    return unless_known(request, JpegResponse(jpeg), tag)


@router.head("/alerts/{event_id}/clip.mp4", include_in_schema=False)
@router.get("/alerts/{event_id}/clip.mp4", response_class=Mp4Response)
async def clip(_account: Viewer, here: Here, request: Request, event_id: Id) -> Response:
    """As the camera sent it; in parts, if asked so."""
    filed = await _filed(here, event_id)
    path = await anyio.to_thread.run_sync(evidence, here.data, filed.latest.clip)
    if path is None:
        raise _no("clip")
    response = Mp4Response(path[0], stat_result=path[1], headers={"Cache-Control": "private, no-cache"})
    tag = response.headers["etag"]
    if tag.strip('"') in known_tags(request):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
    return response


@router.post("/alerts/{event_id}/mark")
async def mark(account: Operator, here: Here, event_id: Id, given: MarkGiven) -> Event:
    """Says something of an event. What was said before is kept."""
    filed = await _filed(here, event_id)
    before = filed.mark or Mark(0.0, "", acknowledged=False, verdict=None, note="")
    said = Mark(
        time=here.view.clock.time(),
        by=account.name,
        acknowledged=before.acknowledged if given.acknowledged is None else given.acknowledged,
        verdict=given.verdict if "verdict" in given.model_fields_set else before.verdict,
        note=before.note if given.note is None else given.note,
    )
    await here.disk.do(lambda: add_mark(here.db, filed.latest, said))
    here.hub.mark(MarkTold(event=event_id, mark=EventMark.of(said)).model_dump_json().encode())
    return _event(replace(filed, mark=said))


@router.get(
    "/feedback.jsonl",
    response_class=JsonLinesResponse,
    responses=lines_of(str(JsonLinesResponse.media_type), MarkedEvent),
)
async def exported(_account: Viewer, here: Here) -> Response:
    """Every event that was marked, one to a line, as `vigil feedback export` writes it."""
    return JsonLinesResponse(await here.disk.do(lambda: b"".join(feedback(here.db))))


async def _filed(here: Services, event_id: str) -> Filed:
    found = await here.disk.do(lambda: here.catalogue.event(event_id))
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no event {event_id}")
    return found


def _no(what: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"there is no {what} of this event: none was made, or it was deleted since")


def evidence(data: FilePath, relative: str | None) -> tuple[FilePath, os.stat_result] | None:
    """The file that an alert names, if it is there and lies where evidence does. Not for an event loop."""
    path = evidence_file(data, relative)
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (path, found) if path and found and stat.S_ISREG(found.st_mode) else None


def _event(filed: Filed) -> Event:
    return Event.model_validate(_fields(filed))


def _fields(filed: Filed) -> dict[str, Any]:
    latest = filed.latest
    fields = {name: getattr(latest, name) for name in Event.model_fields if name in AlertMessage.__struct_fields__}
    at = f"/api/alerts/{latest.id}"
    return fields | {
        "snapshot": f"{at}/snapshot.jpg" if latest.snapshot else None,
        "clip": f"{at}/clip.mp4" if latest.clip else None,
        "mark": EventMark.of(filed.mark) if filed.mark else None,
    }
