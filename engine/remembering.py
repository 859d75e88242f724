"""Remembers the vectors of sentences, so that whoever asks for one again need not wait for a model. Knows no model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np

from engine.encoder import TextEncoder
from engine.memory import Floats


class RememberingEncoder:
    """A `TextEncoder` around another one that is slow. Remembers the `limit` sentences that were asked for last.

    May be called from any thread. What it remembers is answered at once, also while another thread waits for the
    slow one, which is called by one thread at a time with all sentences that it lacks.
    """

    def __init__(self, encoder: TextEncoder, limit: int = 4096) -> None:
        self._encoder = encoder
        self._limit = limit
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._vectors: OrderedDict[str, Floats] = OrderedDict()  # the one that was asked for longest ago is first

    def __len__(self) -> int:
        return len(self._vectors)

    def embed(self, texts: Sequence[str]) -> Floats:
        found = self._known(texts)
        if len(found) < len(set(texts)):
            with self._asking:
                found |= self._known(texts)  # what another thread asked for meanwhile
                missing = [text for text in dict.fromkeys(texts) if text not in found]
                if missing:
                    new = dict(zip(missing, self._encoder.embed(missing), strict=True))
                    found |= {text: vector.copy() for text, vector in new.items()}  # a view would hold its whole batch
                    self._remember(found)
        return np.stack([found[text] for text in texts]) if texts else self._encoder.embed(texts)

    def _known(self, texts: Iterable[str]) -> dict[str, Floats]:
        with self._lock:
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in known:
                self._vectors.move_to_end(text)
            return known

    def _remember(self, found: dict[str, Floats]) -> None:
        with self._lock:
            self._vectors |= found
            while len(self._vectors) > self._limit:
                self._vectors.popitem(last=False)
