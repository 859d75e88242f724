"""An aligner without a model, for tests of what is around one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.memory import Floats
from engine.types import Window
from tests.unit.engine.sentences import WordEncoder


class FakeAligner(WordEncoder):
    """A window's vector says where its first frame lies; `error` is what looking raises, `text_error` what reading."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[int] = []  # windows, for each call
        self.texts: list[list[str]] = []
        self.forgotten: list[str] = []
        self.closed = False
        self.error: Exception | None = None
        self.text_error: Exception | None = None

    def look(self, windows: Sequence[Window]) -> Floats:
        self.looked.append(len(windows))
        if self.error:
            raise self.error
        return np.array([[1.0, each.frames[0].slot] for each in windows], np.float32)

    def embed(self, texts: Sequence[str]) -> Floats:
        self.texts.append(list(texts))
        if self.text_error:
            raise self.text_error
        return super().embed(texts)

    def forget(self, camera: str) -> None:
        self.forgotten.append(camera)

    def close(self) -> None:
        self.closed = True
