from __future__ import annotations

import numpy as np

from engine.explanation import MOST_SENTENCES, EventExplanation
from engine.scorer import Explanation
from engine.types import Box

BOX = Box(0.1, 0.1, 0.2, 0.2)


def unit(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.array(values, np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def test_the_first_window_is_explained_and_then_only_clearly_worse_ones() -> None:
    event = EventExplanation()
    assert event.worth(0.6)
    event.ask(0.6)
    event.told(0.6, Explanation("A man waits."))
    assert not event.asked
    assert not event.worth(0.64)
    assert event.worth(0.66)


def test_people_are_told_what_was_said_of_the_worst_window() -> None:
    event = EventExplanation()
    assert (event.text, event.boxes) == (None, ())
    assert event.told(0.6, Explanation("A man waits."))
    assert event.told(0.9, Explanation("A man climbs over the gate.", (BOX,)))
    assert not event.told(0.7, Explanation("A man stands there."))
    assert (event.text, event.boxes) == ("A man climbs over the gate.", (BOX,))
    assert event.sentences == ("A man waits.", "A man climbs over the gate.", "A man stands there.")


def test_with_vectors_the_sentence_that_fits_the_worst_window_best_is_told() -> None:
    event = EventExplanation()
    event.told(0.6, Explanation("A man climbs.", vector=unit(1, 0), text_vector=unit(1, 0.1)))
    event.told(0.9, Explanation("A dog sleeps.", (BOX,), vector=unit(1, 0), text_vector=unit(0, 1)))
    assert event.text == "A man climbs."  # 0.995 against 0
    assert event.boxes == (BOX,)  # where it is remains the worst window's


def test_nothing_said_changes_nothing_and_lets_the_next_one_be_asked() -> None:
    event = EventExplanation()
    event.ask(0.6)
    assert not event.told(0.6, Explanation(None, reason="the scorer failed"))
    assert event.text is None
    assert not event.asked
    assert event.worth(0.7)


def test_the_picture_is_that_of_the_worst_window_that_was_explained() -> None:
    event, first, worst, later = EventExplanation(), Explanation("A."), Explanation("B."), Explanation("C.")
    event.told(0.6, first)
    assert event.shows(first)
    event.told(0.9, worst)
    event.told(0.7, later)
    assert event.shows(worst)
    assert not event.shows(later)
    assert not event.shows(Explanation(None))


def test_a_summary_takes_the_place_of_all_and_none_leaves_it() -> None:
    event = EventExplanation()
    event.told(0.6, Explanation("A man waits."))
    event.sum_up(None)
    assert event.text == "A man waits."
    event.sum_up("A man waited and left.")
    assert event.text == "A man waited and left."


def test_a_long_event_remembers_its_beginning_and_its_latest_sentences_only() -> None:
    event = EventExplanation()
    for number in range(100):
        event.told(0.5, Explanation(f"Sentence {number}."))
    assert len(event.sentences) == MOST_SENTENCES
    assert event.sentences[0] == "Sentence 0."
    assert event.sentences[-1] == "Sentence 99."
