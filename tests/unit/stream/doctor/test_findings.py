"""Looks are taken side by side, told in order, and none of them holds up the rest."""

from __future__ import annotations

import logging
import threading

import pytest

from stream.doctor.findings import AT_ONCE, Finding, Look, Verdict, ok, take

LIMIT_S = 10.0


def test_findings_come_in_the_order_of_the_looks() -> None:
    second_is_done = threading.Event()

    def first() -> list[Finding]:
        assert second_is_done.wait(LIMIT_S)
        return [ok("first", "a"), ok("first", "b")]

    def second() -> list[Finding]:
        second_is_done.set()
        return [ok("second", "c")]

    found = take([Look("first", first, LIMIT_S), Look("second", second, LIMIT_S)])
    assert [(finding.check, finding.message) for finding in found] == [("first", "a"), ("first", "b"), ("second", "c")]


def test_a_look_that_hangs_is_a_problem_and_the_rest_is_told() -> None:
    let_go = threading.Event()

    def hang() -> list[Finding]:
        let_go.wait(LIMIT_S)
        return []

    try:
        late, fine = take([Look("disk", hang, 0.05), Look("clock", lambda: [ok("clock", "right")], LIMIT_S)])
    finally:
        let_go.set()
    assert (late.check, late.verdict) == ("disk", Verdict.PROBLEM)
    assert "no answer" in late.message
    assert fine == ok("clock", "right")


def test_a_look_that_fails_is_a_problem_that_names_the_failure(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> list[Finding]:
        raise ZeroDivisionError("with a secret in its text")

    with caplog.at_level(logging.CRITICAL):
        (found,) = take([Look("gpu", fail, LIMIT_S)])
    assert found.verdict is Verdict.PROBLEM
    assert "ZeroDivisionError" in found.message
    assert "secret" not in found.message


def test_a_cameras_findings_carry_its_name() -> None:
    looks = [Look("stream", lambda: [ok("stream", "fine")], LIMIT_S, camera=name) for name in ("front", "yard")]
    assert [finding.camera for finding in take(looks)] == ["front", "yard"]


def test_no_more_than_some_looks_are_taken_at_once() -> None:
    lock = threading.Lock()
    running, most = 0, 0
    together = threading.Barrier(AT_ONCE)

    def look() -> list[Finding]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(LIMIT_S)  # passes only when as many as may be are here
        with lock:
            running -= 1
        return [ok("look", "done")]

    assert len(list(take([Look("look", look, LIMIT_S)] * (2 * AT_ONCE)))) == 2 * AT_ONCE
    assert most == AT_ONCE
