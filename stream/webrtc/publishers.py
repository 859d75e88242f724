"""Who publishes: one for each name, and who may take over from whom. Knows no HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import VigilError
from stream.webrtc.door import Doors
from stream.webrtc.peers import Peers

if TYPE_CHECKING:
    from stream.webrtc.publisher import Publisher, PublisherSettings


class TakenError(VigilError):
    """Somebody else publishes under this name."""


class Publishers:
    """For coroutines of any loop."""

    def __init__(self, doors: Doors, peers: Peers) -> None:
        self._doors = doors
        self._peers = peers
        self._newest: dict[str, tuple[str, Publisher]] = {}  # and its owner, by name; for the loop of the peers

    async def publish(self, name: str, owner: str, offer: str, settings: PublisherSettings) -> tuple[str, str]:
        """The key that ends it, and the answer. Who published here before as the same owner is replaced.

        Raises TakenError while another owner publishes, UsageError for an offer that makes no sense.
        """
        return await self._peers.there(self._publish(name, owner, offer, settings))

    async def end(self, name: str, key: str) -> bool:
        """False when there is no such publisher."""
        return await self._peers.there(self._peers.end(_path(name), key))

    async def _publish(self, name: str, owner: str, offer: str, settings: PublisherSettings) -> tuple[str, str]:
        from stream.webrtc.peer import Over  # heavy imports, and from an extra
        from stream.webrtc.publisher import Publisher

        self._require_free(name, owner)
        publisher = Publisher(name, settings)
        key, answer = await self._peers.begin(_path(name), publisher, offer)
        try:
            self._require_free(name, owner)  # somebody else may have been as quick
        except TakenError:
            await self._peers.end(_path(name), key)
            raise
        before = self._newest.get(name)
        self._newest[name] = (owner, publisher)
        self._doors[name].enter(publisher.incoming)
        if before is not None:
            before[1].end(Over("another one took over"))
        return key, answer

    def _require_free(self, name: str, owner: str) -> None:
        newest = self._newest.get(name)
        if newest is not None and newest[0] != owner and newest[1].over is None:
            raise TakenError(f"somebody else publishes to {name}")


def _path(name: str) -> str:
    return f"whip/{name}/"
