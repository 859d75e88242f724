"""Gives judgements and explanations their vectors: what a window looks like, to be compared with sentences.

Knows the aligner and the scorer only by what they promise. What fails here costs vectors, never a judgement.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from engine.encoder import TextEncoder
from engine.errors import DeviceLostError, VigilError
from engine.lrc import response_of
from engine.memory import Floats
from engine.scorer import Explanation, LanguageScorer, Request, Scorer
from engine.types import Definition, Judgement, ModelInfo, Vector, Window

log = logging.getLogger(__name__)


class Aligner(TextEncoder, Protocol):
    """Places pictures and sentences in one space, where the dot product says how well they fit."""

    def look(self, windows: Sequence[Window]) -> Floats:
        """What each window looks like: [N, D], each row of length 1. Called by the scorer's thread only."""
        ...

    def forget(self, camera: str) -> None:
        """Drop what is remembered of a camera that was removed."""
        ...

    def close(self) -> None:
        """Give back what it holds. No call follows."""
        ...


def aligned(scorer: Scorer, aligner: Aligner, sentences: TextEncoder, *, every_window: bool = False) -> Scorer:
    """The scorer with vectors: a `LanguageScorer` if it is one.

    `sentences` is what cleaning asks for the vectors of sentences: it is asked here first, so that one that remembers
    answers cleaning at once. Judgements with a sentence get a vector; with `every_window` those without one too.
    """
    kind = AlignedLanguageScorer if isinstance(scorer, LanguageScorer) else AlignedScorer
    return kind(scorer, aligner, sentences, every_window=every_window)


class AlignedScorer:
    """A `Scorer` around another one. Made by `aligned`."""

    def __init__(self, scorer: Scorer, aligner: Aligner, sentences: TextEncoder, *, every_window: bool) -> None:
        self._scorer = scorer
        self._aligner = aligner
        self._sentences = sentences
        self._every_window = every_window
        self._fails = False

    @property
    def info(self) -> ModelInfo:
        return self._scorer.info

    @property
    def frame_size(self) -> tuple[int, int]:
        return self._scorer.frame_size

    @property
    def max_batch(self) -> int:
        return self._scorer.max_batch

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        judgements = list(self._scorer.score(windows))
        wanting = [
            (place, window)
            for place, (window, judgement) in enumerate(zip(windows, judgements, strict=False))
            if any(map(self._wants, _all(judgement)))
        ]
        said = [each for place, _ in wanting for each in _all(judgements[place])]
        texts = [text for each in said for text in (each.text, response_of(each)) if text]  # cleaning asks for both
        found = self._align([window for _, window in wanting], texts)
        if found:
            for (place, _), vector in zip(wanting, found[0], strict=True):
                judgements[place] = self._with_vector(judgements[place], vector)
        return judgements

    def forget(self, camera: str) -> None:
        self._scorer.forget(camera)
        self._aligner.forget(camera)

    def close(self) -> None:
        self._scorer.close()
        self._aligner.close()

    def _wants(self, judgement: Judgement) -> bool:
        return judgement.score is not None and (self._every_window or bool(judgement.text))

    def _with_vector(self, judgement: Judgement, vector: Vector) -> Judgement:
        further = {name: self._with_vector(other, vector) for name, other in judgement.further.items()}
        return replace(judgement, vector=vector if self._wants(judgement) else None, further=further)

    def _align(self, windows: Sequence[Window], texts: Sequence[str]) -> tuple[Floats, Floats] | None:
        """Vectors of windows and of sentences; None when they can't be had. Tells of the first failure of a row."""
        if not windows:
            return None
        try:
            # Sentences first: cleaning can go by what they mean where nobody can look at pictures, and finds them here.
            said = self._sentences.embed(texts)
            found = self._aligner.look(windows), said
        except DeviceLostError:
            raise
        except Exception as error:  # whatever a model raises, judgements are worth having without vectors
            if not self._fails:
                reason = error.message if isinstance(error, VigilError) else f"{type(error).__name__}: {error}"
                log.error("no cleaning until pictures and sentences can be compared again: %s", reason)
                log.debug("that was", exc_info=True)
            self._fails = True
            return None
        if self._fails:
            log.info("pictures and sentences can be compared again: cleaning goes on")
        self._fails = False
        return found


class AlignedLanguageScorer(AlignedScorer):
    """A `LanguageScorer` around another one. Made by `aligned`."""

    _scorer: LanguageScorer

    def define(self, camera: str, definitions: Sequence[Definition]) -> None:
        self._scorer.define(camera, definitions)

    def info_for(self, definition: Definition) -> ModelInfo:
        return self._scorer.info_for(definition)

    def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
        for step in self._scorer.explain(requests):
            places = [place for place, explanation in step.items() if explanation.text]
            found = self._align(
                [requests[place].window for place in places], [step[place].text or "" for place in places]
            )
            done = dict(step)
            if found:
                for place, vector, text_vector in zip(places, *found, strict=True):
                    done[place] = replace(step[place], vector=vector, text_vector=text_vector)
            yield done


def _all(judgement: object) -> Iterator[Judgement]:
    """A judgement by each definition; none of what is no judgement, which others find out."""
    if isinstance(judgement, Judgement):
        yield judgement
        yield from judgement.further.values()
