from __future__ import annotations

from math import nan

from offline_eval.report import words


def test_figures_that_do_not_exist_are_said_to() -> None:
    assert words.value(nan) == "undefined"
    assert words.between(nan, nan) == "no interval"
    assert words.between(0.25, 0.5, 1) == "0.2 to 0.5"


def test_times_are_read_as_on_a_clock() -> None:
    assert [words.clock(each) for each in (0, 59.9, 65, 3661)] == ["0:00", "0:59", "1:05", "1:01:01"]


def test_durations_use_the_unit_that_says_them_well() -> None:
    assert [words.duration(each) for each in (4.25, 89, 90, 7200)] == ["4.2 s", "89.0 s", "1.5 min", "2.0 h"]


def test_counts_agree_with_their_noun() -> None:
    assert [words.count(each, "alert") for each in (0, 1, 2000)] == ["0 alerts", "1 alert", "2,000 alerts"]


def test_texts_become_one_short_line_of_what_can_be_seen() -> None:
    assert words.clipped(" a\n\tb ") == "a b"
    assert words.clipped("a\u202eb\0c\ud800é") == "abcé"
    cut = words.clipped("x" * 10_000)
    assert len(cut) == words.MAX_CHARACTERS
    assert cut.endswith("…")
