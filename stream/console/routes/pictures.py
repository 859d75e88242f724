"""The cameras' newest pictures: one, those of many cameras in one answer, or one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import StringConstraints

from stream.console.live import LiveResponse
from stream.console.pictures import Jpeg
from stream.console.problems import Problem
from stream.console.routes.cameras import Name, known_tags, unless_known
from stream.console.services import Here, Services, Viewer
from stream.console.view import CameraNow
from stream.preview import WIDEST_PX

router = APIRouter()

MOST_AT_ONCE = 64
PICTURE_TIME = "X-Picture-Time"
Each = Annotated[str, StringConstraints(max_length=64)]
Width = Annotated[int, Query(ge=64, le=WIDEST_PX, description="In pixels; the picture is not made larger for it.")]


class JpegResponse(Response):
    media_type = "image/jpeg"


class JpegsResponse(Response):
    media_type = "multipart/mixed; boundary=picture"


class MotionJpegResponse(Response):
    media_type = "multipart/x-mixed-replace; boundary=picture"


@router.head("/cameras/{camera}/frame.jpg", include_in_schema=False)
@router.get("/cameras/{camera}/frame.jpg", response_class=JpegResponse)
async def frame(_account: Viewer, here: Here, request: Request, camera: Name, width: Width = 480) -> Response:
    """The newest picture; `X-Picture-Time` says when it was taken, in seconds since the Unix epoch."""
    found = await here.pictures.newest(await _found(here, camera), width, known_tags(request))
    if found is None:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"there is no picture of {camera} yet", {"Retry-After": "2"})
    return unless_known(request, JpegResponse(found.data, headers={PICTURE_TIME: _time(found)}), found.tag)


@router.get("/pictures", response_class=JpegsResponse)
async def pictures(
    _account: Viewer,
    here: Here,
    request: Request,
    camera: Annotated[list[Each], Query(min_length=1, max_length=MOST_AT_ONCE, description="Repeat it for each.")],
    width: Width = 480,
) -> Response:
    """The newest pictures of these cameras, each as soon as it is there.

    A part has `X-Camera`, `X-Picture-Time` and `ETag`. It is empty when its tag is among those of `If-None-Match`.
    Cameras that have no picture are left out.
    """
    here.looks.require()
    found = await here.view.some_cameras(dict.fromkeys(camera))
    parts = _parts(here, found, width, known_tags(request))
    return LiveResponse(parts, str(JpegsResponse.media_type), here.looks)


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
    return LiveResponse(_moving(here, camera, 1 / fps, width), str(MotionJpegResponse.media_type), here.videos)


async def _parts(
    here: Services, cameras: Sequence[CameraNow], width: int, known: Collection[str]
) -> AsyncGenerator[bytes]:
    async def one(camera: CameraNow) -> tuple[str, Jpeg | None]:
        return camera.name, await here.pictures.newest(camera, width, known)

    looking = [asyncio.ensure_future(one(camera)) for camera in cameras]
    try:
        for looked in asyncio.as_completed(looking):
            name, found = await looked
            if found is not None:
                yield _part(found, f'X-Camera: {name}\r\nETag: "{found.tag}"\r\n')
    finally:
        for each in looking:
            each.cancel()
    yield b"--picture--\r\n"


async def _moving(here: Services, camera: str, every_s: float, width: int) -> AsyncGenerator[bytes]:
    before = ""
    while not here.hub.over and (now := await here.view.camera(camera)) is not None:
        begun_s = here.view.clock.monotonic()
        found = await here.pictures.newest(now, width, (before,))
        if found is not None and found.data is not None:
            before = found.tag
            yield _part(found)
        await asyncio.sleep(max(0.0, every_s - (here.view.clock.monotonic() - begun_s)))


def _part(jpeg: Jpeg, headers: str = "") -> bytes:
    data = jpeg.data or b""
    headers += f"{PICTURE_TIME}: {_time(jpeg)}\r\n"
    head = f"--picture\r\nContent-Type: image/jpeg\r\n{headers}Content-Length: {len(data)}\r\n\r\n"
    return head.encode() + data + b"\r\n"


def _time(jpeg: Jpeg) -> str:
    return f"{jpeg.time_s:.3f}"


async def _found(here: Services, name: str) -> CameraNow:
    found = await here.view.camera(name)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no camera is called {name}")
    return found
