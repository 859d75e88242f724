from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.clock import ManualClock
from stream.ids import Ids


def no_chance(count: int) -> bytes:
    return bytes(count)


def test_the_layout_is_that_of_a_ulid() -> None:
    # 2016-07-30T23:54:10.259Z is the example time of the ULID specification
    assert Ids(lambda: 1469918176.385, no_chance)() == "01ARYZ6S410000000000000000"


@settings(deadline=None)
@given(st.lists(st.floats(min_value=0, max_value=4e9), min_size=2, max_size=30))
def test_each_sorts_after_the_one_before_whatever_the_clock_does(times_s: list[float]) -> None:
    clock = iter(times_s)
    new_id = Ids(lambda: next(clock))
    made = [new_id() for _ in times_s]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {len(one) for one in made} == {26}


def test_chance_tells_two_makers_apart() -> None:
    clock = ManualClock()
    assert Ids(clock.time)() != Ids(clock.time)()


def test_threads_get_different_ones() -> None:
    new_id = Ids(ManualClock().time)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: new_id(), range(400)))
    assert len(set(made)) == 400
