"""Asks about windows: their scores, what happens in them, and where. Knows no thread and no camera.

What is asked, and how a score is had from the answers, is as in the `internvl2` scorer. A window is one request for
each question and definition. One goes ahead: the others begin alike, and the server then remembers how. What fails
makes its window unknown, and no other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from engine.errors import ScorerError
from engine.grounding import parse_boxes
from engine.prompts.texts import prompt_text
from engine.replies import judgement_of, parse_reply, sentence_of
from engine.scorer import Explanation, Request
from engine.scoring import (
    Question,
    Scoring,
    Wording,
    event_explanation,
    explanation,
    questions,
    rest_of_reply,
    scores,
    summary,
    whereabouts,
    whole_reply,
)
from engine.types import Box, Definition, Judgement
from stream.openai.chat import Chat, NoLikelihoodsError, Talk
from stream.openai.pool import Pool
from stream.openai.wire import data_url, video

REPLY_TOKENS = 64  # at most; a verdict and "one short sentence" take about 25
BOXES_TOKENS = 96  # about five boxes
KEPT_QUESTIONS = 256


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """What is asked and how much at once.

    Windows whose score is `explain_above` or more get their sentence with the score; none do where it is None.
    """

    scoring: Scoring = Scoring.LIKELIHOOD
    questions: tuple[str, ...] = ()  # to look by, whatever the definition
    explain_above: float | None = None
    frame_size: tuple[int, int] = (448, 448)  # what InternVL2 sees as one tile
    concurrency: int = 32  # requests at once, over all servers
    timeout_s: float = 30.0  # for a batch of windows, or an explanation

    def __post_init__(self) -> None:
        Wording(questions=self.questions)


class Judging:
    """Used on one event loop only, but for `scoring` and `texts`. Nothing is raised for what servers do."""

    def __init__(self, pool: Pool, chat: Chat, settings: OpenAISettings) -> None:
        self._pool = pool
        self._chat = chat
        self._settings = settings
        self._task = prompt_text("task")
        self._windows = asyncio.Semaphore(settings.concurrency)  # one that was begun is done before others begin
        self._weighed_by = lru_cache(KEPT_QUESTIONS)(self._make_weighed)

    @property
    def scoring(self) -> Scoring:
        """As it is done, which is not as it is wanted where a server tells no likelihoods."""
        return self._settings.scoring if self._chat.weighs else Scoring.FAITHFUL

    def texts(self, definition: Definition) -> list[str]:
        """All that is asked by a definition. Raises UsageError for one that can't be asked by."""
        wording = self._wording(definition)
        said = [
            *questions(self.scoring, wording),
            whole_reply(wording),
            *(rest_of_reply(wording, anomalous=anomalous) for anomalous in (True, False)),
            summary(wording, ()),
            whereabouts(""),
        ]
        return [self._task, *(text for question in said for text in (question.text, question.opening))]

    async def judge(self, frames: Sequence[str], definitions: Sequence[Definition], deadline_s: float) -> Judgement:
        """A window, as data URLs of its frames, by the first definition; with the judgements by the others in it."""
        talk = self._talk(frames, deadline_s)
        ahead, *others = random.sample(definitions, len(definitions))  # lest always the same is late
        async with self._windows:
            found = {ahead.name: await self._judge_by(ahead, talk)}
            judgements = await asyncio.gather(*(self._judge_by(each, talk) for each in others))
        found |= {each.name: judgement for each, judgement in zip(others, judgements, strict=True)}
        first, *further = (each.name for each in definitions)
        return replace(found[first], further={name: found[name] for name in further})

    async def explain(self, request: Request, deadline_s: float) -> Explanation:
        question = event_explanation(self._wording(request.definition), request.said)
        frames = [data_url(frame) for frame in request.window.frames]
        sentence = request.sentence
        try:
            if sentence is None:
                sentence = await self._sentence(self._talk(frames, deadline_s, patient=True), question)
        except ScorerError as error:
            return Explanation(None, reason=error.message)
        if sentence is None:
            return Explanation(None, reason="the model wrote no sentence")
        worst = self._talk([frames[request.worst]], deadline_s, patient=True)
        return Explanation(sentence, boxes=await self._boxes(worst, sentence) if request.boxes else ())

    def _wording(self, definition: Definition) -> Wording:
        return Wording(definition, self._settings.questions)

    def _talk(self, frames: Sequence[str], deadline_s: float, *, patient: bool = False) -> Talk:
        return Talk(self._pool.route(patient=patient), video(self._task, frames), deadline_s)

    def _make_weighed(self, definition: Definition) -> tuple[Question, ...]:
        return questions(self._settings.scoring, self._wording(definition))

    async def _judge_by(self, definition: Definition, talk: Talk) -> Judgement:
        try:
            if self._settings.scoring is Scoring.FAITHFUL:
                return await self._written(definition, talk)
            try:
                return await self._weighed(definition, talk)
            except NoLikelihoodsError as why:
                judgement = await self._written(definition, talk)
                self._chat.weigh_no_more(talk, why)  # as it can write
                return judgement
        except ScorerError as error:
            return Judgement.unknown(error.message)

    async def _weighed(self, definition: Definition, talk: Talk) -> Judgement:
        first, *others = self._weighed_by(definition)
        found = [await self._chat.weigh(talk, first)]
        found += await asyncio.gather(*(self._chat.weigh(talk, each) for each in others))
        score = float(scores(self._settings.scoring, np.array([found], np.float32))[0])
        bound = self._settings.explain_above
        if bound is None or score < bound:
            return Judgement(score)
        try:
            return Judgement(score, text=await self._sentence(talk, explanation(self._wording(definition), score)))
        except ScorerError:
            return Judgement(score)  # better than none

    async def _written(self, definition: Definition, talk: Talk) -> Judgement:
        return judgement_of(await self._chat.write(talk, whole_reply(self._wording(definition)), REPLY_TOKENS))

    async def _sentence(self, talk: Talk, question: Question) -> str | None:
        reply = await self._chat.write(talk, question, REPLY_TOKENS)
        whole = parse_reply(reply)  # where replies can't be begun the verdict comes first
        return sentence_of(reply) if whole.anomalous is None else whole.sentence

    async def _boxes(self, talk: Talk, sentence: str) -> tuple[Box, ...]:
        try:
            return parse_boxes(await self._chat.write(talk, whereabouts(sentence), BOXES_TOKENS))
        except ScorerError:
            return ()  # a sentence without boxes is better than none
