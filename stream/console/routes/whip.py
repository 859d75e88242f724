"""Publishing to a camera from a browser or a program, by WHIP (RFC 9725)."""

from __future__ import annotations

import hmac
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from stream.config.models import CameraConfig
from stream.console.auth import Role
from stream.console.problems import Problem
from stream.console.sdp import SdpAnswer, ice_servers, offer_of
from stream.console.services import Here, Services, who
from stream.urls import publishers_name
from stream.webrtc.publishers import TakenError

router = APIRouter(prefix="/whip", include_in_schema=False)  # it is a protocol of its own


@router.post("/{name}")
async def publish(here: Here, request: Request, name: str) -> Response:
    """Answers an offer. The answer's Location ends it when it is deleted."""
    from stream.webrtc.publisher import PublisherSettings  # from an extra, which a camera of this kind requires

    camera = _camera(here, name)
    owner = _owner(request, camera)
    offer = await offer_of(request)
    settings = PublisherSettings(camera.open_timeout_s, camera.stall_s, ice_servers(here))
    try:
        key, answer = await here.publishers.publish(name, owner, offer, settings)
    except TakenError as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    return SdpAnswer(answer, f"/whip/{name}/{key}")


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
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if camera.publish_token and scheme.lower() == "bearer":
        wanted = camera.publish_token.get_secret_value()
        if hmac.compare_digest(token.strip().encode(), wanted.encode()):
            return "the camera's token"
    account = who(request)
    if not account.role.includes(Role.OPERATOR):
        raise Problem(HTTPStatus.FORBIDDEN, f"publishing needs the role operator; {account.name} is {account.role}")
    return f"account {account.name}"
