"""Asks a model behind a pool of servers, and finds out how each server can be asked. Knows no window and no scoring.

The best way is to begin the model's reply for it and to read the likelihoods of the next token. A server that can't
begin replies is asked for the first few tokens, and the answer is sought in them. One that tells no likelihoods can
only be asked to write.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import ScorerError
from engine.scoring import Question
from stream.openai.answers import answer_place, begins_with_a_fence, likelihoods
from stream.openai.pool import Body, Route
from stream.openai.server import Rejected, Server
from stream.openai.skill import Skill
from stream.openai.wire import TOP_LOGPROBS, Choice, Completion, Part, weighing, writing

log = logging.getLogger(__name__)

SOUGHT_TOKENS = 8  # a code fence takes two or three, and the answer follows

_PATH = "/chat/completions"
_LIMIT = re.compile(r"logprobs.*\b(?:max\w*|most|less than or equal to|up to)\b\D{0,20}(\d+)", re.IGNORECASE)


class NoLikelihoodsError(ScorerError):
    """A server does not say how likely answers are."""

    def __init__(self, message: str, server: Server) -> None:
        super().__init__(message)
        self.server = server


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
        self._weighing = Skill("verdicts are written out, which is slower and knows only 0 and 1")
        self._beginning = Skill("replies can't be begun for the model, so a few tokens more are written")
        self._most: dict[Server, int] = {}  # likelihoods a token, of servers that give fewer than usual

    @property
    def weighs(self) -> bool:
        """Whether all servers tell likelihoods, as far as is known."""
        return not self._weighing.is_lacking

    async def weigh(self, talk: Talk, question: Question) -> Sequence[float]:
        """The logarithm of how likely each answer is. Raises ScorerError, NoLikelihoodsError among them."""
        asked = _Asked(self._beginning)

        def body(server: Server) -> bytes:
            if not self._weighing.expected_of(server):
                raise NoLikelihoodsError("the server tells no likelihoods", server)
            at_once = asked.begins(server)
            tokens = 1 if at_once else SOUGHT_TOKENS
            asked.most = most = self._most.get(server, TOP_LOGPROBS)
            return weighing(self._model, talk.before, question, at_once=at_once, most_tokens=tokens, most=most)

        while True:
            try:
                choice = await _choice(talk, body)
            except Rejected as rejection:
                if self._was_too_many(asked, rejection):
                    continue
                if not asked.begun:
                    why = asked.obstacles.get(asked.server, rejection)
                    raise NoLikelihoodsError(why.message, asked.server) from rejection
                asked.obstacles[asked.server] = rejection
                continue
            if not choice.tokens:
                if not choice.message.content:
                    raise ScorerError("the model's reply is empty")
                raise NoLikelihoodsError("the server tells no likelihoods", asked.server)
            place = 0 if asked.begun else answer_place(choice.tokens)
            top = [] if place is None else choice.tokens[place].top_logprobs
            if asked.begun and begins_with_a_fence(top):
                asked.obstacles[asked.server] = ScorerError("they begin anew")
                continue
            found = likelihoods(top, question.answers)
            if found is None:
                raise ScorerError("the model's reply begins with none of the answers")
            asked.settle()
            self._weighing.has(asked.server)
            return found

    async def write(self, talk: Talk, question: Question, most_tokens: int) -> str:
        """What the model writes; of a reply that was begun for it the rest, or all of it. Raises ScorerError."""
        asked = _Asked(self._beginning)

        def body(server: Server) -> bytes:
            forced = asked.begins(server, wanted=bool(question.opening))
            return writing(self._model, talk.before, question, forced=forced, most_tokens=most_tokens)

        while True:
            try:
                choice = await _choice(talk, body)
            except Rejected as rejection:
                if not asked.begun:
                    raise
                asked.obstacles[asked.server] = rejection
                continue
            asked.settle()
            return choice.message.content or ""

    def weigh_no_more(self, talk: Talk, why: NoLikelihoodsError) -> None:
        """The server that just wrote does not say how likely that is, if it is the one."""
        if talk.route.server is why.server:
            self._weighing.lacks(why.server, why)

    def _was_too_many(self, asked: _Asked, rejection: Rejected) -> bool:
        """Whether a server rejects only that so many likelihoods are wanted: then it is asked for fewer."""
        found = _LIMIT.search(rejection.message)
        limit = int(found[1]) if found else 0
        if not 2 <= limit < asked.most:
            return False
        if limit < self._most.get(asked.server, TOP_LOGPROBS):
            self._most[asked.server] = limit
            log.warning("%s tells likelihoods of %d tokens only, so scores are coarser", asked.server.name, limit)
        return True


class _Asked:
    """To whom a question was put last, and how: whether the reply was begun, and how many likelihoods were wanted."""

    server: Server
    begun = False
    most = 0

    def __init__(self, beginning: Skill) -> None:
        self._beginning = beginning
        self.obstacles: dict[Server, ScorerError] = {}  # why a server's replies are not begun for this question

    def begins(self, server: Server, *, wanted: bool = True) -> bool:
        self.server = server
        self.begun = wanted and server not in self.obstacles and self._beginning.expected_of(server)
        return self.begun

    def settle(self) -> None:
        """It was answered: what stood in the way of beginning the reply was just that."""
        if obstacle := self.obstacles.get(self.server):
            self._beginning.lacks(self.server, obstacle)
        elif self.begun:
            self._beginning.has(self.server)


async def _choice(talk: Talk, body: Body) -> Choice:
    return (await talk.route.ask(_PATH, Completion, body, talk.deadline_s)).choices[0]
