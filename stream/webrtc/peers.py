"""Where WebRTC connections live: one thread and one event loop for all of them, each from its offer to its end.

aiortc blocks its loop now and then, as when it waits for a decoder's end; here that delays nobody but other
connections. Knows nothing of what flows through them.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from stream.webrtc.peer import Peer

log = logging.getLogger(__name__)

CLOSE_WITHIN_S = 5.0
ENCODERS = 2  # threads for what viewers get, however many there are

_Result = TypeVar("_Result")


@dataclass(slots=True)
class _Place:
    """A connection's, from the moment it is taken."""

    peer: Peer
    running: asyncio.Task[None] | None = None  # none while it is being answered


class Peers:
    """`there` is for coroutines of any loop, `tell` and `close` for any thread, all else for its own loop.

    The thread begins when it is needed. A connection is found by its path and its key, which is its owner's secret.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], _Place] = {}
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(ENCODERS, "vigil-webrtc-encoder"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="vigil-webrtc", daemon=True)

    async def there(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """What this comes to on the loop of the connections."""
        if not self._thread.is_alive():
            self._thread.start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def tell(self, what: Callable[[], None]) -> None:
        """Have this done there if there ever was a connection."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(what)

    def at(self, path: str) -> list[Peer]:
        """The connections whose path begins so, those that are being answered too."""
        return [place.peer for (where, _), place in self._places.items() if where.startswith(path)]

    async def begin(self, path: str, peer: Peer, offer: str) -> tuple[str, str]:
        """Have it live until it is over: the key that ends it, and the answer. Raises as `Peer.answer`."""
        key = secrets.token_urlsafe(16)
        place = self._places[path, key] = _Place(peer)
        try:
            answer = await peer.answer(offer)
        except BaseException:
            await self._leave(path, key, peer)
            raise
        place.running = asyncio.create_task(self._run(path, key, peer))
        return key, answer

    async def end(self, path: str, key: str) -> bool:
        """False when there is no such connection."""
        from stream.webrtc.peer import Over  # a heavy import, and from an extra

        place = self._places.get((path, key))
        if place is None or place.running is None or place.peer.over is not None:
            return False
        place.peer.end(Over("it has said goodbye"))
        await asyncio.wait([place.running])
        return True

    def close(self) -> None:
        """End them all, within some seconds."""
        if self._thread.is_alive():
            closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
            try:
                closing.result(CLOSE_WITHIN_S)
            except TimeoutError:
                log.warning("WebRTC connections did not end in time")
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_WITHIN_S)
        if not self._loop.is_running():
            self._loop.close()

    async def _run(self, path: str, key: str, peer: Peer) -> None:
        try:
            await peer.run()
        finally:
            await self._leave(path, key, peer)
            log.info("%s: %s", path.rstrip("/"), peer.over.why if peer.over else "it failed")

    async def _leave(self, path: str, key: str, peer: Peer) -> None:
        try:
            await peer.close()
        finally:
            del self._places[path, key]

    async def _close(self) -> None:
        from stream.webrtc.peer import Over

        for place in self._places.values():
            place.peer.end(Over("Vigil ends"))
        if others := _others():
            await asyncio.wait(others, timeout=CLOSE_WITHIN_S / 2)
        if late := _others():  # and what aiortc has begun meanwhile
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=1)
        await self._loop.shutdown_default_executor()


def _others() -> set[asyncio.Task[Any]]:
    """The tasks of this loop but the one that asks."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
