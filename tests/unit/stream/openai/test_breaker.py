from __future__ import annotations

import random

import pytest

from stream.openai.breaker import FAILURES, Breaker

NOW_S = 100.0


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(random.Random(1))


def fail(breaker: Breaker, now_s: float = NOW_S) -> float:
    return breaker.failed(now_s, trial=breaker.begin())


def opened(breaker: Breaker) -> float:
    """When the server may be tried again."""
    rests = [fail(breaker) for _ in range(FAILURES)]
    assert rests[:-1] == [0.0] * (FAILURES - 1)
    return NOW_S + rests[-1]


def test_it_opens_with_the_failure_that_is_one_too_many(breaker: Breaker) -> None:
    until_s = opened(breaker)
    assert until_s > NOW_S
    assert not breaker.lets_through(until_s - 0.01)
    assert breaker.lets_through(until_s)


def test_a_success_in_between_begins_the_count_anew(breaker: Breaker) -> None:
    for _ in range(FAILURES - 1):
        fail(breaker)
    assert not breaker.succeeded()
    for _ in range(FAILURES - 1):
        fail(breaker)
    assert breaker.lets_through(NOW_S)


def test_one_request_tries_and_decides(breaker: Breaker) -> None:
    until_s = opened(breaker)
    trial = breaker.begin()
    assert trial
    assert not breaker.lets_through(until_s)  # the others wait for it
    assert breaker.succeeded()
    assert breaker.lets_through(until_s)
    assert not breaker.begin()


def test_it_rests_again_when_the_trial_fails(breaker: Breaker) -> None:
    until_s = opened(breaker)
    rest_s = breaker.failed(until_s, trial=breaker.begin())
    assert rest_s > 0
    assert not breaker.lets_through(until_s)
    assert breaker.lets_through(until_s + rest_s)


def test_failures_of_requests_from_before_do_not_prolong_the_rest(breaker: Breaker) -> None:
    late = breaker.begin()
    until_s = opened(breaker)
    assert breaker.failed(until_s - 0.01, trial=late) == 0.0
    assert breaker.lets_through(until_s)


def test_a_trial_that_nobody_waited_for_leaves_room_for_another(breaker: Breaker) -> None:
    until_s = opened(breaker)
    breaker.gave_up(trial=breaker.begin())
    assert breaker.lets_through(until_s)
