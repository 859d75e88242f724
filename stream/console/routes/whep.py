"""Watching a camera live, by WHEP (draft-ietf-wish-whep): its picture as video, its scores on a data channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from stream.console.problems import Problem
from stream.console.sdp import SdpAnswer, SdpOptions, ice_servers, offer_of
from stream.console.services import Here, Services, Viewer
from stream.preview import Preview
from stream.webrtc.viewers import FullError

router = APIRouter(prefix="/whep", include_in_schema=False)  # it is a protocol of its own

Name = Annotated[str, Path(max_length=64)]


@router.options("/{camera}")
async def options(_account: Viewer, here: Here, camera: Name) -> Response:
    """What helps who may watch through a network."""
    await _look_at(here, camera)
    return SdpOptions(ice_servers(here))


@router.post("/{camera}")
async def watch(_account: Viewer, here: Here, request: Request, camera: Name) -> Response:
    """Answers an offer. The answer's Location ends it when it is deleted."""
    look = await _look_at(here, camera)
    offer = await offer_of(request)
    from stream.webrtc.viewer import ViewerSettings  # from an extra

    ice = ice_servers(here)
    try:
        key, answer = await here.viewers.view(camera, offer, look, ViewerSettings(ice=ice))
    except FullError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "10"}) from error
    return SdpAnswer(answer, f"/whep/{camera}/{key}", ice)


@router.delete("/{camera}/{key}")
async def end(_account: Viewer, here: Here, camera: Name, key: str) -> Response:
    if not await here.viewers.end(camera, key):
        raise Problem(HTTPStatus.NOT_FOUND, f"nobody watches {camera} under this address")
    return Response()


async def _look_at(here: Services, camera: str) -> Callable[[], Awaitable[Preview | None]]:
    """What finds the camera's preview again and again. Raises Problem when it can't be watched."""

    async def look() -> Preview | None:
        found = await here.view.camera(camera)
        return found.preview if found else None

    if not here.viewers.most:
        raise Problem(HTTPStatus.NOT_FOUND, "nothing can be watched by WebRTC here")
    if await look() is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"no camera is called {camera}")
    return look
