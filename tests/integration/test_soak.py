"""Short forms of benchmarks/soak*.py: minutes of footage and a few disconnects. Counts and flatness only, no times."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from benchmarks import soak_cameras, soak_feed, soak_footage
from benchmarks.measures import Measure

SLACK = {"threads": 4, "file descriptors": 6, "sockets": 2, "child processes": 0}  # what comes and goes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="looks into /proc and stops processes")


def values(measures: Sequence[Measure]) -> dict[str, float]:
    """By name, without what stands before the colon."""
    return {each.name.rpartition(": ")[2]: each.value for each in measures}


def assert_flat(found: dict[str, float]) -> None:
    more = {name: found[f"{name}, more in the end"] for name in SLACK}
    assert all(more[name] <= slack for name, slack in SLACK.items()), more


def test_minutes_of_footage_lose_nothing_and_leave_nothing_behind() -> None:
    found = values(soak_footage.measure(hours=0.2, limit_s=25, cameras=2))
    assert found["hours of footage of each"] > 0.02
    assert found["windows and frames dropped"] == 0
    assert found["alerts that it missed"] == 0
    assert found["alerts heard by a subscriber"] > 0
    assert_flat(found)


def test_cameras_that_fail_are_all_back_with_one_connection_each_and_leave_nothing_behind() -> None:
    found = values(soak_cameras.measure(soak_cameras.QUICK))
    assert found["disconnects"] == soak_cameras.QUICK.disconnects
    assert found["connections to one of them at a time, at most"] == 1
    assert_flat(found)


def test_a_subscriber_that_is_stopped_hurts_nobody_and_misses_nothing() -> None:
    measures = soak_feed.measure(soak_feed.QUICK)
    counts = [each for each in measures if each.target == 0]
    assert len(counts) == 5
    assert [each.name for each in counts if each.value] == []
