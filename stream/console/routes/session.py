"""Signing in and out."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from stream.console.auth import EVERYBODY
from stream.console.models import SignedIn, SignIn
from stream.console.services import COOKIE, Here, Viewer, by_token

router = APIRouter()


@router.post("/session")
async def sign_in(given: SignIn, request: Request, response: Response, here: Here) -> SignedIn:
    """Changes a token into a cookie."""
    if here.gate.is_open:
        return SignedIn(name=EVERYBODY.name, role=EVERYBODY.role, csrf="")
    key, session = here.gate.open_session(by_token(request, given.token, "page"))
    # The page's own origin: the browser knows that it speaks TLS, also where a proxy ends it and says nothing.
    secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
    response.set_cookie(COOKIE, key, httponly=True, samesite="strict", secure=secure)
    return SignedIn(name=session.account.name, role=session.account.role, csrf=session.csrf)


@router.get("/session")
async def signed_in(account: Viewer, request: Request, here: Here) -> SignedIn:
    """Who this is. Without tokens everybody is signed in."""
    session = here.gate.session(request.cookies.get(COOKIE, ""))
    return SignedIn(name=account.name, role=account.role, csrf=session.csrf if session else "")


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT)
async def sign_out(_account: Viewer, request: Request, response: Response, here: Here) -> None:
    here.gate.close_session(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
