from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from engine.errors import OutboxError
from stream.clock import ManualClock
from stream.console.hub import KEPT_ALERTS, KEPT_MARKS, SILENT_S, Hub
from stream.feed.catch_up import Kept
from stream.feed.messages import ScoreMessage, encode
from stream.side_thread import SideThread
from tests.unit.stream.feed.made import a_status, an_alert


class FakeHistory:
    """An outbox of alerts 1 to `last`; `read` counts how often it was asked."""

    epoch = "E"

    def __init__(self, last: int) -> None:
        self.last = last
        self.read = 0
        self.fails = False
        self.hangs = threading.Event()
        self.hangs.set()

    def since(self, seq: int, limit: int) -> Kept:
        self.read += 1
        self.hangs.wait(10)
        if self.fails:
            raise OutboxError("no disk")
        seqs = range(seq + 1, self.last + 1)[:limit]
        return Kept(1, self.last, [(each, encode(an_alert(seq=each))) for each in seqs])

    def open_events(self) -> Kept:
        raise NotImplementedError

    def close(self) -> None:
        pass


@pytest.fixture
def disk() -> Iterator[SideThread]:
    with closing(SideThread("disk")) as disk:
        yield disk


def a_score(time_s: float, camera: str = "front") -> ScoreMessage:
    return ScoreMessage(
        camera=camera,
        time=time_s,
        pts_s=0.0,
        segment=0,
        index=0,
        raw=0.1,
        cleaned=0.1,
        score=0.1,
    )


async def all_after(hub: Hub, seq: int) -> list[int]:
    found: list[int] = []
    while alerts := await hub.alerts_after(found[-1] if found else seq):
        found += [each for each, _ in alerts]
    return found


def test_alerts_come_whole_and_in_order_from_the_outbox_and_then_from_memory(disk: SideThread) -> None:
    async def run() -> None:
        history = FakeHistory(700)
        hub = Hub(history, 700, disk, ManualClock())
        for seq in range(701, 711):
            history.last = seq
            hub.take(an_alert(seq=seq))
        assert await all_after(hub, 0) == list(range(1, 711))
        assert await all_after(hub, 705) == [706, 707, 708, 709, 710]
        assert await all_after(hub, 710) == []

    asyncio.run(run())


def test_more_alerts_than_are_kept_in_memory_lose_nobody_any(disk: SideThread) -> None:
    async def run() -> None:
        history = FakeHistory(0)
        hub = Hub(history, 0, disk, ManualClock())
        for seq in range(1, KEPT_ALERTS + 51):
            history.last = seq
            hub.take(an_alert(seq=seq))
        assert await all_after(hub, 10) == list(range(11, KEPT_ALERTS + 51))
        assert history.read > 0

    asyncio.run(run())


def test_a_disk_that_hangs_does_not_hold_up_who_is_up_to_date(disk: SideThread) -> None:
    async def run() -> None:
        history = FakeHistory(5)
        history.hangs.clear()
        hub = Hub(history, 5, disk, ManualClock())
        behind = asyncio.create_task(hub.alerts_after(0))
        await asyncio.sleep(0)
        hub.take(an_alert(seq=6))
        assert await all_after(hub, 5) == [6]
        assert not behind.done()
        history.hangs.set()
        assert [seq for seq, _ in await behind] == [1, 2, 3, 4, 5]

    asyncio.run(run())


def test_what_can_not_be_read_now_is_not_passed_over(disk: SideThread) -> None:
    async def run() -> None:
        history = FakeHistory(5)
        hub = Hub(history, 5, disk, ManualClock())
        hub.take(an_alert(seq=6))
        history.fails = True
        assert await hub.alerts_after(2) == []
        history.fails = False
        assert await all_after(hub, 2) == [3, 4, 5, 6]

    asyncio.run(run())


def test_marks_are_told_in_order_to_who_was_there_when_they_were_made(disk: SideThread) -> None:
    async def run() -> None:
        hub = Hub(FakeHistory(0), 0, disk, ManualClock())
        hub.mark(b"before")
        came, news = hub.version, hub.news
        hub.take(a_status())
        hub.mark(b"one")
        await asyncio.wait_for(hub.wait(news, 10), 1)
        hub.mark(b"two")
        assert hub.marks_after(came) == [b"one", b"two"]
        assert hub.marks_after(hub.version) == []
        for _ in range(2 * KEPT_MARKS):
            hub.mark(b"many")
        assert len(hub.marks_after(0)) == KEPT_MARKS

    asyncio.run(run())


def test_of_states_and_scores_only_the_newest_is_kept_and_news_wake_up(disk: SideThread) -> None:
    async def run() -> None:
        hub = Hub(FakeHistory(0), 0, disk, ManualClock())
        news = hub.news
        for level in range(100):
            hub.take(a_status(fps=float(level)))
            hub.take(a_score(float(level)))
        await asyncio.wait_for(hub.wait(news, 10), 1)
        assert {key: newest.message for key, newest in hub.newest()} == {
            ("status", "front", ""): a_status(fps=99.0),
            ("score", "front", "default"): a_score(99.0),
        }

    asyncio.run(run())


def test_the_pace_of_scoring_is_measured_and_over_when_no_more_come(disk: SideThread) -> None:
    async def run() -> None:
        clock = ManualClock()
        hub = Hub(FakeHistory(0), 0, disk, clock)
        for _ in range(5):
            clock.advance(0.5)
            hub.take(a_score(clock.time() - 0.2))
        rate, age_s = hub.pace("front", "default")
        assert rate == pytest.approx(2.0)
        assert age_s == pytest.approx(0.2)
        clock.advance(60)
        assert hub.pace("front", "default") == (0.0, None)
        assert hub.pace("yard", "default") == (0.0, None)
        assert not hub.is_scored("front", "default")

    asyncio.run(run())


def test_a_score_is_one_of_now_until_the_next_ones_should_long_have_come(disk: SideThread) -> None:
    async def run() -> None:
        clock = ManualClock()
        hub = Hub(FakeHistory(0), 0, disk, clock)
        assert not hub.is_scored("front", "default")
        for _ in range(3):
            clock.advance(20)
            hub.take(a_score(clock.time()))
        clock.advance(50)  # a scorer may take its time
        assert hub.is_scored("front", "default")
        assert hub.pace("front", "default")[0] == pytest.approx(0.05)
        clock.advance(20)
        assert not hub.is_scored("front", "default")

    asyncio.run(run())


def test_a_camera_that_is_gone_is_forgotten(disk: SideThread) -> None:
    async def run() -> None:
        clock = ManualClock()
        hub = Hub(FakeHistory(0), 0, disk, clock)
        hub.take(a_status(camera="gone"))
        hub.take(a_score(0.0, camera="gone"))
        clock.advance(SILENT_S + 1)
        hub.take(a_status(camera="front"))
        assert [key[1] for key, _ in hub.newest()] == ["front"]
        assert hub.status("gone") is None

    asyncio.run(run())
