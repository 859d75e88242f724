"""The `internvl2` scorer: what a frozen InternVL2 thinks of windows. Knows no camera but by its name.

Windows are read once, whatever the definitions that they are judged by: all of a camera's are weighed in one pass over
what was seen. A sentence is written when it is asked for, or at once for the windows whose score calls for one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from engine.errors import ScorerError, UsageError
from engine.internvl2.budget import TokenBudget
from engine.internvl2.device import at_work, is_out_of_memory
from engine.internvl2.explainer import SENTENCE_TOKENS, Explainer
from engine.internvl2.features import FrameFeatures
from engine.internvl2.load import InternVL2
from engine.internvl2.reading import Exam, Reading
from engine.internvl2.seen import Seen
from engine.prompts.texts import prompt_text
from engine.replies import judgement_of, sentence_of
from engine.scorer import Explanation, Request
from engine.scoring import (
    USUAL,
    Scoring,
    Wording,
    explanation,
    questions,
    scores,
    summary,
    whereabouts,
    whole_reply,
)
from engine.types import Definition, Judgement, ModelInfo, Window

REPLY_TOKENS = 64
USUAL_FRAMES = 8  # of a window, for a guess at how many fit into a pass
MOST_WINDOWS = 64
KEPT_EXAMS = 256  # each a few hundred tokens and what they see of one another; the one used longest ago goes first

Definitions = tuple[Definition, ...]


@dataclass(frozen=True, slots=True)
class InternVL2Settings:
    """What is asked and how much at once.

    Windows whose score is `explain_above` or more get their sentence with the score; none do where it is None.
    """

    scoring: Scoring = Scoring.LIKELIHOOD
    questions: tuple[str, ...] = ()  # to look by, whatever the definition
    explain_above: float | None = None
    batch_tokens: int = 32768  # of the language model in one pass; a window of 8 frames takes about 2400
    kept_frames: int = 1024  # whose features are remembered; 2 MiB each for 8B in bfloat16

    def __post_init__(self) -> None:
        Wording(questions=self.questions)
        if self.batch_tokens < 1 or self.kept_frames < 0:
            raise UsageError("internvl2: batch_tokens is at least 1 and kept_frames at least 0")


class InternVL2Scorer:
    """A `LanguageScorer` with a loaded checkpoint, which it may share with others. `name` is how alerts call it.

    Raises ScorerError where memory does not suffice for the beginning of a prompt.
    """

    def __init__(self, internvl2: InternVL2, settings: InternVL2Settings, *, name: str) -> None:
        self._settings = settings
        self._name = name
        try:
            with at_work():  # it reads how every prompt begins
                self._reading = Reading(internvl2, prompt_text("task"))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise ScorerError(
                f"{name} leaves too little memory on {internvl2.model.device} to work with",
                advice="use a smaller checkpoint or bfloat16, or free memory",
            ) from error
        self._features = FrameFeatures(internvl2, settings.kept_frames)
        self._budget = TokenBudget(settings.batch_tokens, self._features.make_room)
        self._explainer = Explainer(self._reading, self._features, self._budget, settings.questions)
        self._definitions: dict[str, Definitions] = {}  # each use is a single look or change: any thread may
        self._exam = lru_cache(KEPT_EXAMS)(self._make_exam)
        self._info = lru_cache(KEPT_EXAMS)(self._make_info)
        self.frame_size = (internvl2.image_size_px, internvl2.image_size_px)
        # What fits into one pass: with more, the first windows would wait for the last ones.
        self.max_batch = min(MOST_WINDOWS, max(1, settings.batch_tokens // self._reading.length(USUAL_FRAMES)))

    @property
    def info(self) -> ModelInfo:
        return self._info(USUAL)

    def info_for(self, definition: Definition) -> ModelInfo:
        return self._info(definition)

    def define(self, camera: str, definitions: Sequence[Definition]) -> None:
        if not definitions or len({each.name for each in definitions}) < len(definitions):
            raise UsageError(f"camera {camera} needs a definition, and no two of one name")
        for definition in definitions:
            self._wording(definition)  # raises what is wrong with it here, and not in the scorer's thread
        self._definitions[camera] = tuple(definitions)

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        asked = [self._definitions.get(window.camera, (USUAL,)) for window in windows]
        kinds = {definitions: number for number, definitions in enumerate(dict.fromkeys(asked))}
        judged: dict[int, Judgement] = {}
        with at_work():
            for frames in sorted({len(window.frames) for window in windows}):
                places = [place for place, window in enumerate(windows) if len(window.frames) == frames]
                places.sort(key=lambda place: kinds[asked[place]])  # batches of one kind need no picking of rows
                tokens_each = self._reading.length(frames) + max(self._length_after(asked[place]) for place in places)
                items = [(windows[place], asked[place]) for place in places]
                judged |= zip(places, self._budget.spend(items, tokens_each, self._judge), strict=True)
        return [judged[place] for place in range(len(windows))]

    def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
        steps = self._explainer.explain(requests)
        while True:
            with at_work():  # around each step alone: others work on the device between two
                finished = next(steps, None)
            if finished is None:
                return
            yield finished

    def forget(self, camera: str) -> None:
        self._definitions.pop(camera, None)
        self._features.forget(camera)

    def close(self) -> None:
        self._features.clear()
        self._exam.cache_clear()

    def _wording(self, definition: Definition) -> Wording:
        return Wording(definition, self._settings.questions)

    def _make_exam(self, definitions: Definitions) -> Exam:
        """All questions of all definitions, in order. Not where verdicts are written out."""
        wordings = map(self._wording, definitions)
        return self._reading.exam([each for wording in wordings for each in questions(self._settings.scoring, wording)])

    def _make_info(self, definition: Definition) -> ModelInfo:
        wording = self._wording(definition)
        asked = (
            *questions(self._settings.scoring, wording),
            whole_reply(wording),
            summary(wording, ()),
            whereabouts(""),
        )
        texts = [self._settings.scoring.value, *(self._reading.text(1, question) for question in asked)]
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        return ModelInfo("internvl2", self._name, prompt_sha256=digest)

    def _length_after(self, definitions: Definitions) -> int:
        """How many tokens come after the frames of a window that is judged by these."""
        return REPLY_TOKENS if self._settings.scoring is Scoring.FAITHFUL else self._exam(definitions).length

    def _judge(self, items: Sequence[tuple[Window, Definitions]]) -> list[Judgement]:
        """Windows of equally many frames, each by its own definitions."""
        windows = [window for window, _ in items]
        asked = [definitions for _, definitions in items]
        seen = self._reading.see(self._features.of(windows), len(windows[0].frames))
        each = self._written(seen, asked) if self._settings.scoring is Scoring.FAITHFUL else self._weighed(seen, asked)
        return [_joined(definitions, judgements) for definitions, judgements in zip(asked, each, strict=True)]

    def _written(self, seen: Seen, asked: Sequence[Definitions]) -> list[list[Judgement]]:
        """By each definition of each window: the verdict of a reply."""
        judgements: list[list[Judgement]] = [[] for _ in asked]
        for number in range(max(map(len, asked))):
            rows = [row for row, definitions in enumerate(asked) if number < len(definitions)]
            replies = [whole_reply(self._wording(asked[row][number])) for row in rows]
            for row, text in zip(rows, self._reading.write(seen, rows, replies, REPLY_TOKENS), strict=True):
                judgements[row].append(judgement_of(text))
        return judgements

    def _weighed(self, seen: Seen, asked: Sequence[Definitions]) -> list[list[Judgement]]:
        """By each definition of each window: what the likelihoods of its answers come to."""
        kinds = {each: [row for row, own in enumerate(asked) if own == each] for each in dict.fromkeys(asked)}
        # All of them are on their way before the first is waited for.
        weighed = [self._reading.weigh(seen.pick(rows), self._exam(definitions)) for definitions, rows in kinds.items()]
        found: list[list[float]] = [[] for _ in asked]
        for (definitions, rows), on_device in zip(kinds.items(), weighed, strict=True):
            likelihoods = on_device.cpu().numpy()  # [B, D * Q, A]
            each = likelihoods.reshape(len(rows) * len(definitions), -1, likelihoods.shape[-1])
            values = scores(self._settings.scoring, each).reshape(len(rows), len(definitions))
            for row, own in zip(rows, values.tolist(), strict=True):
                found[row] = own
        sentences = self._sentences(seen, asked, found)
        return [
            [_judgement(score, sentences.get((row, number))) for number, score in enumerate(own)]
            for row, own in enumerate(found)
        ]

    def _sentences(
        self, seen: Seen, asked: Sequence[Definitions], found: Sequence[Sequence[float]]
    ) -> dict[tuple[int, int], str | None]:
        """What happens in the windows that need a sentence at once, by row and definition: it has to fit the score."""
        sentences: dict[tuple[int, int], str | None] = {}
        if (bound := self._settings.explain_above) is None:
            return sentences
        for number in range(max(map(len, asked))):
            rows = [row for row, own in enumerate(found) if number < len(own) and own[number] >= bound]
            rests = [explanation(self._wording(asked[row][number]), found[row][number]) for row in rows]
            texts = self._reading.write(seen, rows, rests, SENTENCE_TOKENS) if rows else []
            sentences |= {(row, number): sentence_of(text) for row, text in zip(rows, texts, strict=True)}
        return sentences


def _judgement(score: float, text: str | None) -> Judgement:
    if math.isfinite(score):
        return Judgement(score, text=text)
    return Judgement.unknown("the model's numbers are not finite")


def _joined(definitions: Definitions, judgements: Sequence[Judgement]) -> Judgement:
    """The judgement by the first definition, with those by the others in it."""
    further = {own.name: judgement for own, judgement in zip(definitions[1:], judgements[1:], strict=True)}
    return replace(judgements[0], further=further)
