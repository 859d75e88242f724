"""`synthetic://`: a source that needs no camera. Everything about it is in its URL; see `options`."""

from __future__ import annotations

from stream.sources.encode import PacketEncoder
from stream.sources.raw import RawSource, Shot
from stream.sources.synthetic.options import parse_url
from stream.sources.synthetic.scene import Scene
from stream.sources.synthetic.truth import GroundTruth


class SyntheticSource(RawSource):
    """Fulfils `stream.sources.base.Source`: a rendered street, as fast as it is read.

    Two with the same URL give bit-identical pictures. Raises UsageError for a URL that makes no sense.
    """

    live = False

    def __init__(self, url: str) -> None:
        super().__init__()
        self.options = parse_url(url)
        self.ground_truth = GroundTruth(self.options)
        self._url = url
        self._scene: Scene | None = None
        self._index = 0

    def __repr__(self) -> str:
        return f"SyntheticSource({self._url!r})"

    def _start(self) -> PacketEncoder:
        self._scene = Scene(self.options, self._go_on)
        return PacketEncoder(self.options.width, self.options.height, self.options.fps)

    def _go_on(self) -> None:
        """Raises SourceError when it was closed meanwhile."""
        if self._closed:
            raise self._closed_early()

    def _shoot(self) -> Shot | None:
        time_s = self._index / self.options.fps
        if self._scene is None or time_s >= self.options.duration_s:
            return None
        rgb = self._scene.render(self._index)
        self._index += 1
        return Shot(rgb, time_s, time_s)

    def _stop(self) -> None:
        self._scene = None
