"""What is abnormal in windows of events, in a sentence, and where. Has no score of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from engine.grounding import parse_boxes
from engine.internvl2.budget import TokenBudget
from engine.internvl2.features import FrameFeatures
from engine.internvl2.reading import Reading
from engine.internvl2.seen import joined
from engine.replies import sentence_of
from engine.scorer import Explanation, Request
from engine.scoring import Question, Wording, event_explanation, whereabouts
from engine.types import Window

SENTENCE_TOKENS = 48  # at most; "one short sentence" takes about 20
BOXES_TOKENS = 96  # about five boxes

Asked = tuple[Window, Question]


class Explainer:
    """Explains in steps of one window read, or a few tokens written; nothing stays behind in `features`."""

    def __init__(
        self, reading: Reading, features: FrameFeatures, budget: TokenBudget, questions: tuple[str, ...]
    ) -> None:
        self._reading = reading
        self._features = features
        self._budget = budget
        self._questions = questions

    def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
        """What each step finished, by the requests' places: sentences first, then those with boxes."""
        asked = {
            place: (request.window, event_explanation(self._wording(request), request.said))
            for place, request in enumerate(requests)
            if request.sentence is None
        }
        located = {place: request.sentence for place, request in enumerate(requests) if request.sentence is not None}
        for step in self._replies(asked, SENTENCE_TOKENS):
            finished: dict[int, Explanation] = {}
            for place, reply in step.items():
                sentence = sentence_of(reply)
                if sentence and requests[place].boxes:
                    located[place] = sentence
                else:
                    finished[place] = Explanation(sentence, reason="" if sentence else "the model wrote no sentence")
            yield finished
        asked = {place: (_worst(requests[place]), whereabouts(sentence)) for place, sentence in located.items()}
        for step in self._replies(asked, BOXES_TOKENS):
            yield {place: Explanation(located[place], boxes=parse_boxes(reply)) for place, reply in step.items()}

    def _wording(self, request: Request) -> Wording:
        return Wording(request.definition, self._questions)

    def _replies(self, asked: Mapping[int, Asked], most_tokens: int) -> Iterator[dict[int, str]]:
        """The replies that each step finished, by the keys of what was asked."""
        for frames in sorted({len(window.frames) for window, _ in asked.values()}):
            alike = {place: each for place, each in asked.items() if len(each[0].frames) == frames}
            longest = max(self._reading.length_after(question) for _, question in alike.values())
            tokens_each = self._reading.length(frames) + longest + most_tokens
            places = iter(alike)
            work = partial(self._reply, most_tokens=most_tokens)
            for replies in self._budget.in_steps(list(alike.values()), tokens_each, work):
                yield {place: reply for reply, place in zip(replies, places, strict=False)}

    def _reply(self, batch: Sequence[Asked], most_tokens: int) -> Iterator[Sequence[str]]:
        """Windows of equally many frames: each is read in a step of its own, and then all replies are written together.

        One window keeps a device about as busy as several do, and others wait no longer than it takes.
        """
        parts = []
        for window, _ in batch:
            parts.append(self._reading.see(self._features.of([window], keep=False), len(window.frames)))
            yield ()
        questions = [question for _, question in batch]
        yield from self._reading.writing(joined(parts), range(len(batch)), questions, most_tokens)


def _worst(request: Request) -> Window:
    """The worst frame alone."""
    return replace(request.window, frames=(request.window.frames[request.worst],))
