from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest

from engine.errors import DeviceLostError, ScorerError
from engine.explaining import MOST_AT_ONCE, MOST_WAITING, Explaining
from engine.scorer import Explanation, Request
from engine.scripted import ScriptedLanguageScorer
from engine.types import Definition
from tests.unit.engine.frames import window


def request(index: int = 0) -> Request:
    return Request(window(index), Definition(), 0.9)


def said(request: Request) -> Explanation:
    return Explanation(f"Window {request.window.index}.")


def explaining(scorer: ScriptedLanguageScorer | None = None) -> Explaining:
    return Explaining(scorer or ScriptedLanguageScorer([], said), lambda: None)


def test_what_was_asked_is_answered_step_by_step_on_the_thread_that_steps() -> None:
    work = explaining()
    futures = [work.ask(request(index)) for index in range(3)]
    assert work.busy
    work.step()
    assert [future.done() for future in futures] == [True, False, False]
    for _ in range(3):
        work.step()
    assert [future.result(0).text for future in futures] == ["Window 0.", "Window 1.", "Window 2."]
    assert not work.busy


def test_requests_are_explained_together_and_later_ones_after_that() -> None:
    sizes: list[int] = []

    class Together(ScriptedLanguageScorer):
        def explain(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Explanation]]:
            sizes.append(len(requests))
            yield {place: said(each) for place, each in enumerate(requests)}

    work = explaining(Together([], said))
    futures = [work.ask(request(index)) for index in range(MOST_AT_ONCE + 2)]
    while work.busy:
        work.step()
    assert sizes == [MOST_AT_ONCE, 2]
    assert futures[-1].result(0).text == f"Window {MOST_AT_ONCE + 1}."


def test_who_asks_wakes_the_scorer() -> None:
    woken: list[bool] = []
    Explaining(ScriptedLanguageScorer([], said), lambda: woken.append(True)).ask(request())
    assert woken == [True]


def test_a_scorer_that_fails_says_why_and_the_next_request_is_explained() -> None:
    def fail_first(request: Request) -> Explanation:
        if request.window.index == 0:
            raise ScorerError("out of words")
        return said(request)

    work = explaining(ScriptedLanguageScorer([], fail_first))
    first = work.ask(request(0))
    work.step()
    second = work.ask(request(1))
    while work.busy:
        work.step()
    assert first.result(0).text is None
    assert "out of words" in first.result(0).reason
    assert second.result(0).text == "Window 1."


def test_a_lost_device_is_not_swallowed() -> None:
    def lose(_request: Request) -> Explanation:
        raise DeviceLostError("the GPU fell off the bus")

    work = explaining(ScriptedLanguageScorer([], lose))
    work.ask(request())
    with pytest.raises(DeviceLostError):
        work.step()


def test_too_many_requests_give_up_the_oldest() -> None:
    work = explaining()
    futures = [work.ask(request(index)) for index in range(MOST_WAITING + 1)]
    assert futures[0].result(0).text is None
    assert "too many" in futures[0].result(0).reason
    assert not futures[1].done()


def test_after_the_end_every_request_is_answered_with_why_not() -> None:
    work = explaining()
    before = work.ask(request())
    work.close("the scorer has stopped")
    after = work.ask(request())
    assert [future.result(0).reason for future in (before, after)] == ["the scorer has stopped"] * 2
    assert not work.busy


def test_an_answer_that_comes_after_it_was_given_up_is_dropped() -> None:
    work = explaining()
    future = work.ask(request())
    other = work.ask(request(1))
    work.step()
    work.give_up("hung")
    work.step()
    assert (future.result(0).text, other.result(0).reason) == ("Window 0.", "hung")
