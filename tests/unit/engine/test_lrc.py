from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cleaning import Chain, Cleaned
from engine.errors import UsageError
from engine.lrc import LocalResponseCleaning, LrcSettings, Replaces, response_of
from engine.types import Box, Judgement
from tests.unit.engine.sentences import GivenVectors

# Three directions, and what is said and seen in them.
EAST, NORTH, BETWEEN = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8)
ENCODER = GivenVectors({"Calm.": EAST, "A fight.": NORTH, "A fall.": BETWEEN})
CALM, FIGHT = Judgement(0.1, text="Calm."), Judgement(0.9, text="A fight.")


def seen(judgement: Judgement, vector: tuple[float, float]) -> Judgement:
    return replace(judgement, vector=np.array(vector, np.float32))


def cleaning(look_ahead: int = 0, replaces: Replaces = Replaces.SCORE_AND_TEXT) -> LocalResponseCleaning:
    return LocalResponseCleaning(ENCODER, LrcSettings(look_ahead, replaces))


def said(judgement: Judgement | None) -> tuple[float | None, str | None] | None:
    return None if judgement is None else (judgement.score, judgement.text)


def pushed(cleaner: LocalResponseCleaning | Chain, judgements: Sequence[Judgement]) -> list[Cleaned]:
    return [cleaner.push(judgement) for judgement in judgements]


def final(cleaned: Sequence[Cleaned]) -> list[Judgement]:
    """Each judgement in its last form."""
    after = [*(each.amended for each in cleaned[1:]), None]
    return [amended or each.now for each, amended in zip(cleaned, after, strict=True)]


def test_the_whole_response_is_compared_with_the_verdict_that_the_score_says() -> None:
    assert response_of(FIGHT) == "Anomalous scenes. A fight."
    assert response_of(Judgement(0.5, text="A fall.")) == "Anomalous scenes. A fall."
    assert response_of(CALM) == "Normal scenes. Calm."
    encoder = GivenVectors({"Normal scenes. A man.": EAST, "Anomalous scenes. A man.": NORTH})
    cleaner = LocalResponseCleaning(encoder, LrcSettings())
    cleaner.push(seen(Judgement(0.2, text="A man."), EAST))
    assert cleaner.push(seen(Judgement(0.7, text="A man."), EAST)).now.score == 0.2


@pytest.mark.parametrize("judgement", [Judgement.unknown("?"), Judgement(0.5), Judgement(0.5, text="")])
def test_without_a_score_or_a_sentence_there_is_no_response(judgement: Judgement) -> None:
    assert response_of(judgement) is None


def test_an_answer_that_does_not_fit_its_picture_gives_way_to_the_one_before() -> None:
    cleaned = pushed(cleaning(), [seen(CALM, EAST), seen(FIGHT, EAST)])
    assert [said(each.now) for each in cleaned] == [said(CALM), said(CALM)]


def test_of_answers_that_fit_equally_the_windows_own_stays() -> None:
    same = [seen(Judgement(score, text="Calm."), EAST) for score in (0.1, 0.3, 0.2)]
    cleaned = pushed(cleaning(look_ahead=1), same)
    assert [each.now for each in cleaned] == same
    assert [each.amended for each in cleaned] == [None] * 3


def test_what_is_taken_over_is_the_neighbours_own_answer_and_never_one_it_took_over() -> None:
    # The second window takes the first one's answer. To the third, the second's own is the neighbour, and fits less.
    fall = seen(Judgement(0.8, text="A fall."), EAST)
    cleaned = pushed(cleaning(), [seen(CALM, EAST), seen(FIGHT, EAST), fall])
    assert [said(each.now) for each in cleaned] == [said(CALM), said(CALM), said(fall)]


def test_looking_ahead_the_verdict_is_given_at_once_and_amended_by_the_next_window() -> None:
    judgements = [seen(CALM, EAST), seen(CALM, BETWEEN), seen(FIGHT, NORTH)]
    cleaned = pushed(cleaning(look_ahead=1), judgements)
    assert [said(each.now) for each in cleaned] == [said(CALM), said(CALM), said(FIGHT)]
    assert [said(each.amended) for each in cleaned] == [None, None, said(FIGHT)]
    assert all(each.amended is None for each in pushed(cleaning(), judgements))


def test_only_the_text_is_taken_over_where_the_score_is_the_windows_own() -> None:
    cleaner = cleaning(look_ahead=1, replaces=Replaces.TEXT)
    cleaned = pushed(cleaner, [seen(CALM, EAST), seen(FIGHT, EAST), seen(CALM, BETWEEN), seen(FIGHT, NORTH)])
    assert [said(each) for each in final(cleaned)] == [(0.1, "Calm."), (0.9, "Calm."), (0.1, "A fight."), said(FIGHT)]


