"""Who publishes: one for each name, and who may take over from whom. Knows no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import VigilError
from stream.webrtc.door import Doors
from stream.webrtc.peers import Peers

if TYPE_CHECKING:
    from stream.webrtc.publisher import Publisher, PublisherSettings


class TakenError(VigilError):
    """Somebody else publishes under this name, or has taken over."""


@dataclass(frozen=True, slots=True)
class _Newest:
    """Who published last under a name. `first` is the key of the connection that this one goes on for, or its own."""

    owner: str
    first: str
    publisher: Publisher


class Publishers:
    """For coroutines of any loop."""

    def __init__(self, doors: Doors, peers: Peers) -> None:
        self._doors = doors
        self._peers = peers
        self._newest: dict[str, _Newest] = {}  # by name; for the loop of the peers

    async def publish(
        self, name: str, owner: str, offer: str, settings: PublisherSettings, first: str | None = None
    ) -> tuple[str, str]:
        """The key that ends it, and the answer. Who published here before as the same owner is replaced.

        Who only goes on after a break names the `first` key that it had, and replaces nobody but itself: two that come
        back by themselves would take the camera from each other for ever. Raises TakenError for one that was replaced
        and while another owner publishes, UsageError for an offer that makes no sense.
        """
        return await self._peers.there(self._publish(name, owner, offer, settings, first))

    async def end(self, name: str, key: str) -> bool:
        """False when there is no such publisher."""
        return await self._peers.there(self._peers.end(_path(name), key))

    async def _publish(
        self, name: str, owner: str, offer: str, settings: PublisherSettings, first: str | None
    ) -> tuple[str, str]:
        from stream.webrtc.peer import Over  # heavy imports, and from an extra
        from stream.webrtc.publisher import Publisher

        self._require_free(name, owner, first)
        publisher = Publisher(name, settings)
        key, answer = await self._peers.begin(_path(name), publisher, offer)
        try:
            self._require_free(name, owner, first)  # somebody else may have been as quick
        except TakenError:
            await self._peers.end(_path(name), key)
            raise
        before = self._newest.get(name)
        self._newest[name] = _Newest(owner, first or key, publisher)
        self._doors[name].enter(publisher.incoming)
        if before is not None:
            before.publisher.end(Over("another one took over"))
        return key, answer

    def _require_free(self, name: str, owner: str, first: str | None) -> None:
        newest = self._newest.get(name)
        if newest is None:
            return
        if newest.owner != owner and newest.publisher.over is None:
            raise TakenError(f"somebody else publishes to {name}")
        if first is not None and newest.first != first:
            raise TakenError("another device took over")


def _path(name: str) -> str:
    return f"whip/{name}/"
