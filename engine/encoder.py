"""The seam between sentences and vectors. Knows no model, and nothing of what the vectors are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class TextEncoder(Protocol):
    """Turns sentences into vectors whose dot product says how alike their meaning is: CLIP's text tower, or any other.

    Where pictures become vectors in the same space, as CLIP's do, a sentence can also be compared with a window's
    `Judgement.vector`. Called for every window: an encoder that is slow remembers what it was asked.
    """

    def embed(self, texts: Sequence[str]) -> NDArray[np.floating]:
        """[N, D], each row of length 1. May raise VigilError."""
        ...
