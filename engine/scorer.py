"""The seam between windows and whatever judges them. A scorer is one file that fulfils `Scorer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.types import Judgement, ModelInfo, Window


class Scorer(Protocol):
    """Judges batches of windows. Called from one thread at a time, never concurrently.

    A scorer may keep state per camera, keyed by `window.camera`: the windows of one camera arrive in
    time order (some may be missing) and `window.segment` changes when the stream was interrupted.
    """

    @property
    def info(self) -> ModelInfo: ...

    @property
    def frame_size(self) -> tuple[int, int]:
        """(width, height) in pixels at which it wants its frames."""
        ...

    @property
    def max_batch(self) -> int:
        """The most windows it takes in one call."""
        ...

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        """One judgement per window, in order. May raise: then every window of the call is unknown."""
        ...

    def forget(self, camera: str) -> None:
        """Drop what is remembered of a camera that was removed."""
        ...

    def close(self) -> None:
        """Give back what it holds. No call follows."""
        ...
