"""The seam between recorded responses and a published method: what a method is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from offline_eval.metrics.tracks import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Unit vectors of one video in CLIP's space, by segment [S, D].

    `segments` are means of the unit vectors of a segment's frames, not made unit again.
    """

    segments: Floats
    responses: Floats  # the whole response, verdict included
    sentences: Floats  # the response without its verdict


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One video's responses, one per segment, each "VERDICT scenes. SENTENCE", and vectors when there are some.

    Vectors belong to the responses as given: where those are cleaned already, clean no more.
    """

    name: str
    responses: tuple[str, ...]
    frame_count: int
    vectors: Vectors | None = None


Method = Callable[[Recorded], Floats]
"""A score per frame [N] of one video."""
