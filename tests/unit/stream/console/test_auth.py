from __future__ import annotations

import pytest

from stream.clock import ManualClock
from stream.config import from_mapping
from stream.console.auth import (
    MOST_ADDRESSES,
    MOST_FAILURES,
    MOST_SESSIONS,
    SESSION_IDLE_S,
    WITHIN_S,
    Account,
    Gate,
    Role,
    TooManyFailuresError,
)

TOKENS = {"ann": "a" * 20, "bob": "b" * 20}


def gate(clock: ManualClock) -> Gate:
    tokens = [{"name": "ann", "role": "admin", "token": "a" * 20}, {"name": "bob", "role": "viewer", "token": "b" * 20}]
    return Gate(from_mapping({"console": {"tokens": tokens}}).console.tokens, clock.monotonic)


def test_a_token_is_somebodys_or_nobodys() -> None:
    asked = gate(ManualClock())
    assert asked.account("a" * 20, "1") == Account("ann", Role.ADMIN)
    assert asked.account("b" * 20, "1") == Account("bob", Role.VIEWER)
    assert asked.account("b" * 19, "1") is None
    assert asked.account("\ud800é", "1") is None
    assert not asked.is_open
    assert Gate((), ManualClock().monotonic).is_open


def test_who_guesses_too_often_has_to_wait_also_with_the_right_token_and_nobody_else_has() -> None:
    clock = ManualClock()
    asked = gate(clock)
    for _ in range(MOST_FAILURES):
        assert asked.account("wrong", "bad") is None
        clock.advance(1.0)
    with pytest.raises(TooManyFailuresError) as caught:
        asked.account("a" * 20, "bad")
    assert caught.value.retry_s == pytest.approx(WITHIN_S - MOST_FAILURES)
    assert asked.account("a" * 20, "good") is not None
    clock.advance(caught.value.retry_s)
    assert asked.account("a" * 20, "bad") is not None


def test_what_is_remembered_of_strangers_is_bounded() -> None:
    asked = gate(ManualClock())
    for address in range(MOST_ADDRESSES + 10):
        asked.account("wrong", str(address))
    assert len(asked._failures) == MOST_ADDRESSES


def test_a_session_lives_while_it_is_used_and_is_closed_for_good() -> None:
    clock = ManualClock()
    asked = gate(clock)
    key, session = asked.open_session(Account("ann", Role.ADMIN))
    clock.advance(SESSION_IDLE_S - 1)
    assert asked.session(key) is session
    clock.advance(SESSION_IDLE_S - 1)
    assert asked.session(key) is session
    assert session.vouches_for(session.csrf)
    assert not session.vouches_for("x")
    assert not session.vouches_for(None)
    clock.advance(SESSION_IDLE_S + 1)
    assert asked.session(key) is None
    key, _ = asked.open_session(Account("ann", Role.ADMIN))
    asked.close_session(key)
    assert asked.session(key) is None
    assert asked.session("") is None


def test_the_oldest_of_too_many_sessions_goes() -> None:
    asked = gate(ManualClock())
    keys = [asked.open_session(Account("ann", Role.ADMIN))[0] for _ in range(MOST_SESSIONS + 1)]
    assert asked.session(keys[0]) is None
    assert asked.session(keys[1]) is not None


def test_each_role_may_do_what_the_ones_before_it_may() -> None:
    assert [[one.includes(other) for other in Role] for one in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
