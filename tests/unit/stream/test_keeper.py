from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from engine.batcher import MicroBatcher
from engine.errors import SourceError, SourceFault
from engine.types import Tier
from engine.windows import WindowPlan
from stream.clock import ManualClock
from stream.keeper import GRACE_S, MAX_ABANDONED, CameraKeeper, Report
from stream.rings import PacketRing
from stream.session import CameraSession, CameraState, SessionSettings, SessionStats, StateChange
from stream.sources.base import Item, Source, StreamInfo
from stream.sources.scripted import ScriptedSource
from tests.unit.stream.test_session import INFO, pictures

STALL_S = 5.0
OPEN_S = 10.0


class StuckSource:
    """Its `open` does not come back until `let_go`, whatever `close` says: a driver that hangs."""

    live = True
    keyframes_only = False

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.returned = threading.Event()

    def open(self) -> StreamInfo:
        self.entered.set()
        assert self.let_go.wait(20)
        self.returned.set()
        return INFO

    def __iter__(self) -> Iterator[Item]:
        yield INFO
        yield from pictures(1.0)

    def close(self) -> None:
        return None


class Kept:
    """A keeper over scripted sources, whose clock only the test moves while sources are stuck."""

    def __init__(self, sources: list[Source]) -> None:
        self.clock = ManualClock()
        self.changes: list[StateChange] = []
        self.changed = threading.Semaphore(0)
        self.batcher = MicroBatcher(max_batch=8, staleness_s=60, monotonic=self.clock.monotonic)
        self._sources = iter(sources)
        self.keeper = CameraKeeper(
            "front",
            self._session,
            report=self._report,
            clock=self.clock,
            stall_s=STALL_S,
            open_timeout_s=OPEN_S,
        )

    def _session(self, report: Report, stats: SessionStats) -> CameraSession:
        return CameraSession(
            SessionSettings("front", WindowPlan(), (32, 18)),
            lambda: next(self._sources),
            packets=PacketRing(10, 1_000_000),
            batcher=self.batcher,
            report=report,
            clock=self.clock,
            rng=random.Random(1),
            stats=stats,
        )

    def _report(self, change: StateChange) -> None:
        self.changes.append(change)
        self.changed.release()

    def faults(self) -> list[SourceFault]:
        return [change.error.fault for change in self.changes if change.error]


def test_a_source_that_hangs_in_native_code_is_abandoned_and_the_camera_reopened() -> None:
    stuck, silent = StuckSource(), StuckSource()
    kept = Kept([stuck, silent])
    kept.keeper.start()
    assert stuck.entered.wait(5)
    kept.clock.advance(OPEN_S + GRACE_S - 1)
    kept.keeper.tick()
    assert kept.faults() == []
    kept.clock.advance(2)
    kept.keeper.tick()
    assert kept.faults() == [SourceFault.HUNG]
    assert silent.entered.wait(5)  # the camera is tried again at once, while the first attempt is still stuck
    told = len(kept.changes)
    stuck.let_go.set()
    assert stuck.returned.wait(5)
    kept.keeper.stop()
    silent.let_go.set()
    assert kept.keeper.join(5)
    assert len(kept.changes) == told  # the abandoned session has no say any more
    assert kept.batcher.counts() == {}


def test_a_camera_whose_attempts_all_hang_is_given_up_after_a_bounded_number() -> None:
    sources = [StuckSource() for _ in range(MAX_ABANDONED + 2)]
    kept = Kept(list(sources))
    kept.keeper.start()
    tried = 0
    for source in sources:
        if kept.keeper.done:
            break
        assert source.entered.wait(5)
        tried += 1
        kept.clock.advance(OPEN_S + GRACE_S + 1)
        kept.keeper.tick()
    assert tried == MAX_ABANDONED + 1
    assert kept.keeper.state is CameraState.FAILED
    for source in sources:
        source.let_go.set()


@pytest.mark.parametrize("silent_s", [4.0, 6.0])
def test_a_connected_camera_without_pictures_is_stalled_until_they_come(silent_s: float) -> None:
    kept = Kept([])
    keeper = kept.keeper
    keeper._change(CameraState.LIVE)
    keeper.stats.picture_s = kept.clock.monotonic()
    kept.clock.advance(silent_s)
    keeper.tick()
    assert keeper.state is (CameraState.STALLED if silent_s > STALL_S else CameraState.LIVE)
    keeper.stats.picture_s = kept.clock.monotonic()
    keeper.tick()
    assert keeper.state is CameraState.LIVE


def test_a_still_scene_whose_key_frames_are_far_apart_is_not_stalled() -> None:
    kept = Kept([])
    keeper, stats = kept.keeper, kept.keeper.stats
    keeper._change(CameraState.LIVE)
    stats.picture_s, stats.tier = kept.clock.monotonic(), Tier.IDLE
    kept.clock.advance(STALL_S + 1)
    stats.touched_s = kept.clock.monotonic() - 0.1  # packets come
    keeper.tick()
    assert kept.faults() == []
    kept.clock.advance(STALL_S + 1)
    keeper.tick()
    assert kept.faults() == [SourceFault.STALLED]


def test_a_file_that_waits_for_a_slow_scorer_neither_stalls_nor_hangs() -> None:
    kept = Kept([])
    kept.keeper._change(CameraState.LIVE)
    kept.keeper.stats.live = False
    kept.keeper.stats.touched_s = kept.keeper.stats.picture_s = kept.clock.monotonic()
    kept.clock.advance(600)
    kept.keeper.tick()
    assert kept.faults() == []


def test_a_file_that_ends_is_done_and_its_thread_is_over() -> None:
    kept = Kept([ScriptedSource([INFO, *pictures(1.0)], live=False)])
    kept.keeper.start()
    assert kept.keeper.join(5)
    assert kept.keeper.done
    assert kept.keeper.stats.frames == 8


def test_stopping_a_camera_that_waits_to_try_again_is_quick() -> None:
    down = SourceError("down", SourceFault.REFUSED)
    kept = Kept([ScriptedSource([INFO], fail=down) for _ in range(1000)])
    kept.keeper.start()
    assert kept.changed.acquire(timeout=5)
    kept.keeper.stop()
    assert kept.keeper.join(5)
