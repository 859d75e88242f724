from __future__ import annotations

import math

import pytest

from stream.openai.answers import answer_place, begins_with_a_fence, likelihoods
from stream.openai.wire import Token, TopToken

VERDICTS = ("Anomalous", "Normal")


def top(**probabilities: float) -> list[TopToken]:
    return [TopToken(token, math.log(p)) for token, p in probabilities.items()]


def found(tokens: list[TopToken], answers: tuple[str, ...] = VERDICTS) -> list[float]:
    likely = likelihoods(tokens, answers)
    assert likely is not None
    return [math.exp(each) for each in likely]


def test_a_word_is_as_likely_as_all_its_beginnings_together() -> None:
    assert found(top(An=0.3, Anom=0.2, Anomalous=0.1, Normal=0.25, The=0.01)) == pytest.approx([0.6, 0.25])


def test_spaces_before_a_token_do_not_matter() -> None:
    tokens = [TopToken(" Yes", math.log(0.2)), TopToken("▁Yes", math.log(0.1)), TopToken("No", math.log(0.5))]
    assert found(tokens, ("Yes", "No")) == pytest.approx([0.3, 0.5])


def test_what_only_begins_like_an_answer_is_another_word() -> None:
    assert found(top(No=0.1, Not=0.5, None_=0.2, Yes=0.05), ("Yes", "No")) == pytest.approx([0.05, 0.1])


def test_an_answer_that_is_not_told_is_at_most_as_likely_as_the_least_that_is() -> None:
    assert found(top(Normal=0.9, The=0.001)) == pytest.approx([0.001, 0.9])
    assert found(top(The=0.9, Normal=0.02)) == pytest.approx([0.02, 0.02])  # a doubtful reply is no clear verdict


def test_without_any_answer_nothing_is_known() -> None:
    assert likelihoods(top(The=0.9, Scene=0.1), VERDICTS) is None
    assert likelihoods([], VERDICTS) is None


@pytest.mark.parametrize("logprob", [1e308, -1e308, 0.5])
def test_impossible_numbers_are_bounded(logprob: float) -> None:
    likely = likelihoods([TopToken("An", logprob), TopToken("Normal", -1.0)], VERDICTS)
    assert likely is not None
    assert all(-9999 <= each <= 0 for each in likely)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        (["An", "omalous"], 0),
        (["```", "\n", "An"], 2),
        (["``", "`\n", "Normal"], 2),
        (["", " ", "7"], 2),
        (["```", "\n"], None),
        ([], None),
    ],
)
def test_the_answer_is_sought_after_the_fence(written: list[str], place: int | None) -> None:
    assert answer_place([Token(token) for token in written]) == place


def test_a_reply_that_would_begin_with_a_fence_is_told_from_an_answer() -> None:
    assert begins_with_a_fence([TopToken("An", -3.0), TopToken("```", -0.1)])
    assert not begins_with_a_fence([TopToken("An", -0.1), TopToken("```", -3.0)])
