"""What the routes have at hand, and how they ask who somebody is. One per console."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from stream.console.auth import EVERYBODY, Account, Gate, Role, TooManyFailuresError
from stream.console.catalogue import Catalogue
from stream.console.changes import Changes
from stream.console.guard import SAFE
from stream.console.hub import Hub
from stream.console.live import Places
from stream.console.machine import Storage
from stream.console.pictures import Pictures
from stream.console.problems import Problem
from stream.console.snapshots import Snapshots
from stream.console.tries import Tries
from stream.console.view import WatchView
from stream.side_thread import SideThread
from stream.webrtc.publishers import Publishers
from stream.webrtc.viewers import Viewers

COOKIE = "vigil_session"
CSRF_HEADER = "X-CSRF-Token"
BEARER = HTTPBearer(auto_error=False, description="A token, for programs; a browser signs in and has a cookie.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """`db` and `catalogue` are used on the thread `disk` only."""

    view: WatchView
    gate: Gate
    hub: Hub
    disk: SideThread
    db: sqlite3.Connection
    catalogue: Catalogue
    pictures: Pictures
    snapshots: Snapshots
    changes: Changes
    tries: Tries
    data: Path
    storage: Storage
    publishers: Publishers
    viewers: Viewers
    streams: Places
    videos: Places
    looks: Places


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _services(request: Request) -> Services:  # a coroutine: FastAPI has threads for what is not
    return services_of(request)


def _requires(role: Role) -> Callable[[Request], Awaitable[Account]]:
    async def check(request: Request) -> Account:
        account = who(request)
        if not account.role.includes(role):
            raise Problem(HTTPStatus.FORBIDDEN, f"this needs the role {role}; {account.name} is {account.role}")
        return account

    return check


Here = Annotated[Services, Depends(_services)]
Viewer = Annotated[Account, Depends(_requires(Role.VIEWER))]
Operator = Annotated[Account, Depends(_requires(Role.OPERATOR))]


def bearer_of(request: Request) -> str | None:
    """The token that a program sends; None where it sends none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def who(request: Request, door: str = "api") -> Account:
    """Who asks. Raises Problem for nobody, and for a browser that does not say that it was its own page that asked.

    Wrong tokens are counted for each `door` apart.
    """
    gate = services_of(request).gate
    if gate.is_open:
        return EVERYBODY
    token = bearer_of(request)
    if token is not None:
        return by_token(request, token, door)
    session = gate.session(request.cookies.get(COOKIE, ""))
    if session is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "sign in first", {"WWW-Authenticate": "Bearer"})
    if request.method not in SAFE and not session.vouches_for(request.headers.get(CSRF_HEADER)):
        raise Problem(HTTPStatus.FORBIDDEN, f"the header {CSRF_HEADER} is missing or wrong")
    return session.account


def by_token(request: Request, token: str, door: str) -> Account:
    """Raises Problem for nobody's token, and when there were too many such at this door."""
    address = request.client.host if request.client else ""
    try:
        account = services_of(request).gate.account(token, f"{address} {door}")
    except TooManyFailuresError as error:
        wait = {"Retry-After": str(math.ceil(error.retry_s))}
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens: wait a minute", wait) from error
    if account is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "nobody has this token", {"WWW-Authenticate": "Bearer"})
    return account
