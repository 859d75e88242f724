"""Publishing to a camera from a browser or a program, by WHIP (RFC 9725)."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from stream.config.models import CameraConfig
from stream.console.auth import Role
from stream.console.problems import Problem
from stream.console.sdp import SdpAnswer, SdpOptions, ice_servers, offer_of
from stream.console.services import Here, Services, bearer_of, by_token, who
from stream.urls import publishers_name
from stream.webrtc.publishers import TakenError

router = APIRouter(prefix="/whip", include_in_schema=False)  # it is a protocol of its own

DOOR = "whip"  # a program with a wrong token tries again and again: nobody else has to wait for that


@router.options("/{name}")
async def options(here: Here, request: Request, name: str) -> Response:
    """What helps who may publish through a network."""
    _owner(request, _camera(here, name))
    return SdpOptions(ice_servers(here))


@router.post("/{name}")
async def publish(
    here: Here, request: Request, name: str, x_continues: Annotated[str | None, Header(max_length=200)] = None
) -> Response:
    """Answers an offer. The answer's Location ends it when it is deleted.

    A publisher that goes on after a break names the first Location that it had in the header X-Continues, and is
    refused when somebody else has begun in the meantime.
    """
    from stream.webrtc.publisher import PublisherSettings  # from an extra, which a camera of this kind requires

    camera = _camera(here, name)
    owner = _owner(request, camera)
    offer = await offer_of(request)
    ice = ice_servers(here)
    first = None if x_continues is None else x_continues.rpartition("/")[2]
    settings = PublisherSettings(camera.open_timeout_s, camera.stall_s, ice)
    try:
        key, answer = await here.publishers.publish(name, owner, offer, settings, first)
    except TakenError as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return SdpAnswer(answer, f"/whip/{name}/{key}", ice)


@router.delete("/{name}/{key}")
async def end(here: Here, request: Request, name: str, key: str) -> Response:
    _owner(request, _camera(here, name))
    if not await here.publishers.end(name, key):
        raise Problem(HTTPStatus.NOT_FOUND, f"nobody publishes to {name} under this address")
    return Response()


def _camera(here: Services, name: str) -> CameraConfig:
    for camera in here.view.config().cameras.values():
        if camera.enabled and publishers_name(camera.source.url) == name:
            return camera
    raise Problem(HTTPStatus.NOT_FOUND, f"no camera has the source webrtc://{name}")


def _owner(request: Request, camera: CameraConfig) -> str:
    """Who publishes: whoever has the camera's own token, or an operator. Raises Problem for others."""
    token = bearer_of(request)
    if camera.publish_token is None or token is None:
        account = who(request, DOOR)
    elif hmac.compare_digest(token.encode(), camera.publish_token.get_secret_value().encode()):
        return "the camera's token"
    else:
        account = by_token(request, token, DOOR)
    if not account.role.includes(Role.OPERATOR):
        raise Problem(HTTPStatus.FORBIDDEN, f"publishing needs the role operator; {account.name} is {account.role}")
    return f"account {account.name}"
