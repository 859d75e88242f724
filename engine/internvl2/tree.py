"""Many continuations of one text as one tree of tokens, so that what they share is computed once. Knows no model.

The tree is laid out as a single sequence in which a token sees only its own ancestors; its depth is its position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Answer:
    """One weighed answer: each of its tokens, and the place in the tree of the token that it follows."""

    follows: tuple[int, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """`tokens[i]` follows `tokens[parents[i]]`, or the text before the tree where the parent is -1."""

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    questions: tuple[tuple[Answer, ...], ...]  # as they were given

    @property
    def is_path(self) -> bool:
        """Whether each token follows the one before it."""
        return self.parents == tuple(range(-1, len(self.parents) - 1))

    def depths(self) -> NDArray[np.int64]:
        """[L]: how many ancestors each token has."""
        found = np.zeros(len(self.tokens), np.int64)
        for place, parent in enumerate(self.parents):
            found[place] = 0 if parent < 0 else found[parent] + 1
        return found

    def sight(self) -> NDArray[np.bool_]:
        """[L, L]: whether the row's token sees the column's, which is itself or an ancestor."""
        found = np.eye(len(self.tokens), dtype=np.bool_)
        for place, parent in enumerate(self.parents):
            if parent >= 0:
                found[place] |= found[parent]
        return found


def make_tree(questions: Sequence[Sequence[Sequence[int]]]) -> Tree:
    """A tree of token sequences [question][answer]; all of a question's sequences begin alike.

    An answer is what comes after that common beginning. Its last token is weighed but nothing follows it, so it is
    not in the tree.
    """
    tokens: list[int] = []
    parents: list[int] = []
    children: dict[tuple[int, int], int] = {}  # (parent, token) -> place

    def place_of(sequence: Sequence[int]) -> list[int]:
        path = [-1]
        for token in sequence:
            child = children.setdefault((path[-1], token), len(tokens))
            if child == len(tokens):
                tokens.append(token)
                parents.append(path[-1])
            path.append(child)
        return path[1:]

    found = []
    for sequences in questions:
        begin = common_prefix(sequences)
        answers = []
        for sequence in sequences:
            path = place_of(sequence[:-1])
            answers.append(Answer(tuple(path[begin - 1 :]), tuple(sequence[begin:])))
        found.append(tuple(answers))
    return Tree(tuple(tokens), tuple(parents), tuple(found))


def common_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """How many first elements all of `sequences` share."""
    shortest = min(sequences, key=len)
    for place, element in enumerate(shortest):
        if any(sequence[place] != element for sequence in sequences):
            return place
    return len(shortest)
