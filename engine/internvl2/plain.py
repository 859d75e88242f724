"""The same answers as `reading` gives, in the plainest way: one window at a time, whole forward passes, nothing kept.

What tests hold the fast path against. Knows no batch and no cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from engine.internvl2.load import InternVL2
from engine.internvl2.reading import prompt_of, text_of
from engine.internvl2.tree import common_prefix
from engine.scoring import Likelihoods, Question
from engine.types import Window


class PlainReading:
    """Reads one window at a time with one prompt, which begins with `task`."""

    def __init__(self, internvl2: InternVL2, task: str) -> None:
        self._internvl2 = internvl2
        self._task = task

    def weigh(self, window: Window, questions: Sequence[Question]) -> Likelihoods:
        """The logarithm of how likely each answer is: [Q, A]."""
        return np.stack([self._weigh(window, question) for question in questions])

    def write(self, window: Window, question: Question, most_tokens: int) -> str:
        """What the model writes after a question's opening, greedily."""
        text = prompt_of(self._internvl2, self._task, len(window.frames), question)
        ids = self._internvl2.tokenizer.encode(text)
        written: list[int] = []
        while len(written) < most_tokens and self._internvl2.stop_token_id not in written:
            written.append(int(self._logits(window, ids + written)[-1].argmax()))
        return text_of(self._internvl2, written)

    def _weigh(self, window: Window, question: Question) -> Likelihoods:
        text = prompt_of(self._internvl2, self._task, len(window.frames), question)
        sequences = [self._internvl2.tokenizer.encode(text + answer) for answer in question.answers]
        begin = common_prefix(sequences)
        sums = []
        for ids in sequences:
            found = self._logits(window, ids).log_softmax(-1)  # [L, V]
            sums.append(sum(float(found[place - 1, ids[place]]) for place in range(begin, len(ids))))
        return np.array(sums, np.float32)

    def _logits(self, window: Window, ids: Sequence[int]) -> torch.Tensor:
        """float32 [L, V] on the CPU, for all ids of a text about a window."""
        internvl2 = self._internvl2
        with torch.inference_mode():
            features = internvl2.image_features(internvl2.pixels([frame.image for frame in window.frames]))
            embedded = internvl2.embed(torch.tensor([ids]), features)
            logits: torch.Tensor = internvl2.model(inputs_embeds=embedded, use_cache=False).logits[0].float().cpu()
        return logits
