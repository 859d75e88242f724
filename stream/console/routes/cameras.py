"""The cameras as they are now: states, scores, and the last hour."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from stream.console.catalogue import Wanted
from stream.console.models import Camera, CameraDefinition, Point, Span, Timeline
from stream.console.problems import Problem
from stream.console.services import Here, Services, Viewer
from stream.console.view import CameraNow, TrackNow
from stream.session import CameraState

router = APIRouter()

MOST_SPANS = 500
Name = Annotated[str, Path(max_length=64)]


@router.get("/cameras")
async def cameras(_account: Viewer, here: Here) -> list[Camera]:
    return [_camera(now, here) for now in await here.view.all_cameras()]


@router.get("/cameras/{camera}/timeline", response_model=Timeline)
async def timeline(
    _account: Viewer,
    here: Here,
    request: Request,
    camera: Name,
    since: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    until: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    definition: Annotated[str | None, Query(max_length=60)] = None,
) -> Response:
    """The last hour's scores by one definition, by the first one unless it is named, with its events."""
    found = await here.view.history(camera, definition)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no camera {camera} has a definition {definition or ''}".rstrip())
    name, points = found
    first_s = points[0].time_s if points else None
    wanted = Wanted(camera=camera, definition=name, since_s=first_s if since is None else since, until_s=until)
    filed = await here.disk.do(lambda: here.catalogue.find(wanted, MOST_SPANS))
    told = Timeline(
        definition=name,
        points=[
            Point(time=point.time_s, raw=point.raw, score=point.score, held=point.held, text=point.text)
            for point in points
            if (since is None or point.time_s >= since) and (until is None or point.time_s <= until)
        ],
        events=[Span.model_validate(each.latest, from_attributes=True) for each in filed],
    )
    body = told.model_dump_json().encode()
    tag = hashlib.sha256(body).hexdigest()[:16]
    return unless_known(request, Response(body, media_type="application/json"), tag, "W/")


def unless_known(request: Request, response: Response, tag: str, strength: str = "") -> Response:
    """The answer with its tag; only that, for somebody who has it already. What may be compressed has a weak one."""
    headers = {"ETag": f'{strength}"{tag}"', "Cache-Control": "private, no-cache"}
    if tag in known_tags(request):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return response


def known_tags(request: Request) -> list[str]:
    """What who asks has already."""
    given = request.headers.get("if-none-match", "").split(",")
    return [each.strip().removeprefix("W/").strip('"') for each in given]


def _score(now: CameraNow, track: TrackNow, here: Services) -> float | None:
    """Known only where it says something of now: a camera that went away was normal, but nobody knows what it is."""
    if track.newest is None or track.newest.held or now.state != CameraState.LIVE.value:
        return None
    return track.newest.score if here.hub.is_scored(now.name, track.definition.name) else None


def _camera(now: CameraNow, here: Services) -> Camera:
    status = here.hub.status(now.name)
    rate, latency_s = here.hub.pace(now.name, now.tracks[0].definition.name)
    age_s = None if now.picture_time_s is None else max(0.0, here.view.clock.time() - now.picture_time_s)
    return Camera(
        name=now.name,
        source=str(now.config.source),
        state=now.state,
        since=status.since if status else None,
        fault=status.fault if status else None,
        message=status.message if status else None,
        advice=status.advice if status else None,
        fps=status.fps if status else None,
        reconnects=status.reconnects if status else 0,
        scored_per_s=round(rate, 2),
        dropped=now.windows.dropped.total(),
        frames_dropped=dict(now.frames_dropped),
        waiting_s=now.waiting_s,
        frame_age_s=age_s if now.live else None,
        latency_s=latency_s if now.live else None,
        size=now.size,
        definitions=[CameraDefinition.of(track.definition, track.settings) for track in now.tracks],
        score={track.definition.name: _score(now, track, here) for track in now.tracks},
        threshold={track.definition.name: track.settings.open for track in now.tracks},
        open_event=next((track.open_event for track in now.tracks if track.open_event), None),
        whep=f"/whep/{now.name}" if here.viewers.most else None,
    )
