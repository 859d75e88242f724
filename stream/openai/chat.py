"""Asks a model behind a pool of servers, and finds out how these servers can be asked. Knows no window and no scoring.

The best way is to begin the model's reply for it and to read the likelihoods of the next token. A server that can't
begin replies is asked for the first few tokens, and the answer is sought in them. One that tells no likelihoods can
only be asked to write.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import ScorerError
from engine.scoring import Question
from stream.openai.answers import answer_place, begins_with_a_fence, likelihoods
from stream.openai.pool import Route
from stream.openai.server import Rejected
from stream.openai.wire import Choice, Completion, Part, weighing, writing

log = logging.getLogger(__name__)

SOUGHT_TOKENS = 8  # a code fence takes two or three, and the answer follows

_PATH = "/chat/completions"


class NoLikelihoodsError(ScorerError):
    """The servers do not say how likely answers are."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What questions about the same pictures have in common: what comes before them, the way, and the time."""

    route: Route
    before: Sequence[Part]
    deadline_s: float


class Chat:
    """Used on one event loop only; what it found out may be looked at from any thread."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.weighs = True  # whether servers tell likelihoods, as far as is known
        self._begins = True  # whether they let replies be begun

    async def weigh(self, talk: Talk, question: Question) -> Sequence[float]:
        """The logarithm of how likely each answer is. Raises ScorerError, NoLikelihoodsError among them."""
        obstacle: ScorerError | None = None
        for at_once in (True, False) if self._begins else (False,):
            tokens = 1 if at_once else SOUGHT_TOKENS
            body = weighing(self._model, talk.before, question, at_once=at_once, most_tokens=tokens)
            try:
                choice = await _choice(talk, body)
            except Rejected as rejection:
                obstacle = obstacle or rejection
                continue
            if not choice.tokens:
                if not choice.message.content:
                    raise ScorerError("the model's reply is empty")
                raise NoLikelihoodsError("the server tells no likelihoods")
            place = 0 if at_once else answer_place(choice.tokens)
            top = [] if place is None else choice.tokens[place].top_logprobs
            if at_once and begins_with_a_fence(top):
                obstacle = ScorerError("they begin anew")
                continue
            found = likelihoods(top, question.answers)
            if found is None:
                raise ScorerError("the model's reply begins with none of the answers")
            if obstacle:
                self._begin_no_more(obstacle)
            return found
        raise NoLikelihoodsError(obstacle.message if obstacle else "they can't be asked")

    async def write(self, talk: Talk, question: Question, most_tokens: int) -> str:
        """What the model writes; of a reply that was begun for it the rest, or all of it. Raises ScorerError."""
        if not question.opening or not self._begins:
            return await self._write(talk, question, most_tokens, forced=False)
        try:
            return await self._write(talk, question, most_tokens, forced=True)
        except Rejected as rejection:
            written = await self._write(talk, question, most_tokens, forced=False)
            self._begin_no_more(rejection)
            return written

    def weigh_no_more(self, why: ScorerError) -> None:
        """The servers write, but do not say how likely it is."""
        if self.weighs:
            log.warning("verdicts are written out, which is slower and knows only 0 and 1: %s", why.message)
        self.weighs = False

    async def _write(self, talk: Talk, question: Question, most_tokens: int, *, forced: bool) -> str:
        body = writing(self._model, talk.before, question, forced=forced, most_tokens=most_tokens)
        return (await _choice(talk, body)).message.content or ""

    def _begin_no_more(self, why: ScorerError) -> None:
        if self._begins:
            log.warning("replies can't be begun for the model, so a few tokens more are written: %s", why.message)
        self._begins = False


async def _choice(talk: Talk, body: bytes) -> Choice:
    return (await talk.route.ask(_PATH, Completion, body, talk.deadline_s)).choices[0]
