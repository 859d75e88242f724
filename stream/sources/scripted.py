"""A source that plays a script: for tests of whatever reads sources, and for acting out what went wrong.

Knows nothing of cameras: what it yields, when it fails and how is all given.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.errors import SourceError, SourceFault
from stream.sources.base import EncodedPacket, Item, StreamInfo


@dataclass(frozen=True, slots=True)
class Silence:
    """A line of the script where nothing comes for so long, unless the source is closed; then it is STALLED."""

    timeout_s: float


class ScriptedSource:
    """Fulfils `stream.sources.base.Source`. An exception among the items is raised when its turn comes.

    `fail` is raised by `open`; else the items begin with a StreamInfo. After the last one a live source
    raises SourceError(ENDED) and another simply ends.
    """

    def __init__(
        self, items: Sequence[Item | Silence | Exception], *, live: bool = True, fail: Exception | None = None
    ) -> None:
        self.live = live
        self.keyframes_only = False
        self.dropped: Counter[str] = Counter()
        self._items = items
        self._fail = fail
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def open(self) -> StreamInfo:
        if self._fail is not None:
            raise self._fail
        if self.closed:
            raise SourceError("scripted source: closed while it was opened", SourceFault.LOST)
        first = self._items[0] if self._items else None
        if not isinstance(first, StreamInfo):
            raise ValueError(f"a script begins with a StreamInfo, not with {first!r}")
        return first

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            if self.closed:
                return
            match item:
                case Exception():
                    raise item
                case Silence():
                    if not self._closed.wait(item.timeout_s):
                        raise SourceError(f"scripted source: silent for {item.timeout_s:g} s", SourceFault.STALLED)
                case StreamInfo() | EncodedPacket():
                    yield item
                case picture:
                    if picture.is_key or not self.keyframes_only:
                        yield picture
        if self.live and not self.closed:
            raise SourceError("scripted source: the script is over", SourceFault.ENDED)

    def close(self) -> None:
        self._closed.set()
