"""Repairs single judgements with the help of their neighbours, before smoothing. Knows no camera, time or threshold.

A cleaner is causal: what it says of a window depends on that window and earlier ones only.
"""

from __future__ import annotations

from typing import Protocol

from engine.types import Judgement


class Cleaner(Protocol):
    """One camera's cleaning. Keeps what it needs of earlier judgements, a bounded number of them."""

    def push(self, judgement: Judgement) -> Judgement:
        """The cleaned judgement of the same window: its score, text and boxes may be an earlier window's.

        An unknown judgement stays unknown: cleaning repairs an answer, it does not invent one.
        """
        ...

    def reset(self) -> None:
        """Forget earlier judgements: the next window has no neighbour."""
        ...


class Identity:
    """Cleans nothing: for scorers whose judgements carry no vectors to compare."""

    def push(self, judgement: Judgement) -> Judgement:
        return judgement

    def reset(self) -> None:
        return None
