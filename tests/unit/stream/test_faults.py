"""When a camera's faults become alerts, in which order, and when they are over."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count, pairwise

import pytest

from engine.policy import EndReason
from stream.clock import ManualClock
from stream.faults import UPDATE_EVERY_S, WELL_S, FaultEvents
from stream.feed.messages import AlertMessage

AFTER_S = 10


class Course:
    """A camera second by second, with what was told and when, in seconds since the beginning."""

    def __init__(self, after_s: float | None = AFTER_S) -> None:
        numbers = count(1)
        self.clock = ManualClock()
        self.from_s = self.clock.time()
        self.events = FaultEvents("front", lambda: f"id-{next(numbers)}", self.clock, after_s)
        self.told: list[tuple[float, AlertMessage]] = []

    def go(self, seconds: float, fault: str | None = None) -> Course:
        for _ in range(int(seconds)):
            self.hear(self.events.push(fault, f"it is {fault}", "look there"))
            self.clock.advance(1)
        return self

    def hear(self, alert: AlertMessage | None) -> None:
        if alert:
            self.told.append((self.clock.time() - self.from_s, alert))

    def summary(self) -> Iterable[tuple[float, str, str, str | None]]:
        return [(at_s, alert.type, alert.id, alert.fault) for at_s, alert in self.told]


def test_a_fault_is_told_when_it_has_lasted_with_its_true_beginning() -> None:
    course = Course().go(5).go(AFTER_S + 1, "refused")
    ((at_s, alert),) = course.told
    assert at_s == 5 + AFTER_S
    assert (alert.type, alert.severity, alert.definition, alert.fault) == ("new", "fault", "camera", "refused")
    assert alert.start_time == course.from_s + 5
    assert alert.explanation == "Refused: it is refused. Look there."
    assert (alert.score, alert.end_time, alert.explanation_state) == (1.0, None, "provisional")


def test_a_short_fault_is_no_alert_however_often_it_comes() -> None:
    course = Course()
    for _ in range(20):
        course.go(AFTER_S - 1, "stalled").go(2)
    assert course.told == []


def test_a_camera_that_comes_and_goes_is_one_event_that_ends_when_it_has_been_well() -> None:
    course = Course().go(AFTER_S + 1, "lost")
    for _ in range(5):
        course.go(WELL_S - 1).go(3, "lost")
    course.go(WELL_S + 1)
    (_, new), (at_s, end) = course.told
    assert (new.type, end.type, end.id, end.end_reason) == ("new", "end", new.id, "recovered")
    assert end.end_time == course.from_s + at_s - WELL_S
    assert end.start_time == new.start_time
    assert end.explanation_state == "final"


def test_another_fault_is_an_update_but_not_at_every_change() -> None:
    course = Course().go(AFTER_S + 1, "lost")
    for _ in range(int(UPDATE_EVERY_S) + 2):
        course.go(1, "refused").go(1, "unreachable")
    times, kinds, names, _ = zip(*course.summary(), strict=True)
    assert kinds == ("new", "update", "update")
    assert set(names) == {"id-1"}
    assert all(later - at >= UPDATE_EVERY_S for at, later in pairwise(times))


def test_each_event_has_an_id_of_its_own() -> None:
    course = Course()
    for _ in range(2):
        course.go(AFTER_S + 1, "frozen").go(WELL_S + 1)
    assert [(kind, name) for _, kind, name, _ in course.summary()] == [
        ("new", "id-1"),
        ("end", "id-1"),
        ("new", "id-2"),
        ("end", "id-2"),
    ]


@pytest.mark.parametrize("reason", [EndReason.SHUTDOWN, EndReason.RECONFIGURED])
def test_who_is_not_watched_any_more_has_no_open_event(reason: EndReason) -> None:
    course = Course().go(AFTER_S + 1, "covered")
    course.hear(course.events.finish(reason))
    course.hear(course.events.finish(reason))
    _, (_, end) = course.told
    assert (end.type, end.end_reason, end.end_time) == ("end", reason.value, course.clock.time())


def test_an_end_never_lies_before_its_beginning_though_the_machines_clock_was_set_back() -> None:
    course = Course().go(AFTER_S + 1, "covered")
    course.clock.set_back(3600)
    course.go(WELL_S + 1)
    _, (_, end) = course.told
    assert end.end_time == end.start_time


def test_without_a_time_there_are_no_events() -> None:
    assert Course(after_s=None).go(1000, "lost").go(100).told == []
