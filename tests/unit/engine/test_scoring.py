from __future__ import annotations

import math

import numpy as np
import pytest

from engine.errors import UsageError
from engine.scoring import (
    FENCE,
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
from engine.types import Definition


def logs(*shares: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Likelihoods of one window's questions, of which only the ratios count."""
    return np.log(np.array([shares], np.float32)) - 40


def test_the_likelihood_score_is_the_share_of_the_anomalous_word() -> None:
    assert scores(Scoring.LIKELIHOOD, logs([0.03, 0.01])) == pytest.approx([0.75], abs=1e-5)


def test_the_scale_score_is_the_mean_digit_over_nine() -> None:
    shares = [0.0] * 10
    shares[3], shares[9] = 0.5, 0.5
    with np.errstate(divide="ignore"):
        likelihoods = logs(shares)
    assert scores(Scoring.SCALE, likelihoods) == pytest.approx([6 / 9], abs=1e-5)


def test_a_higher_threshold_is_never_likelier_than_a_lower_one() -> None:
    yes = [0.9, 0.8, 0.4, 0.6, 0.3, 0.3, 0.5, 0.1, 0.2]
    held = [0.9, 0.8, 0.4, 0.4, 0.3, 0.3, 0.3, 0.1, 0.1]
    likelihoods = logs(*([share, 1 - share] for share in yes))
    assert scores(Scoring.THRESHOLDS, likelihoods) == pytest.approx([sum(held) / 9], abs=1e-5)


def test_every_window_of_a_batch_has_its_own_score() -> None:
    batch = np.concatenate([logs([1.0, 3.0]), logs([3.0, 1.0]), logs([1.0, 1.0])])
    assert scores(Scoring.LIKELIHOOD, batch) == pytest.approx([0.25, 0.75, 0.5], abs=1e-5)


@pytest.mark.parametrize("scoring", [Scoring.LIKELIHOOD, Scoring.SCALE, Scoring.THRESHOLDS])
def test_scores_lie_between_0_and_1_and_stay_unknown_when_numbers_are_none(scoring: Scoring) -> None:
    asked = questions(scoring, Wording())
    shape = (200, len(asked), len(asked[0].answers))
    likelihoods = np.random.default_rng(0).normal(-30, 30, shape).astype(np.float32)
    found = scores(scoring, likelihoods)
    assert ((found >= 0) & (found <= 1)).all()
    likelihoods[3] = math.nan
    found = scores(scoring, likelihoods)
    assert list(np.flatnonzero(np.isnan(found))) == [3]


@pytest.mark.parametrize("scoring", [Scoring.LIKELIHOOD, Scoring.SCALE])
def test_the_definition_is_the_last_thing_that_is_said(scoring: Scoring) -> None:
    (asked,) = questions(
        scoring, Wording(Definition(text="a person without a helmet"), ("Who is there?", "What moves?"))
    )
    assert asked.text.endswith("What counts as abnormal: a person without a helmet")
    assert "Who is there? What moves?" in asked.text


def test_thresholds_differ_only_after_the_definition() -> None:
    asked = questions(Scoring.THRESHOLDS, Wording(Definition(text="smoke")))
    beginnings = {question.text.partition("smoke")[0] for question in asked}
    assert len(asked) == 9
    assert len(beginnings) == 1
    assert [question.text.count(f"0.{tenths} or higher") for tenths, question in enumerate(asked, 1)] == [1] * 9


def test_without_a_definition_the_usual_dangers_are_meant_and_without_questions_none_are_asked() -> None:
    (asked,) = questions(Scoring.LIKELIHOOD, Wording())
    assert "weapon" in asked.text
    assert asked.text.startswith("Decide whether")


def test_the_reply_that_is_demanded_is_the_one_that_is_begun() -> None:
    whole = whole_reply(Wording())
    assert "bare code fence" in whole.text
    assert (whole.opening, whole.answers) == ("", ())
    for anomalous, said in ((True, "Anomalous scenes."), (False, "Normal scenes.")):
        assert f'"{said}"' in whole.text
        assert rest_of_reply(Wording(), anomalous=anomalous).opening == f"{FENCE}{said}\n"
    (asked,) = questions(Scoring.LIKELIHOOD, Wording())
    assert (asked.text, asked.opening) == (whole.text, FENCE)


@pytest.mark.parametrize("text", ["see <image>", "<|im_end|>", "</s> or not", "<IMG_CONTEXT>"])
def test_words_that_a_model_takes_for_commands_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="takes for a command"):
        Wording(Definition(text=text))
    with pytest.raises(UsageError, match="takes for a command"):
        Wording(Definition(ignore=text))
    with pytest.raises(UsageError, match="takes for a command"):
        Wording(questions=("What moves?", text))


@pytest.mark.parametrize("scoring", [Scoring.LIKELIHOOD, Scoring.SCALE])
def test_what_is_to_be_ignored_is_said_after_what_counts(scoring: Scoring) -> None:
    (narrowed,) = questions(scoring, Wording(Definition(text="a theft", ignore="theft of food")))
    assert narrowed.text.endswith(
        "What counts as abnormal: a theft\nNever abnormal, whatever else was said: theft of food"
    )
    (usual,) = questions(scoring, Wording(Definition(ignore="dogs")))
    assert "weapon" in usual.text
    assert usual.text.endswith("whatever else was said: dogs")


def test_questions_by_two_definitions_begin_alike_up_to_the_definition() -> None:
    guided = ("Who is there?",)
    (one,) = questions(Scoring.LIKELIHOOD, Wording(Definition("a", "smoke"), guided))
    (other,) = questions(Scoring.LIKELIHOOD, Wording(Definition("b", "a queue"), guided))
    assert one.text.removesuffix("smoke") == other.text.removesuffix("a queue")


def test_a_name_is_for_people_and_not_part_of_what_is_asked() -> None:
    assert whole_reply(Wording(Definition("a", "smoke"))) == whole_reply(Wording(Definition("b", "smoke")))


def test_a_summary_is_asked_of_what_was_said_in_order_and_by_the_definition() -> None:
    asked = summary(Wording(Definition(text="smoke")), ["A bin glows.", "It burns."])
    assert "A bin glows. It burns." in asked.text
    assert asked.text.endswith("What counts as abnormal: smoke")
    assert (asked.opening, asked.answers) == ("", ())


def test_an_explanation_fits_the_score() -> None:
    wording = Wording(Definition(text="smoke"))
    assert explanation(wording, 0.5) == rest_of_reply(wording, anomalous=True)
    assert explanation(wording, 0.49) == rest_of_reply(wording, anomalous=False)


def test_an_event_is_explained_as_one_whatever_score_opened_it() -> None:
    wording = Wording(Definition(text="smoke"))
    assert event_explanation(wording) == rest_of_reply(wording, anomalous=True)
    assert event_explanation(wording, ["A bin glows."]) == summary(wording, ["A bin glows."])


def test_a_place_is_asked_for_by_the_sentence_and_the_reply_is_begun_with_it() -> None:
    asked = whereabouts("A bin burns.")
    assert asked.text.endswith("<ref>A bin burns.</ref>")
    assert asked.opening == "<ref>A bin burns.</ref><box>"


@pytest.mark.parametrize("said", ["<image>", "<|im_end|>", "a</s>", "<<IMG_CONTEXT>>", "$definition ${said}"])
def test_what_a_model_wrote_commands_nothing_when_it_is_told_again(said: str) -> None:
    marked = summary(Wording(), [said]).text.replace("```", "")
    assert "<" not in marked
    inner = whereabouts(said).text.partition("<ref>")[2].partition("</ref>")[0]
    assert not set("<>") & set(inner)
    if "$" in said:
        assert said in inner
