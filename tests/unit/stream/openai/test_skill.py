from __future__ import annotations

import time
from typing import Any, cast

import pytest

pytest.importorskip("httpx2", reason="needs the openai extra")

from engine.errors import ScorerError
from stream.openai.server import Server
from stream.openai.skill import AGAIN_S, Skill

WHY = ScorerError("it said no")


class Named:
    """As much of a server as matters here."""

    doubtful = False

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    return now_s


def server(name: str) -> Any:
    return cast(Server, Named(name))


def test_what_a_server_lacks_is_asked_of_the_others(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    skill, one, other = Skill("it goes slower"), server("one"), server("other")
    assert skill.expected_of(one)
    skill.lacks(one, WHY)
    skill.lacks(one, WHY)
    assert caplog.messages == ["one: it goes slower: it said no"]
    assert not skill.expected_of(one)
    assert skill.expected_of(other)
    assert skill.is_lacking


def test_one_request_finds_out_again_after_a_while(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    skill, one = Skill("it goes slower"), server("one")
    skill.lacks(one, WHY)
    clock[0] += AGAIN_S
    assert [skill.expected_of(one) for _ in range(3)] == [True, False, False]
    skill.lacks(one, WHY)
    assert len(caplog.messages) == 1
    clock[0] += AGAIN_S
    assert skill.expected_of(one)
    skill.has(one)
    assert caplog.messages[1:] == ["one: no longer: it goes slower"]
    assert skill.expected_of(one)
    assert not skill.is_lacking


def test_a_server_that_was_down_may_have_learned(clock: list[float]) -> None:
    skill, one = Skill("it goes slower"), server("one")
    skill.lacks(one, WHY)
    one.doubtful = True
    assert not skill.is_lacking
    assert skill.expected_of(one)
    one.doubtful = False
    assert skill.expected_of(one)
