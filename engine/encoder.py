"""The seam between sentences and vectors. Knows no model, and nothing of what the vectors are compared with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError, VigilError

log = logging.getLogger(__name__)


class TextEncoder(Protocol):
    """Turns sentences into vectors whose dot product says how alike their meaning is: CLIP's text tower, or any other.

    Where pictures become vectors in the same space, as CLIP's do, a sentence can also be compared with a window's
    `Judgement.vector`. Called for every window: an encoder that is slow remembers what it was asked.
    """

    def embed(self, texts: Sequence[str]) -> NDArray[np.floating]:
        """[N, D], each row of length 1. May raise VigilError."""
        ...


def vector_of(encoder: TextEncoder, text: str) -> NDArray[np.floating] | None:
    """One sentence's vector; None when it can't be had, for a judgement is worth more than a comparison.

    Raises UsageError: an encoder that lacks the sentence for good is not the right one.
    """
    try:
        vector: NDArray[np.floating] = encoder.embed((text,))[0]
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a model raises
        reason = error.message if isinstance(error, VigilError) else f"{type(error).__name__}: {error}"
        log.warning("a sentence can't be compared with others: %s", reason)
        return None
    return vector
