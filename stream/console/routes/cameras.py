"""The cameras as they are now: states, scores, pictures, and the last hour."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from stream.console.catalogue import Wanted
from stream.console.live import LiveResponse
from stream.console.models import Camera, CameraDefinition, Point, Span, Timeline
from stream.console.problems import Problem
from stream.console.services import Here, Services, Viewer
from stream.console.view import CameraNow
from stream.preview import WIDEST_PX

router = APIRouter()

MOST_SPANS = 500
Name = Annotated[str, Path(max_length=64)]
Width = Annotated[int, Query(ge=64, le=WIDEST_PX, description="In pixels; the picture is not made larger for it.")]


class JpegResponse(Response):
    media_type = "image/jpeg"


class MotionJpegResponse(Response):
    media_type = "multipart/x-mixed-replace; boundary=picture"


@router.get("/cameras")
async def cameras(_account: Viewer, here: Here) -> list[Camera]:
    return [_camera(now, here) for now in await here.view.all_cameras()]


@router.get("/cameras/{camera}/frame.jpg", response_class=JpegResponse)
async def frame(_account: Viewer, here: Here, request: Request, camera: Name, width: Width = 480) -> Response:
    """The newest picture."""
    found = await here.pictures.newest(await _found(here, camera), width)
    if found is None:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"there is no picture of {camera} yet", {"Retry-After": "2"})
    tag, jpeg = found
    return _unless_known(request, JpegResponse(jpeg), tag)


@router.get("/cameras/{camera}/live.mjpg", response_class=MotionJpegResponse)
async def live(
    _account: Viewer,
    here: Here,
    camera: Name,
    fps: Annotated[float, Query(gt=0, le=5)] = 5.0,
    width: Width = 480,
) -> Response:
    """Picture after picture, for where nothing better plays."""
    await _found(here, camera)
    here.videos.require()
    return LiveResponse(_pictures(here, camera, 1 / fps, width), str(MotionJpegResponse.media_type), here.videos)


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
    return _unless_known(request, Response(body, media_type="application/json"), tag)


def _unless_known(request: Request, response: Response, tag: str) -> Response:
    """The answer with its tag; only that, for somebody who has it already."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    if f'"{tag}"' in [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return response


async def _found(here: Services, name: str) -> CameraNow:
    found = await here.view.camera(name)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no camera is called {name}")
    return found


async def _pictures(here: Services, camera: str, every_s: float, width: int) -> AsyncGenerator[bytes]:
    before = ""
    while not here.hub.over and (now := await here.view.camera(camera)) is not None:
        begun_s = here.view.clock.monotonic()
        found = await here.pictures.newest(now, width)
        if found is not None and found[0] != before:
            before, jpeg = found
            yield b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)
        await asyncio.sleep(max(0.0, every_s - (here.view.clock.monotonic() - begun_s)))


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
        frame_age_s=age_s if now.live else None,
        latency_s=latency_s if now.live else None,
        size=now.size,
        definitions=[CameraDefinition.of(track.definition, track.settings) for track in now.tracks],
        score={track.definition.name: track.newest.score if track.newest else None for track in now.tracks},
        threshold={track.definition.name: track.settings.open for track in now.tracks},
        open_event=next((track.open_event for track in now.tracks if track.open_event), None),
    )
