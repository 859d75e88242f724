"""What offers and answers of WebRTC are over HTTP, for publishing (WHIP) and watching (WHEP) alike.

All candidates are in the offer and in the answer: there is no trickling, and `PATCH` is answered with 405.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import Request, Response

from stream.console.problems import Problem
from stream.console.services import Services

if TYPE_CHECKING:
    from stream.webrtc.peer import IceServer

MEDIA_TYPE = "application/sdp"


class SdpAnswer(Response):
    """The answer to an offer, with what helps the one who made it; deleting its Location ends what began."""

    media_type = MEDIA_TYPE

    def __init__(self, answer: str, location: str, ice: Sequence[IceServer]) -> None:
        super().__init__(answer, HTTPStatus.CREATED, {"Location": location} | _links(ice))


class SdpOptions(Response):
    """What helps through a network, for who asks before it makes an offer. For nobody who may not: it has secrets."""

    def __init__(self, ice: Sequence[IceServer]) -> None:
        super().__init__(None, HTTPStatus.NO_CONTENT, {"Accept-Post": MEDIA_TYPE} | _links(ice))


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


def _links(ice: Sequence[IceServer]) -> dict[str, str]:
    """RFC 9725, section 4.6."""
    links = []
    for server in ice:
        link = f'<{server.url}>; rel="ice-server"'
        if server.user is not None and server.password is not None:
            user, password = _quoted(server.user), _quoted(server.password)
            link += f'; username={user}; credential={password}; credential-type="password"'
        links.append(link)
    return {"Link": ", ".join(links)} if links else {}


def _quoted(text: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'
