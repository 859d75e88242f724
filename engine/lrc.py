"""Local Response Cleaning: of its own and its neighbours' answers, a window gets the one that fits its picture best.

CoReVAD's step (arXiv 2605.23116), in causal form: offline each answer is compared with both neighbours; here with the
window before, and with the one after only by amending what was said already. Knows no camera, time or model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.cleaning import Cleaned
from engine.encoder import TextEncoder, vector_of
from engine.errors import UsageError
from engine.scoring import is_anomalous
from engine.types import Judgement, Vector


class Replaces(StrEnum):
    """What a window takes over from a neighbour whose answer fits it better."""

    SCORE_AND_TEXT = "score_and_text"  # as published, where a score is nothing but the answer's verdict
    TEXT = "text"  # for scores that were measured for this very window


@dataclass(frozen=True, slots=True)
class LrcSettings:
    look_ahead: int = 0  # windows: 1 amends each judgement when the next window has come
    replaces: Replaces = Replaces.SCORE_AND_TEXT

    def __post_init__(self) -> None:
        if self.look_ahead not in (0, 1):
            raise UsageError(f"cleaning looks {self.look_ahead} windows ahead", advice="it must be 0 or 1")


class _Answer(NamedTuple):
    judgement: Judgement  # as it was pushed
    seen: Vector  # [D], the window's
    response: NDArray[np.floating]  # [D], the whole response's vector


class LocalResponseCleaning:
    """A `Cleaner` for judgements with vectors in the encoder's space.

    An answer is a known judgement with a text and a vector. Only answers are cleaned, and only answers of neighbours,
    as they were pushed, are taken over: nothing wanders further than one window. A window without a vector, or whose
    text has none, keeps what was said of it, and is no neighbour.
    """

    def __init__(self, encoder: TextEncoder, settings: LrcSettings) -> None:
        self._encoder = encoder
        self._settings = settings
        self._before: _Answer | None = None  # of the window before the newest
        self._newest: _Answer | None = None
        self._chosen: _Answer | None = None  # for the newest window, so far

    def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
        answer, revised = self._answer(judgement), amended
        if amended is not None:
            self._newest, self._chosen = self._answer(amended), None
        if self._newest is not None:
            best = _best(self._newest, self._before, answer if self._settings.look_ahead else None)
            if best is not self._chosen:
                revised = self._take_over(self._newest, best)
        self._before, self._newest, self._chosen = self._newest, answer, None
        if answer is None:
            return Cleaned(judgement, revised)
        self._chosen = _best(answer, self._before)
        return Cleaned(self._take_over(answer, self._chosen), revised)

    def skip(self) -> None:
        self._before = self._newest = self._chosen = None

    def reset(self) -> None:
        self.skip()

    def _answer(self, judgement: Judgement) -> _Answer | None:
        response = response_of(judgement)
        if response is None or judgement.vector is None:  # then nobody has asked for the text's vector either
            return None
        vector = vector_of(self._encoder, response)
        return None if vector is None else _Answer(judgement, judgement.vector, vector)

    def _take_over(self, own: _Answer, best: _Answer) -> Judgement:
        if best is own:
            return own.judgement
        score = best.judgement.score if self._settings.replaces is Replaces.SCORE_AND_TEXT else own.judgement.score
        return replace(own.judgement, score=score, text=best.judgement.text)


def response_of(judgement: Judgement) -> str | None:
    """The whole response as CoReVAD compares it, "<verdict> <sentence>"; None when the judgement is no answer.

    The verdict is written from the score, so a scorer that gives likelihoods has one too.
    """
    if judgement.score is None or not judgement.text:
        return None
    return f"{'Anomalous' if is_anomalous(judgement.score) else 'Normal'} scenes. {judgement.text}"


def _best(own: _Answer, *neighbours: _Answer | None) -> _Answer:
    """The answer with the greatest dot product with the window's vector; its own when another is only as good."""
    candidates = [own, *(neighbour for neighbour in neighbours if neighbour is not None)]
    return max(candidates, key=lambda each: float(each.response @ own.seen))
