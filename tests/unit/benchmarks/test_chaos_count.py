from __future__ import annotations

import pytest

from benchmarks.chaos_count import Count, Told, count

KEPT = {1: "A", 2: "A", 3: "B", 4: "B"}
ALL = [Told(seq, event) for seq, event in KEPT.items()]


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        ([ALL], Count(0, 0, 0, 0, 0)),
        ([ALL[:2], ALL[2:]], Count(0, 0, 0, 0, 0)),
        ([ALL[:1], ALL[2:]], Count(lost=1, doubled=0, again=0, disordered=0, foreign=0)),
        ([[*ALL, ALL[3]]], Count(lost=0, doubled=1, again=0, disordered=0, foreign=0)),
        ([ALL[:2], ALL[1:]], Count(lost=0, doubled=0, again=1, disordered=0, foreign=0)),
        ([[ALL[1], ALL[0], *ALL[2:]]], Count(lost=0, doubled=0, again=0, disordered=1, foreign=0)),
        ([[*ALL, Told(5, "C")]], Count(lost=0, doubled=0, again=0, disordered=0, foreign=1)),
        ([[Told(1, "Z"), *ALL[1:]]], Count(lost=1, doubled=0, again=0, disordered=0, foreign=1)),
    ],
    ids=["all", "in two lives", "lost", "doubled", "again", "out of order", "never told", "another alert"],
)
def test_what_was_heard_is_compared_with_what_is_kept(lives: list[list[Told]], expected: Count) -> None:
    assert count(KEPT, lives, last=4) == expected


def test_what_was_told_after_the_last_one_need_not_have_been_heard() -> None:
    assert count(KEPT, [ALL[:3]], last=3).lost == 0
