"""The end's seconds: no part takes another's, what hangs is left behind, and at last the process is ended by force."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from stream.bridges.bridge import FINISH_S, LEAVE_S
from stream.clock import ManualClock
from stream.ending import CAPTURED_S, CLIPS_S, SENT_S, SERVED_S, STOP_S, STORED_S, TOLD_S, Ending
from stream.feed.publisher import LINGER_MS

STEPS = (CAPTURED_S, CLIPS_S, TOLD_S, SERVED_S, STORED_S, SENT_S)
WAIT_S = 20.0


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    over = threading.Event()
    yield over
    over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("vigil-end-of-"):
            thread.join(WAIT_S)


def test_all_that_may_hang_at_once_is_over_within_ten_seconds() -> None:
    assert STOP_S == 10.0
    assert [*STEPS, STOP_S] == sorted({*STEPS, STOP_S})
    clock = ManualClock()
    ending = Ending(clock.monotonic)
    ending.begin()
    began_s = clock.monotonic()
    for by_s in STEPS:  # each takes all that it may
        left_s = ending.left_s(by_s)
        assert left_s >= 1.0
        clock.advance(left_s)
    assert clock.monotonic() - began_s == pytest.approx(SENT_S)
    assert [ending.left_s(by_s) for by_s in STEPS] == [0.0] * len(STEPS)


def test_bridges_and_subscribers_have_the_time_that_they_ask_for() -> None:
    assert SERVED_S - TOLD_S >= FINISH_S + LEAVE_S
    assert SENT_S - STORED_S >= LINGER_MS / 1000


def test_what_one_leaves_over_the_next_ones_have() -> None:
    clock = ManualClock()
    ending = Ending(clock.monotonic)
    assert ending.left_s(TOLD_S) == math.inf  # no hurry
    ending.begin()
    clock.advance(0.5)
    ending.begin()  # the second time changes nothing
    assert ending.left_s(TOLD_S) == pytest.approx(TOLD_S - 0.5)
    clock.advance(TOLD_S)
    assert ending.left_s(TOLD_S) == 0.0
    assert ending.left_s(SERVED_S) == pytest.approx(SERVED_S - TOLD_S - 0.5)


def test_parts_are_closed_at_the_same_time_and_what_hangs_is_left_behind(
    hung: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    together = threading.Barrier(2)

    async def run() -> None:
        parts = {"one": lambda: together.wait(WAIT_S), "other": lambda: together.wait(WAIT_S)}
        await Ending().close(WAIT_S, parts)
        await Ending().close(0.05, {"a hung one": lambda: hung.wait(WAIT_S)})

    asyncio.run(run())
    assert not together.broken
    assert [record.message for record in caplog.records] == ["a hung one does not end: it is left behind"]


def test_a_part_that_fails_is_told_and_the_others_are_closed(caplog: pytest.LogCaptureFixture) -> None:
    closed = threading.Event()

    def fail() -> None:
        raise RuntimeError("out of luck")

    asyncio.run(Ending().close(WAIT_S, {"bad": fail, "good": closed.set}))
    assert closed.is_set()
    assert "bad did not end as it should" in caplog.text
    assert "out of luck" in caplog.text


def test_a_process_that_does_not_end_is_ended_by_force_and_tells_where_it_hangs() -> None:
    hanging = (
        "import threading, time\n"
        "from stream.ending import force_end\n"
        "def wait_for_the_disk(): time.sleep(3600)\n"
        "threading.Thread(target=wait_for_the_disk).start()\n"
        "force_end(0.1)\n"
    )
    ended = subprocess.run([sys.executable, "-c", hanging], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "in wait_for_the_disk" in ended.stderr


def test_a_process_that_ends_by_itself_is_not_forced() -> None:
    script = "from stream.ending import STOP_S, force_end\nforce_end(STOP_S)\n"
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
