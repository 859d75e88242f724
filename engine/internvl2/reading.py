"""The language model's passes over windows: their frames once, then any number of short questions about them.

A prompt is a beginning that never changes, the frames, and a question. The beginning's keys and values are computed
once; the frames' are computed by `see` and serve every question asked and every reply written afterwards. Windows of
one batch have equally many frames, so nothing is padded. `plain` does the same without any of this.
Knows no score and no camera.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from engine.internvl2.load import InternVL2
from engine.internvl2.prompt import video_question
from engine.internvl2.scoring import Question
from engine.internvl2.tree import Tree, make_tree

_log = logging.getLogger(__name__)

_LOOK_EVERY = 8  # tokens written between two looks at whether all replies are over; each look waits for the device


@dataclass(slots=True)
class Seen:
    """What is left of a pass over the frames of B windows: the keys and values of `length` tokens each."""

    cache: DynamicCache
    length: int


class Exam:
    """Questions with answers to weigh, laid out as one tree of tokens on the model's device."""

    def __init__(self, internvl2: InternVL2, tree: Tree) -> None:
        device = internvl2.model.device
        self.length = len(tree.tokens)
        self.embedded = internvl2.embed(torch.tensor([tree.tokens]))  # [1, L, D]
        self.depths = torch.from_numpy(tree.depths()).to(device)  # [L]
        self.sight = torch.from_numpy(tree.sight()).to(device)  # [L, L]
        self.shape = (len(tree.questions), len(tree.questions[0]))
        answers = [answer for question in tree.questions for answer in question]
        places = sorted({place for answer in answers for place in answer.follows})
        self.places = torch.tensor(places, device=device)  # [U] whose next tokens are weighed
        rows: list[int] = []
        tokens: list[int] = []
        owners: list[int] = []
        for number, answer in enumerate(answers):
            rows += [places.index(place) for place in answer.follows]
            tokens += answer.tokens
            owners += [number] * len(answer.tokens)
        self.rows, self.tokens, self.owners = (torch.tensor(values, device=device) for values in (rows, tokens, owners))


