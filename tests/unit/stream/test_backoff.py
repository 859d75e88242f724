from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from stream.backoff import FIRST_S, LONGEST_S, STEADY_S, Backoff


@given(st.integers())
def test_waits_stay_in_bounds_for_ever(seed: int) -> None:
    backoff = Backoff(random.Random(seed))
    waits = [backoff.next_s() for _ in range(200)]
    assert all(FIRST_S <= wait <= LONGEST_S for wait in waits)
    assert waits[0] <= 2.0
    assert waits[1] <= 4.0


def test_waits_are_spread_and_grow() -> None:
    firsts = [Backoff(random.Random(seed)).next_s() for seed in range(50)]
    assert len(set(firsts)) == 50
    late = []
    for seed in range(200):
        backoff = Backoff(random.Random(seed))
        late.append([backoff.next_s() for _ in range(8)][-1])
    assert 13 < sum(late) / len(late) < 18  # even over 1 to 30


def test_a_connection_that_lasted_starts_from_the_beginning() -> None:
    backoff = Backoff(random.Random(1))
    for _ in range(10):
        backoff.next_s()
    assert backoff.next_s(lasted_s=STEADY_S) <= 2.0
