"""All publishers: one for each name, on a thread and an event loop of their own.

aiortc blocks its loop now and then, as when it waits for a decoder's end; here that delays nobody but publishers.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from engine.errors import SourceError, SourceFault, VigilError
from stream.webrtc.door import Doors

if TYPE_CHECKING:
    from stream.webrtc.peer import Peer, PeerSettings

log = logging.getLogger(__name__)

CLOSE_WITHIN_S = 5.0

_Result = TypeVar("_Result")


class TakenError(VigilError):
    """Somebody else publishes under this name."""


@dataclass(slots=True)
class _Publisher:
    key: str
    owner: str
    peer: Peer
    running: asyncio.Task[None]


class Publishers:
    """`publish` and `end` are for coroutines of any loop; `close` is for any thread. Its thread begins when needed."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._publishers: dict[str, _Publisher] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vigil-publishers", daemon=True)

    async def publish(self, name: str, owner: str, offer: str, settings: PeerSettings) -> tuple[str, str]:
        """The key that ends it, and the answer. Who published here before as the same owner is replaced.

        Raises TakenError while another owner publishes, UsageError for an offer that makes no sense.
        """
        return await self._there(self._publish(name, owner, offer, settings))

    async def end(self, name: str, key: str) -> bool:
        """False when there is no such publisher."""
        return await self._there(self._end(name, key))

    def close(self) -> None:
        """End them all, within some seconds."""
        if self._thread.is_alive():
            closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
            try:
                closing.result(CLOSE_WITHIN_S)
            except TimeoutError:
                log.warning("publishers did not end in time")
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_WITHIN_S)
        if not self._loop.is_running():
            self._loop.close()

    async def _there(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        if not self._thread.is_alive():
            self._thread.start()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _publish(self, name: str, owner: str, offer: str, settings: PeerSettings) -> tuple[str, str]:
        from stream.webrtc.peer import Peer  # a heavy import, and from an extra

        self._require_free(name, owner)
        peer = Peer(name, settings)
        try:
            answer = await peer.answer(offer)
            self._require_free(name, owner)  # somebody else may have been as quick
        except BaseException:
            await peer.close()
            raise
        before = self._publishers.get(name)
        key = secrets.token_urlsafe(16)
        running = asyncio.create_task(self._run(name, key, peer))
        self._publishers[name] = _Publisher(key, owner, peer, running)
        self._doors[name].enter(peer.incoming)
        if before is not None:
            before.peer.incoming.end(SourceError(f"publisher {name}: another one took over", SourceFault.ENDED))
        return key, answer

    async def _run(self, name: str, key: str, peer: Peer) -> None:
        try:
            await peer.run()
        finally:
            if (found := self._publishers.get(name)) and found.key == key:
                del self._publishers[name]
            await peer.close()

    async def _end(self, name: str, key: str) -> bool:
        found = self._publishers.get(name)
        if found is None or not secrets.compare_digest(found.key.encode(), key.encode()):
            return False
        found.peer.incoming.end(SourceError(f"publisher {name}: it has said goodbye", SourceFault.ENDED))
        await asyncio.wait([found.running])
        return True

    async def _close(self) -> None:
        for each in list(self._publishers.values()):
            each.peer.incoming.end(SourceError("Vigil ends", SourceFault.ENDED))
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            _, late = await asyncio.wait(others, timeout=CLOSE_WITHIN_S / 2)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1)
        await self._loop.shutdown_default_executor()

    def _require_free(self, name: str, owner: str) -> None:
        found = self._publishers.get(name)
        if found is not None and found.owner != owner:
            raise TakenError(f"somebody else publishes to {name}")
