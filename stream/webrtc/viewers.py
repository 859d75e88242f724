"""Who watches: so many at once, of all cameras together. Knows no HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import VigilError
from stream.feed.messages import Message, ScoreMessage, encode
from stream.webrtc.peers import Peers

if TYPE_CHECKING:
    from stream.webrtc.viewer import Look, ViewerSettings


class FullError(VigilError):
    """As many watch as may."""


class Viewers:
    """For coroutines of any loop, and `hear` for any thread. With `most` 0 nobody may watch."""

    def __init__(self, most: int, peers: Peers) -> None:
        self.most = most
        self._peers = peers

    async def view(self, camera: str, offer: str, look: Look, settings: ViewerSettings) -> tuple[str, str]:
        """The key that ends it, and the answer. Raises FullError, and UsageError for an offer that makes no sense."""
        return await self._peers.there(self._view(camera, offer, look, settings))

    async def end(self, camera: str, key: str) -> bool:
        """False when there is no such viewer."""
        return await self._peers.there(self._peers.end(_path(camera), key))

    def hear(self, message: Message) -> None:
        """Pass a camera's score points on to who watches it. Never waits."""
        if self.most and isinstance(message, ScoreMessage):
            self._peers.tell(lambda: self._tell(message))

    def _tell(self, message: ScoreMessage) -> None:
        from stream.webrtc.viewer import Viewer  # a heavy import, and from an extra

        line = encode(message).decode()
        for viewer in self._peers.at(_path(message.camera)):
            assert isinstance(viewer, Viewer)
            viewer.tell(line)

    async def _view(self, camera: str, offer: str, look: Look, settings: ViewerSettings) -> tuple[str, str]:
        from stream.webrtc.viewer import Viewer

        if len(self._peers.at(_path(""))) >= self.most:
            raise FullError(f"{self.most} watch already, and that is as many as may")
        return await self._peers.begin(_path(camera), Viewer(camera, look, settings), offer)


def _path(camera: str) -> str:
    """Of a camera's viewers; without a name, what the paths of all of them begin with."""
    return f"whep/{camera}/" if camera else "whep/"