class Reading:
    """Reads windows with one prompt, which begins with `task`. The language model is its own: it changes its ways."""

    def __init__(self, internvl2: InternVL2, task: str) -> None:
        self._internvl2 = internvl2
        self._task = task
        self._language = internvl2.model.model.language_model
        self._language.set_attn_implementation("sdpa")  # takes any mask; what each token sees is decided here
        _hold_rope(self._language)
        self._frames: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        beginning, _, _ = self._parts(1, Question(""))
        with torch.inference_mode():
            self._prefix = self._prefill(beginning)
        self._begun = len(beginning)

    def text(self, frames: int, question: Question) -> str:
        """The whole prompt and how the reply begins."""
        return prompt_of(self._internvl2, self._task, frames, question)

    def exam(self, questions: Sequence[Question]) -> Exam:
        """Lay out questions that have equally many answers each."""
        sequences = [[self._after_frames(question, answer) for answer in question.answers] for question in questions]
        with torch.inference_mode():
            return Exam(self._internvl2, make_tree(sequences))

    def length(self, frames: int) -> int:
        """How many tokens come before a question about so many frames."""
        return self._begun + int(self._body(frames)[0].shape[1])

    def see(self, features: torch.Tensor, frames: int) -> Seen:
        """Read windows of so many frames each, with features [B, frames * T, D]."""
        embedded, places = self._body(frames)
        embedded = embedded.repeat(len(features), 1, 1)  # [B, L, D]
        embedded[:, places] = features.to(embedded.dtype)
        cache = DynamicCache(config=self._language.config)
        for layer, (keys, values) in enumerate(self._prefix):
            cache.update(keys.expand(len(features), -1, -1, -1), values.expand(len(features), -1, -1, -1), layer)
        seen = Seen(cache, self._begun)
        self._forward(seen, embedded)
        return seen

    def weigh(self, seen: Seen, exam: Exam) -> torch.Tensor:
        """The logarithm of how likely each answer is: float32 [B, Q, A], on the device."""
        batch = len(_states(seen.cache)[0][0])
        hidden = self._forward(seen, exam.embedded.expand(batch, -1, -1), exam)
        logits = self._internvl2.model.lm_head(hidden[:, exam.places])  # [B, U, V]
        found = logits.float().log_softmax(-1)[:, exam.rows, exam.tokens]  # [B, tokens of all answers]
        sums: torch.Tensor = found.new_zeros(batch, exam.shape[0] * exam.shape[1]).index_add_(1, exam.owners, found)
        return sums.view(batch, *exam.shape)

    def write(self, seen: Seen, rows: Sequence[int], question: Question, most_tokens: int) -> list[str]:
        """Have the model write the rest of its replies to a question about some of the windows, greedily."""
        model, stop = self._internvl2.model, self._internvl2.stop_token_id
        chosen = torch.tensor(rows, device=model.device)
        cache = DynamicCache(config=self._language.config)
        for layer, (keys, values) in enumerate(_states(seen.cache)):
            cache.update(keys[chosen], values[chosen], layer)
        own = Seen(cache, seen.length)
        following = torch.tensor([self._after_frames(question)]).expand(len(rows), -1)
        written: list[torch.Tensor] = []
        over = torch.zeros(len(rows), dtype=torch.bool, device=model.device)
        while len(written) < most_tokens:
            hidden = self._forward(own, self._internvl2.embed(following))
            following = model.lm_head(hidden[:, -1:]).argmax(-1)  # [B, 1]
            written.append(following)
            over |= following[:, 0] == stop
            if len(written) % _LOOK_EVERY == 0 and bool(over.all()):
                break
        return [text_of(self._internvl2, ids) for ids in torch.cat(written, dim=1).tolist()]

    def _forward(self, seen: Seen, embedded: torch.Tensor, exam: Exam | None = None) -> torch.Tensor:
        """The last hidden states [B, L, D] of what follows what was seen. What is asked in an exam is not kept."""
        count = embedded.shape[1]
        own = torch.ones(count, count, dtype=torch.bool, device=embedded.device).tril() if exam is None else exam.sight
        depths = torch.arange(count, device=embedded.device) if exam is None else exam.depths
        sight = torch.cat([own.new_ones(count, seen.length), own], dim=1)  # [L, seen + L]
        output = self._language(
            inputs_embeds=embedded,
            attention_mask=sight[None, None],
            position_ids=(depths + seen.length)[None],
            past_key_values=seen.cache,
            use_cache=True,
        )
        if exam is None:
            seen.length += count
        else:
            seen.cache.crop(-count)
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _prefill(self, ids: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values of a text at the beginning, of each layer: [1, H, L, D]."""
        seen = Seen(DynamicCache(config=self._language.config), 0)
        self._forward(seen, self._internvl2.embed(torch.tensor([ids])))
        return _states(seen.cache)

    def _body(self, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What stands between beginning and question: its input [1, L, D], and the places of features in it."""
        if frames not in self._frames:
            _, ids, _ = self._parts(frames, Question(""))
            with torch.inference_mode():
                embedded = self._internvl2.embed(torch.tensor([ids]))
            image = self._internvl2.image_token_id
            places = [place for place, token in enumerate(ids) if token == image]
            self._frames[frames] = embedded, torch.tensor(places, device=embedded.device)
            self._warn_if_long(frames)
        return self._frames[frames]

    def _warn_if_long(self, frames: int) -> None:
        most = self._language.config.max_position_embeddings
        if (length := self.length(frames)) > most:
            _log.warning("windows of %d frames take %d tokens; the model was made for %d", frames, length, most)

    def _after_frames(self, question: Question, answer: str = "") -> list[int]:
        return self._parts(1, question, answer)[2]

    def _parts(self, frames: int, question: Question, answer: str = "") -> tuple[list[int], list[int], list[int]]:
        """The ids of a prompt before the first feature, from it to the last one, and after that.

        The tokens around a picture are never joined with their neighbours, so the first part is the same for any
        number of frames and the last part too.
        """
        ids = self._internvl2.tokenizer.encode(self.text(frames, question) + answer)
        image = self._internvl2.image_token_id
        first = ids.index(image)
        end = len(ids) - ids[::-1].index(image)
        return ids[:first], ids[first:end], ids[end:]


def prompt_of(internvl2: InternVL2, task: str, frames: int, question: Question) -> str:
    """The whole prompt of a question about so many frames, and how the reply begins."""
    asked = f"{task}\n{video_question(frames, question.text)}"
    return internvl2.prompt(asked, [1] * frames) + question.opening


def text_of(internvl2: InternVL2, ids: Iterable[int]) -> str:
    """What was written, up to where the model stopped."""
    kept = []
    for token in ids:
        if token == internvl2.stop_token_id:
            break
        kept.append(token)
    return internvl2.tokenizer.decode(kept)


def _states(cache: DynamicCache) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Keys and values of each layer, [B, H, L, D]."""
    layers: Any = cache.layers
    return [(layer.keys, layer.values) for layer in layers]


def _hold_rope(language: Any) -> None:
    """Keep rotary frequencies as they are up to the length that the model was made for, also beyond it.

    "Dynamic" ones change with the longest text of a batch: a window's score would depend on what it is batched with,
    and kept keys would no longer fit. They also cost a wait for the device in every pass.
    """
    rope = language.rotary_emb
    if "dynamic" in rope.rope_type:
        rope.rope_type = "default"
        rope.inv_freq = rope.original_inv_freq.to(rope.inv_freq.device)
