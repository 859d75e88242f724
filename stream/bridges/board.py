"""What is known of the cameras now, for sinks that show it. Written by the watch, read by bridges' threads."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stream.feed.messages import StatusMessage


class Board:
    """The watched cameras, each with its latest status or None. One thread writes; any may read."""

    def __init__(self, cameras: Collection[str] = ()) -> None:
        self.cameras: Mapping[str, StatusMessage | None] = dict.fromkeys(cameras)  # replaced, never changed

    def watch(self, cameras: Collection[str]) -> None:
        """From now on these are the watched cameras."""
        self.cameras = {name: self.cameras.get(name) for name in cameras}

    def tell(self, status: StatusMessage) -> None:
        if status.camera in self.cameras:
            self.cameras = {**self.cameras, status.camera: status}
