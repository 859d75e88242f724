from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.internvl2.tree import Tree, common_prefix, make_tree

# Two questions, 5 6 7 and 5 6 8, with the answers 1 2 or 3 and 1 2 4 or 3 2.
QUESTIONS = [[[5, 6, 7, 1, 2], [5, 6, 7, 3]], [[5, 6, 8, 1, 2, 4], [5, 6, 8, 3, 2]]]


def path(tree: Tree, place: int) -> list[int]:
    """The tokens from the root to a place."""
    found: list[int] = []
    while place >= 0:
        found.insert(0, tree.tokens[place])
        place = tree.parents[place]
    return found


def test_what_is_shared_is_there_once_and_last_tokens_are_not() -> None:
    tree = make_tree(QUESTIONS)
    assert tree.tokens == (5, 6, 7, 1, 8, 1, 2, 3)
    assert tree.parents == (-1, 0, 1, 2, 1, 4, 5, 4)
    assert list(tree.depths()) == [0, 1, 2, 3, 2, 3, 4, 3]


def test_answers_are_what_differs_and_name_what_they_follow() -> None:
    first, second = make_tree(QUESTIONS).questions
    assert [(answer.follows, answer.tokens) for answer in first] == [((2, 3), (1, 2)), ((2,), (3,))]
    assert [(answer.follows, answer.tokens) for answer in second] == [((4, 5, 6), (1, 2, 4)), ((4, 7), (3, 2))]


def test_a_token_sees_itself_and_its_ancestors_only() -> None:
    sight = make_tree(QUESTIONS).sight()
    assert np.array_equal(sight[3], [True, True, True, True, False, False, False, False])
    assert np.array_equal(sight[7], [True, True, False, False, True, False, False, True])
    assert not np.triu(sight, 1).any()


tokens = st.lists(st.integers(0, 2), min_size=1, max_size=6)


@given(st.lists(st.tuples(tokens, st.lists(tokens, min_size=2, max_size=4)), min_size=1, max_size=4))
def test_every_answer_can_be_read_back_from_the_tree(drawn: list[tuple[list[int], list[list[int]]]]) -> None:
    # A last token that no other answer has, so that none is the beginning of another.
    questions = [
        [[9, *beginning, *answer, 10 + number] for number, answer in enumerate(answers)] for beginning, answers in drawn
    ]
    tree = make_tree(questions)
    for sequences, answers in zip(questions, tree.questions, strict=True):
        begin = common_prefix(sequences)
        for sequence, answer in zip(sequences, answers, strict=True):
            assert list(answer.tokens) == sequence[begin:]
            for number, place in enumerate(answer.follows):
                assert path(tree, place) == sequence[: begin + number]
                assert tree.depths()[place] == begin + number - 1
                seen = [tree.tokens[other] for other in np.flatnonzero(tree.sight()[place])]
                assert seen == sequence[: begin + number]
    assert len({tuple(path(tree, place)) for place in range(len(tree.tokens))}) == len(tree.tokens)


def test_the_common_prefix_ends_at_the_first_difference_or_the_shortest_end() -> None:
    assert common_prefix([[1, 2, 3], [1, 2, 4]]) == 2
    assert common_prefix([[1, 2], [1, 2, 4]]) == 2
    assert common_prefix([[1], [2]]) == 0
