"""Sends texts compressed to those who can unpack them. Knows HTTP, and nothing of what is in the texts.

Pictures and clips are compressed as they are, and streams must not wait in a compressor: they pass unchanged. So does
what is small, which keeps a session's secret out of what is compressed. An answer's bytes differ by `Accept-Encoding`,
so the tags of texts must be weak.
"""

from __future__ import annotations

import re
import zlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TEXTS = frozenset(
    {
        "application/json",
        "application/jsonl",
        "application/problem+json",
        "image/svg+xml",
        "text/css",
        "text/html",
        "text/javascript",
    }
)
SMALLEST_BYTES = 500
LEVEL, GZIP_BITS = 6, 31
_GZIP = re.compile(r"(?:^|,)\s*gzip\s*(?!;\s*q=0(?:\.0*)?\s*(?:,|$))(?:;|,|$)", re.IGNORECASE)


class Compressed:
    """ASGI around ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = scope["method"] != "HEAD" and _GZIP.search(Headers(scope=scope).get("accept-encoding", "")) is not None
        packer = None

        async def packed(message: Message) -> None:
            nonlocal packer
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if message["status"] == 304 or _is_text(headers):
                    headers.add_vary_header("Accept-Encoding")
                if wanted and message["status"] == 200 and _is_text(headers) and not _is_small(headers):
                    packer = zlib.compressobj(LEVEL, wbits=GZIP_BITS)
                    headers["Content-Encoding"] = "gzip"
                    del headers["Content-Length"], headers["Accept-Ranges"]
            elif packer is not None and message["type"] == "http.response.body":
                body = packer.compress(message.get("body", b""))
                if not message.get("more_body", False):
                    body += packer.flush()
                message = {**message, "body": body}
            await send(message)

        await self._app(scope, receive, packed)


def _is_text(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() in TEXTS


def _is_small(headers: Headers) -> bool:
    return int(headers.get("content-length", SMALLEST_BYTES)) < SMALLEST_BYTES
