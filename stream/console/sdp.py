"""What offers and answers of WebRTC are over HTTP, for publishing (WHIP) and watching (WHEP) alike.

All candidates are in the offer and in the answer: there is no trickling, and `PATCH` is answered with 405.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import Request, Response

from stream.console.problems import Problem
from stream.console.services import Services

if TYPE_CHECKING:
    from stream.webrtc.peer import IceServer

MEDIA_TYPE = "application/sdp"


class SdpAnswer(Response):
    """The answer to an offer; deleting its Location ends what began."""

    media_type = MEDIA_TYPE

    def __init__(self, answer: str, location: str) -> None:
        super().__init__(answer, HTTPStatus.CREATED, {"Location": location})


async def offer_of(request: Request) -> str:
    """Raises Problem for something else than an offer."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send an offer as {MEDIA_TYPE}")
    return (await request.body()).decode(errors="replace")


def ice_servers(here: Services) -> list[IceServer]:
    from stream.webrtc.peer import IceServer  # from an extra, without which nobody asks

    return [
        IceServer(each.url, each.user, each.password.get_secret_value() if each.password else None)
        for each in here.view.config().console.ice_servers
    ]
