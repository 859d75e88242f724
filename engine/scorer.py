"""The seam between windows and whatever judges them. A scorer is one file that fulfils `Scorer`.

One that understands words fulfils `LanguageScorer` as well: it is told what counts as abnormal for a camera, and
explains what it sees when it is asked to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from engine.types import Box, Definition, Judgement, ModelInfo, Vector, Window


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


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Asks for a sentence about a window of an event, which was judged by `definition`; the event's score is `score`.

    With `said`, the earlier sentences of the same event, oldest first, the sentence sums the event up instead. With
    `boxes` it is also asked where in the worst frame that is, and with a `sentence`, which the window got with its
    score, only that. The window has pixels of its own.
    """

    window: Window
    definition: Definition
    score: float
    worst: int = -1
    said: tuple[str, ...] = ()
    boxes: bool = False
    sentence: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What a scorer says of a request; `text` is None when it could not say anything, and then `reason` says why.

    `vector` is what the window looks like and `text_vector` what the sentence means, where there is an aligner.
    """

    text: str | None
    boxes: tuple[Box, ...] = ()
    reason: str = ""
    vector: Vector | None = None
    text_vector: Vector | None = None


@runtime_checkable
class LanguageScorer(Scorer, Protocol):
    """A scorer that takes definitions in words and writes sentences. Called from the scorer's one thread as well."""

    def define(self, camera: str, definitions: Sequence[Definition]) -> None:
        """What counts as abnormal for a camera, from its next window on: at least one, of different names.

        May be called from any thread. A camera that was never told of has the usual definition.
        """
        ...

    def info_for(self, definition: Definition) -> ModelInfo:
        """Who judges by this definition, with the hash of what is asked then. From any thread."""
        ...

    def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
        """Explain them together, in short steps, so that windows can be scored between two steps.

        Each step gives the explanations that it finished, by the requests' places. May raise: then those that are
        not finished never will be.
        """
        ...
