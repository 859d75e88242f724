"""What every request must pass before anything looks at it, and what every answer carries. Knows HTTP, no account.

Without tokens everybody on this machine is an admin, so a page of another site must not get in by way of their
browser: not by a name that leads here (the host is checked), and not by a request across sites (its origin is).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream.console.problems import answer
from stream.loopback import meant_for_loopback

log = logging.getLogger(__name__)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """ASGI around ASGI. With `local_only` it answers only to this machine's own names.

    Unless there are `proxies` that are believed, the first request that came by one is told in the log.
    """

    def __init__(self, app: ASGIApp, *, local_only: bool, proxies: bool) -> None:
        self._app = app
        self._local_only = local_only
        self._knows_of_proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        if not self._knows_of_proxies and "x-forwarded-for" in headers:
            self._knows_of_proxies = True
            log.warning(
                "a proxy stands before the console, and all who come by it count as one address: "
                "name the proxy's in console.trusted_proxies"
            )
        refusal = self._refusal(scope["method"], headers)
        if refusal is None:
            await self._app(scope, receive, with_headers)
        else:
            await answer(HTTPStatus.FORBIDDEN, refusal)(scope, receive, with_headers)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if self._local_only and not meant_for_loopback(host):
            return (
                "without tokens the console answers to this machine only: open it as localhost, or set console.tokens"
            )
        if method in SAFE:
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "the request comes from another site"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "the request comes from another site"
        return None
