"""The `internvl2` scorer: what a frozen InternVL2 thinks of windows. Knows no camera but by its name.

Every window is scored; a sentence is written only for those whose score calls for one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from engine.errors import UsageError
from engine.internvl2.budget import TokenBudget
from engine.internvl2.features import FrameFeatures
from engine.internvl2.load import InternVL2
from engine.internvl2.reading import Reading, Seen
from engine.internvl2.scoring import Scoring, Wording, questions, rest_of_reply, scores, whole_reply
from engine.prompts.texts import prompt_text
from engine.replies import parse_reply, sentence_of
from engine.types import Judgement, ModelInfo, Window

SENTENCE_TOKENS = 48  # at most; "one short sentence" takes about 20
REPLY_TOKENS = 64


@dataclass(frozen=True, slots=True)
class InternVL2Settings:
    """What is asked and how much at once. Windows with scores from `explain_above` on get a sentence."""

    scoring: Scoring = Scoring.LIKELIHOOD
    wording: Wording = field(default_factory=Wording)
    explain_above: float = 0.5
    batch_tokens: int = 32768  # of the language model in one pass; a window of 8 frames takes about 2400
    kept_frames: int = 1024  # whose features are remembered; 2 MiB each for 8B in bfloat16

    def __post_init__(self) -> None:
        if self.batch_tokens < 1 or self.kept_frames < 0:
            raise UsageError("internvl2: batch_tokens is at least 1 and kept_frames at least 0")


class InternVL2Scorer:
    """A `Scorer` with a loaded checkpoint, which it may share with others. `name` is how alerts call the model."""

    max_batch = 64

    def __init__(self, internvl2: InternVL2, settings: InternVL2Settings, *, name: str) -> None:
        self._settings = settings
        self._reading = Reading(internvl2, prompt_text("task"))
        self._features = FrameFeatures(internvl2, settings.kept_frames)
        self._budget = TokenBudget(settings.batch_tokens)
        asked = questions(settings.scoring, settings.wording)
        self._exam = self._reading.exam(asked) if asked else None
        self._whole = whole_reply(settings.wording)
        self._rest = {said: rest_of_reply(settings.wording, anomalous=said) for said in (True, False)}
        self.frame_size = (internvl2.image_size_px, internvl2.image_size_px)
        texts = [settings.scoring.value, *(self._reading.text(1, question) for question in (*asked, self._whole))]
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        self.info = ModelInfo("internvl2", name, prompt_sha256=digest)

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        judged: dict[int, Judgement] = {}
        for frames in sorted({len(window.frames) for window in windows}):
            places = [place for place, window in enumerate(windows) if len(window.frames) == frames]
            tokens_each = self._reading.length(frames) + (self._exam.length if self._exam else REPLY_TOKENS)
            judgements = self._budget.spend([windows[place] for place in places], tokens_each, self._judge)
            judged |= zip(places, judgements, strict=True)
        return [judged[place] for place in range(len(windows))]

    def forget(self, camera: str) -> None:
        self._features.forget(camera)

    def close(self) -> None:
        self._features.clear()

    def _judge(self, windows: Sequence[Window]) -> list[Judgement]:
        """Windows of equally many frames."""
        with torch.inference_mode():
            seen = self._reading.see(self._features.of(windows), len(windows[0].frames))
            if self._exam is None:
                return self._written(seen, len(windows))
            likelihoods = self._reading.weigh(seen, self._exam).cpu().numpy()
            found = [float(score) for score in scores(self._settings.scoring, likelihoods)]
            sentences = self._sentences(seen, found)
        return [
            Judgement(score, text=sentences.get(row))
            if math.isfinite(score)
            else Judgement.unknown("the model's numbers are not finite")
            for row, score in enumerate(found)
        ]

    def _written(self, seen: Seen, count: int) -> list[Judgement]:
        judgements = []
        for text in self._reading.write(seen, range(count), self._whole, REPLY_TOKENS):
            reply = parse_reply(text)
            if reply.anomalous is None:
                judgements.append(Judgement.unknown("the model's reply has no verdict"))
            else:
                judgements.append(Judgement(float(reply.anomalous), text=reply.sentence))
        return judgements

    def _sentences(self, seen: Seen, found: Sequence[float]) -> dict[int, str | None]:
        """What happens in the windows that need a sentence, by row: it has to fit the score."""
        sentences: dict[int, str | None] = {}
        for anomalous in self._rest:
            rows = [
                row
                for row, score in enumerate(found)
                if score >= self._settings.explain_above and (score >= 0.5) is anomalous
            ]
            if rows:
                texts = self._reading.write(seen, rows, self._rest[anomalous], SENTENCE_TOKENS)
                sentences |= zip(rows, map(sentence_of, texts), strict=True)
        return sentences
