from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.batcher import MicroBatcher
from engine.errors import SourceError, SourceFault
from engine.types import Tier
from engine.windows import WindowPlan
from stream.clock import ManualClock
from stream.keeper import FILE_GRACE_S, GRACE_S, MAX_ABANDONED, CameraKeeper, Report
from stream.rings import PacketRing
from stream.session import CameraSession, CameraState, Pace, SessionSettings, SessionStats, StateChange
from stream.sources.base import Item, Source, StreamInfo
from stream.sources.pyav import PyAvSource
from stream.sources.scripted import ScriptedSource, Silence
from stream.sources.webcam import WebcamSource
from tests.unit.stream.sources.captures import FakeCapture
from tests.unit.stream.test_session import INFO, pictures

STALL_S = 5.0
OPEN_S = 10.0


def wait_until(happened: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + 5
    while not happened() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return happened()


class StuckSource:
    """Its `open` does not come back until `let_go`, whatever `close` says: a driver that hangs."""

    live = True
    keyframes_only = False

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.returned = threading.Event()
        self.dropped: Counter[str] = Counter()

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

    def __init__(self, sources: list[Source], pace: Pace = Pace.REALTIME) -> None:
        self.clock = ManualClock()
        self.changes: list[StateChange] = []
        self.changed = threading.Semaphore(0)
        self.batcher = MicroBatcher(max_batch=8, staleness_s=60, monotonic=self.clock.monotonic)
        self._sources = iter(sources)
        self._pace = pace
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
            SessionSettings("front", WindowPlan(), (32, 18), pace=self._pace),
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

    def pass_time(self, seconds: float) -> None:
        """As its owner sees it pass: with a tick each second and one at the end."""
        while seconds > 0:
            self.clock.advance(min(1.0, seconds))
            self.keeper.tick()
            seconds -= 1.0

    def faults(self) -> list[SourceFault]:
        return [change.error.fault for change in self.changes if change.error]


def test_a_source_that_hangs_in_native_code_is_abandoned_and_the_camera_reopened() -> None:
    stuck, silent = StuckSource(), StuckSource()
    kept = Kept([stuck, silent])
    kept.keeper.start()
    assert stuck.entered.wait(5)
    kept.pass_time(OPEN_S + GRACE_S - 1)
    assert kept.faults() == []
    kept.pass_time(2)
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
        kept.pass_time(OPEN_S + GRACE_S + 1)
    assert tried == MAX_ABANDONED + 1
    assert kept.keeper.state is CameraState.FAILED
    kept.pass_time(60)
    assert not sources[-1].entered.is_set()
    sources[0].let_go.set()
    assert sources[0].returned.wait(5)

    def tried_again() -> bool:  # its thread may take a moment to be over
        kept.keeper.tick()
        return sources[-1].entered.is_set()

    assert wait_until(tried_again)
    assert not kept.keeper.done
    kept.keeper.stop()
    for source in sources:
        source.let_go.set()
    assert kept.keeper.join(5)


def test_a_camera_that_is_stopped_is_not_begun_again_however_long_its_source_hangs() -> None:
    stuck, other = StuckSource(), StuckSource()
    kept = Kept([stuck, other])
    kept.keeper.start()
    assert stuck.entered.wait(5)
    kept.keeper.stop()
    kept.pass_time(OPEN_S + GRACE_S + 1)
    assert kept.faults() == []
    assert not other.entered.is_set()
    stuck.let_go.set()
    assert kept.keeper.join(5)


@pytest.mark.parametrize("silent_s", [4.0, 6.0])
def test_a_connected_camera_without_pictures_is_stalled_until_they_come(silent_s: float) -> None:
    kept = Kept([])
    keeper = kept.keeper
    keeper._change(CameraState.LIVE)
    keeper.stats.picture_s = kept.clock.monotonic()
    kept.pass_time(silent_s)
    assert keeper.state is (CameraState.STALLED if silent_s > STALL_S else CameraState.LIVE)
    keeper.stats.picture_s = kept.clock.monotonic()
    keeper.tick()
    assert keeper.state is CameraState.LIVE


def test_a_still_scene_whose_key_frames_are_far_apart_is_not_stalled() -> None:
    kept = Kept([])
    keeper, stats = kept.keeper, kept.keeper.stats
    keeper._change(CameraState.LIVE)
    stats.picture_s, stats.tier = kept.clock.monotonic(), Tier.IDLE
    for _ in range(round(STALL_S) + 1):
        stats.touched_s = kept.clock.monotonic()  # packets come
        kept.pass_time(1)
    assert kept.faults() == []
    kept.pass_time(STALL_S + 1)
    assert kept.faults() == [SourceFault.STALLED]


class Stuck:
    """A source of each kind that hangs in native code, and what lets it go."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.entered, self._let_go = threading.Event(), threading.Event()
        self._fifo = folder / "video.mp4"
        os.mkfifo(self._fifo)
        self.is_fifo = kind == "file"
        match kind:
            case "file":  # opening a pipe that nobody writes to does not return
                self.source: Source = PyAvSource(str(self._fifo))
                self.entered.set()
            case "webcam":
                self.source = WebcamSource(0, open_capture=lambda _: FakeCapture(on_read=self._hang))
            case _:
                self.source = PyAvSource("rtsp://127.0.0.1/x")
                self.source._connect = self._hang  # type: ignore[method-assign, assignment]

    def _hang(self, *_: object) -> None:
        self.entered.set()
        self._let_go.wait(20)
        raise OSError("let go")

    def let_go(self) -> None:
        self._let_go.set()
        if self.is_fifo:
            self._fifo.open("wb").close()


@pytest.mark.parametrize("kind", ["file", "webcam", "network"])
def test_a_source_of_any_kind_that_hangs_is_noticed_and_only_a_file_is_not_begun_again(
    kind: str, tmp_path: Path
) -> None:
    stuck = Stuck(kind, tmp_path)
    kept = Kept([stuck.source, ScriptedSource([INFO, Silence(20)])])
    kept.keeper.start()
    thread = kept.keeper._thread
    assert thread is not None
    assert stuck.entered.wait(5)
    assert kept.changed.acquire(timeout=5)
    if kind == "file":
        assert wait_until(lambda: not kept.keeper.stats.live)
        kept.pass_time(OPEN_S + FILE_GRACE_S - 1)
        assert kept.faults() == []
        kept.pass_time(2)
    else:
        kept.pass_time(OPEN_S + GRACE_S + 1)
    assert kept.faults() == [SourceFault.HUNG]
    assert kept.keeper.done is (kind == "file")
    assert thread.is_alive()
    kept.keeper.stop()
    stuck.let_go()
    thread.join(5)
    assert not thread.is_alive()
    assert kept.keeper.join(5)


def test_a_process_that_was_stopped_for_a_while_blames_no_camera() -> None:
    stuck = StuckSource()
    kept = Kept([stuck, StuckSource()])
    kept.keeper.start()
    assert stuck.entered.wait(5)
    kept.pass_time(OPEN_S)
    kept.clock.advance(3600)  # Ctrl-Z, or a blocked event loop
    kept.keeper.tick()
    assert kept.faults() == []
    kept.pass_time(OPEN_S + GRACE_S - 1)
    assert kept.faults() == []
    kept.pass_time(2)
    assert kept.faults() == [SourceFault.HUNG]
    stuck.let_go.set()
    kept.keeper.stop()


@pytest.mark.parametrize("state", [CameraState.LIVE, CameraState.STALLED])
def test_a_pause_of_the_process_neither_stalls_a_camera_nor_heals_it(state: CameraState) -> None:
    kept = Kept([])
    kept.keeper._change(state)
    kept.keeper.stats.touched_s = kept.keeper.stats.picture_s = kept.clock.monotonic()
    kept.clock.advance(3600)
    kept.keeper.tick()
    assert kept.keeper.state is state


def test_a_file_that_waits_for_a_slow_scorer_neither_stalls_nor_hangs() -> None:
    kept = Kept([ScriptedSource([INFO, *pictures(30.0)], live=False)], pace=Pace.MAX)
    kept.keeper.start()
    assert wait_until(lambda: kept.keeper.stats.waiting)  # nobody takes its windows
    kept.pass_time(600)
    assert kept.faults() == []
    kept.keeper.stop()
    kept.batcher.close()
    assert kept.keeper.join(5)


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
