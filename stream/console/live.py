"""Answers that go on until the viewer leaves. Knows HTTP; nothing of what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stream.console.problems import Problem

TAKEN_WITHIN_S = 10.0  # a viewer that takes nothing for so long is let go


class Places:
    """How many viewers may be served at once."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def taken(self) -> Iterator[None]:
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    def require(self) -> None:
        if self._free <= 0:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers at once", {"Retry-After": "10"})


class LiveResponse(Response):
    """Sends the pieces as they come, and takes a place. Ends with them, or when the viewer left or is too slow."""

    def __init__(self, pieces: AsyncGenerator[bytes], media_type: str, places: Places) -> None:
        super().__init__(media_type=media_type, headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._pieces = pieces
        self._places = places

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        with self._places.taken():
            sending = asyncio.create_task(self._send_all(send))
            leaving = asyncio.create_task(_left(receive))
            try:
                await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, leaving):
                    task.cancel()
                done = await asyncio.gather(sending, leaving, return_exceptions=True)
            if isinstance(done[0], Exception) and not isinstance(done[0], TimeoutError):
                raise done[0]

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._pieces) as pieces:
            async for piece in pieces:
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                async with asyncio.timeout(TAKEN_WITHIN_S):
                    await send(message)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
