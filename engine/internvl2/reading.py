"""The language model's passes over windows: their frames once, then any number of short questions about them.

A prompt is a beginning that never changes, the frames, and a question. The beginning's keys and values are computed
once; the frames' are computed by `see` and serve every question asked and every reply written afterwards. Windows of
one batch have equally many frames, so nothing is padded but questions of different length that replies are written to.
Nor are batches filled up to fixed sizes: nothing here is compiled or planned for a shape (see `device` for the one
kernel that would be), so a batch of another size costs nothing, and rows of padding would cost what windows do.
`plain` does the same without any of this. Knows no score and no camera.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from engine.internvl2.attention import use_attention
from engine.internvl2.load import InternVL2
from engine.internvl2.norms import use_fused_norms
from engine.internvl2.prompt import video_question
from engine.internvl2.seen import ROOM, Seen, cache_argument
from engine.internvl2.tree import Tree, make_tree
from engine.scoring import Question

_log = logging.getLogger(__name__)

# Tokens written between two looks at whether all replies are over; each look waits for the device.
_LOOK_EVERY = 8


class Exam:
    """Questions with answers to weigh, laid out as one tree of tokens on the model's device."""

    def __init__(self, internvl2: InternVL2, tree: Tree) -> None:
        device = internvl2.model.device
        self.length = len(tree.tokens)
        self.ids = torch.tensor([tree.tokens], device=device)  # [1, L]
        self.depths = torch.from_numpy(tree.depths()).to(device)  # [L]
        # [L, L], or None: each sees all before it
        self.sight = None if tree.is_path else torch.from_numpy(tree.sight()).to(device)
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
        self._cache_argument = cache_argument(self._language)
        use_attention(self._language)
        use_fused_norms(self._language)
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
        return Exam(self._internvl2, make_tree(sequences))

    def length(self, frames: int) -> int:
        """How many tokens come before a question about so many frames."""
        return self._begun + int(self._body(frames)[0].shape[1])

    def length_after(self, question: Question) -> int:
        """How many tokens a question and its opening take, after the frames."""
        return len(self._after_frames(question))

    def see(self, features: torch.Tensor, frames: int) -> Seen:
        """Read windows of so many frames each, with features [B, frames * T, D]."""
        embedded, places = self._body(frames)
        embedded = embedded.repeat(len(features), 1, 1)  # [B, L, D]
        embedded[:, places] = features.to(embedded.dtype)
        seen = self._prefix.copies(len(features), embedded.shape[1] + ROOM)
        self._forward(seen, embedded)
        return seen

    def weigh(self, seen: Seen, exam: Exam) -> torch.Tensor:
        """The logarithm of how likely each answer is: float32 [B, Q, A], on the device. Leaves nothing behind."""
        embedded = self._internvl2.embed(exam.ids).expand(seen.windows, -1, -1)
        sight = None
        if exam.sight is not None:
            everything = exam.sight.new_ones(exam.length, seen.length)
            sight = torch.cat([everything, exam.sight], dim=1)[None, None]  # [1, 1, L, seen + L]
        own = seen.pick(range(seen.windows))
        hidden = self._forward(own, embedded, (exam.depths + seen.length)[None], sight)
        logits = self._internvl2.model.lm_head(hidden[:, exam.places])  # [B, U, V]
        found = logits.float().log_softmax(-1)[:, exam.rows, exam.tokens]  # [B, tokens of all answers]
        sums: torch.Tensor = found.new_zeros(seen.windows, exam.shape[0] * exam.shape[1]).index_add_(
            1, exam.owners, found
        )
        return sums.view(seen.windows, *exam.shape)

    def write(self, seen: Seen, rows: Sequence[int], questions: Sequence[Question], most_tokens: int) -> list[str]:
        """Have the model write the rest of its replies, greedily, to a question about each of these windows."""
        return [text for texts in self.writing(seen, rows, questions, most_tokens) for text in texts]

    def writing(
        self, seen: Seen, rows: Sequence[int], questions: Sequence[Question], most_tokens: int
    ) -> Iterator[Sequence[str]]:
        """The same in steps of a few tokens, of which the last one gives all texts and the others none.

        Until then nobody else may use what was seen.
        """
        own = seen.pick(rows)
        asked = [self._after_frames(question) for question in questions]
        longest = max(map(len, asked))
        stop = self._internvl2.stop_token_id
        following = torch.tensor([[stop] * (longest - len(ids)) + ids for ids in asked])  # [B, L], padded on the left
        gaps = torch.tensor([longest - len(ids) for ids in asked])[:, None].to(self._internvl2.model.device)
        padded = any(len(ids) < longest for ids in asked)
        written: list[torch.Tensor] = []
        over = torch.zeros(len(rows), dtype=torch.bool, device=gaps.device)
        while True:
            places = _around_gaps(own.length, following.shape[1], seen.length, gaps) if padded else ()
            hidden = self._forward(own, self._internvl2.embed(following), *places)
            following = self._internvl2.model.lm_head(hidden[:, -1:]).argmax(-1)  # [B, 1]
            written.append(following)
            over |= following[:, 0] == stop
            if len(written) == most_tokens:
                break
            if len(written) % _LOOK_EVERY == 0:
                if bool(over.all()):
                    break
                yield ()
        yield [text_of(self._internvl2, ids) for ids in torch.cat(written, dim=1).tolist()]

    def _forward(
        self,
        seen: Seen,
        embedded: torch.Tensor,
        positions: torch.Tensor | None = None,
        sight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The last hidden states [B, L, D] of what follows what was seen, and is seen from now on.

        Unless `positions` [B, L] and `sight` [B, 1, L, seen + L] say otherwise, each token follows and sees all others
        before it.
        """
        end = seen.length + embedded.shape[1]
        if positions is None:
            positions = torch.arange(seen.length, end, device=embedded.device)[None]
        output = self._language(
            inputs_embeds=embedded,
            attention_mask=sight,
            position_ids=positions,
            use_cache=True,
            **{self._cache_argument: seen},
        )
        seen.length = end
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _prefill(self, ids: Sequence[int]) -> Seen:
        """One text at the beginning."""
        seen = Seen([], 0)
        self._forward(seen, self._internvl2.embed(torch.tensor([ids])))
        return seen

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


def _around_gaps(length: int, count: int, before: int, gaps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions [B, L] and sight [B, 1, L, S] of `count` tokens after `length`, where rows have `gaps` [B, 1].

    From `before` on, so many tokens of a row are padding: nobody sees them, and the others close up.
    """
    places = torch.arange(length + count, device=gaps.device)  # [S]
    own = places[length:]  # [L]
    positions = (own - gaps).clamp(min=before)
    real = (places < before) | (places >= before + gaps)  # [B, S]
    sight = real[:, None] & (places <= own[:, None])  # [B, L, S]
    return positions, sight[:, None]


def _hold_rope(language: Any) -> None:
    """Keep rotary frequencies as they are up to the length that the model was made for, also beyond it.

    "Dynamic" ones change with the longest text of a batch: a window's score would depend on what it is batched with,
    and kept keys would no longer fit. They also cost a wait for the device in every pass.
    """
    rope = language.rotary_emb
    if "dynamic" in rope.rope_type:
        rope.rope_type = "default"
        rope.inv_freq = rope.original_inv_freq.to(rope.inv_freq.device)