def test_boxes_and_the_worst_frame_stay_as_they_are_places_in_the_windows_own_pictures() -> None:
    box = Box(0.1, 0.1, 0.2, 0.2, "man")
    own = replace(seen(FIGHT, EAST), boxes=(box,), worst=3, further={"fire": CALM})
    cleaned = pushed(cleaning(), [seen(CALM, EAST), own])[1].now
    assert said(cleaned) == said(CALM)
    assert (cleaned.boxes, cleaned.worst, cleaned.further, cleaned.vector) == ((box,), 3, {"fire": CALM}, own.vector)


@pytest.mark.parametrize(
    "left", [Judgement.unknown("no answer"), seen(Judgement(0.4), EAST), Judgement(0.9, text="A fight.")]
)
@pytest.mark.parametrize("look_ahead", [0, 1])
def test_unknown_wordless_and_unseen_windows_are_left_as_they_are(left: Judgement, look_ahead: int) -> None:
    cleaned = pushed(cleaning(look_ahead), [seen(CALM, EAST), left, seen(CALM, EAST)])
    assert cleaned[1].now is left
    assert cleaned[2].amended is None


@pytest.mark.parametrize("between", [Judgement.unknown("no answer"), seen(Judgement(0.4), EAST)])
def test_what_is_no_answer_is_no_neighbour_and_nothing_reaches_across_it(between: Judgement) -> None:
    judgements = [seen(CALM, EAST), between, seen(FIGHT, EAST)]
    assert said(pushed(cleaning(look_ahead=1), judgements)[2].now) == said(FIGHT)


def test_a_window_without_a_vector_is_no_neighbour_and_nobody_is_asked_for_its_texts() -> None:
    assert said(pushed(cleaning(), [CALM, seen(FIGHT, EAST)])[1].now) == said(FIGHT)
    unknown = Judgement(0.9, text="A sentence that this encoder would fail at.")
    assert pushed(cleaning(look_ahead=1), [unknown, unknown])[1] == Cleaned(unknown)


@pytest.mark.parametrize("part", ["skip", "reset"])
def test_across_a_gap_or_a_reset_there_is_no_neighbour_and_no_amendment(part: str) -> None:
    cleaner = cleaning(look_ahead=1)
    pushed(cleaner, [seen(CALM, EAST), seen(CALM, BETWEEN)])
    getattr(cleaner, part)()
    assert said(cleaner.push(seen(FIGHT, EAST)).now) == said(FIGHT)
    assert cleaner.push(seen(FIGHT, NORTH)).amended is None


def test_no_more_than_one_window_ahead_is_offered() -> None:
    with pytest.raises(UsageError, match="2 windows ahead"):
        LrcSettings(look_ahead=2)


ANY = GivenVectors({f"{number}.": (np.cos(number), np.sin(number)) for number in range(7)})
vectors = st.floats(0, 6).map(lambda angle: np.array([np.cos(angle), np.sin(angle)], np.float32))
judgements = st.one_of(
    st.just(Judgement.unknown("?")),
    st.builds(
        Judgement,
        st.floats(0, 1),
        st.sampled_from([None, *(f"{number}." for number in range(7))]),
        st.none() | vectors,
    ),
)
sequences = st.lists(judgements, max_size=15)
settings = st.builds(LrcSettings, st.integers(0, 1), st.sampled_from(Replaces))


@given(sequences, st.integers(0, 15), settings)
def test_provisional_verdicts_know_no_later_window_and_amended_ones_only_the_next(
    sequence: list[Judgement], cut: int, chosen: LrcSettings
) -> None:
    def run(part: list[Judgement]) -> list[tuple[object, object]]:
        cleaned = pushed(LocalResponseCleaning(ANY, chosen), part)
        return [(said(each.now), said(each.amended)) for each in cleaned]

    assert run(sequence)[:cut] == run(sequence[:cut])


@given(sequences)
def test_looking_ahead_changes_nothing_of_what_is_said_at_once(sequence: list[Judgement]) -> None:
    plain, ahead = (pushed(LocalResponseCleaning(ANY, LrcSettings(look_ahead)), sequence) for look_ahead in (0, 1))
    assert [said(each.now) for each in plain] == [said(each.now) for each in ahead]


@given(sequences, st.integers(0, 1))
def test_an_amended_judgement_counts_as_if_it_had_been_pushed(sequence: list[Judgement], look_ahead: int) -> None:
    chosen = LrcSettings(look_ahead)
    first = pushed(LocalResponseCleaning(ANY, LrcSettings(1)), sequence)
    second = LocalResponseCleaning(ANY, chosen)
    chained = [second.push(*each) for each in first]
    for count in range(1, len(sequence) + 1):
        settled = final(first[:count])
        plain = pushed(LocalResponseCleaning(ANY, chosen), settled)
        assert said(chained[count - 1].now) == said(plain[-1].now)
        if chained[count - 1].amended is not None:
            assert said(chained[count - 1].amended) == said(final(plain)[-2])
