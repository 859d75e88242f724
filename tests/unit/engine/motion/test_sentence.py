from __future__ import annotations

import pytest

from engine.motion.features import Quantity
from engine.motion.sentence import place, unusual_sentence, usual_sentence
from engine.types import Box

LOWER_LEFT = (Box(0.1, 0.7, 0.3, 0.9),)


def sentence(
    quantity: Quantity = Quantity.SPEED,
    times: float = 9.4,
    *,
    lasted_s: float = 3.2,
    at_least: bool = False,
    still_scene: bool = False,
) -> str:
    return unusual_sentence(quantity, times, LOWER_LEFT, lasted_s=lasted_s, at_least=at_least, still_scene=still_scene)


def test_it_says_what_where_how_much_and_for_how_long() -> None:
    assert sentence() == "Fast movement in the lower left, 9 times the usual speed, for 3 s."


def test_a_first_second_has_no_duration_and_long_ones_are_minutes() -> None:
    assert sentence(lasted_s=0.9) == "Fast movement in the lower left, 9 times the usual speed."
    assert sentence(lasted_s=240).endswith(", for 4 min.")


@pytest.mark.parametrize(
    ("times", "words"),
    [(2.9, "2 times"), (9.9, "9 times"), (14.9, "10 times"), (19, "15 times"), (20.1, "more than 20 times")],
)
def test_ratios_are_no_finer_than_honest(times: float, words: str) -> None:
    assert f", {words} the usual speed" in sentence(times=times)


def test_a_ratio_to_an_unmeasurable_usual_is_a_lower_bound() -> None:
    assert "at least 9 times the usual speed" in sentence(at_least=True)


def test_a_still_scene_has_no_usual_to_count_in() -> None:
    assert sentence(still_scene=True) == "Fast movement in the lower left, where it is usually still, for 3 s."


def test_less_than_twice_is_not_counted_out() -> None:
    assert sentence(times=1.4) == "Fast movement in the lower left, for 3 s."


def test_what_settles_is_not_measured_in_times() -> None:
    assert sentence(Quantity.SETTLED, lasted_s=1) == "Something new or gone in the lower left."


@pytest.mark.parametrize("quantity", Quantity)
def test_every_quantity_makes_a_sentence(quantity: Quantity) -> None:
    words = sentence(quantity)
    assert words[0].isupper()
    assert words.endswith(".")
    assert " in the lower left" in words


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (Box(0.0, 0.0, 0.2, 0.2), " in the upper left"),
        (Box(0.8, 0.4, 1.0, 0.6), " on the right"),
        (Box(0.4, 0.8, 0.6, 1.0), " in the lower part"),
        (Box(0.4, 0.4, 0.6, 0.6), " in the centre"),
        (Box(0.1, 0.1, 0.9, 0.9), " all over the picture"),
    ],
)
def test_places_are_thirds_of_the_picture(box: Box, words: str) -> None:
    assert place((box,)) == words


def test_a_quiet_window_says_so() -> None:
    assert usual_sentence(0.0, ()) == "Nothing moves."
    assert usual_sentence(0.8, LOWER_LEFT) == "Movement in the lower left, no more than usual."
    assert usual_sentence(1.4, LOWER_LEFT) == "Movement in the lower left, a little more than usual."
