"""Repairs single judgements with the help of other windows', before smoothing. Knows no camera, time or threshold.

Cleaning is causal: what it says of a window when the window comes depends on that window and earlier ones only. A
cleaner that looks one window ahead says so at once what it knows, and amends it when the next window comes.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from engine.types import Judgement


class Cleaned(NamedTuple):
    """What is known when a window has come. `amended` is the window before in the light of it, if that changed."""

    now: Judgement
    amended: Judgement | None = None


class Cleaner(Protocol):
    """One camera's cleaning. Keeps what it needs of earlier judgements, a bounded number of them."""

    def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
        """The cleaned judgement of the same window: its score and text may differ, its boxes and worst frame do not.

        `amended` is what a cleaner before this one now says of the judgement pushed last; it counts as if it had been
        pushed instead. An unknown judgement stays unknown: cleaning repairs an answer, it does not invent one.
        """
        ...

    def skip(self) -> None:
        """Windows are missing before the next one: it is no neighbour of the last, which is amended no more."""
        ...

    def reset(self) -> None:
        """Forget earlier judgements."""
        ...


class Identity:
    """Cleans nothing: for scorers whose judgements carry no vectors to compare."""

    def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
        return Cleaned(judgement, amended)

    def skip(self) -> None:
        return None

    def reset(self) -> None:
        return None


class Chain:
    """One cleaner after another, each on what the one before it says."""

    def __init__(self, *cleaners: Cleaner) -> None:
        self._cleaners = cleaners

    def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
        cleaned = Cleaned(judgement, amended)
        for cleaner in self._cleaners:
            cleaned = cleaner.push(*cleaned)
        return cleaned

    def skip(self) -> None:
        for cleaner in self._cleaners:
            cleaner.skip()

    def reset(self) -> None:
        for cleaner in self._cleaners:
            cleaner.reset()
