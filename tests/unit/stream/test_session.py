from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from engine.batcher import MicroBatcher
from engine.errors import SourceError, SourceFault
from engine.gate import IdleSettings
from engine.types import Image, Tier, Window
from engine.windows import WindowPlan
from stream.clock import ManualClock
from stream.rings import PacketRing
from stream.session import CameraSession, CameraState, Pace, SessionSettings, SessionStats, StateChange
from stream.sources.base import EncodedPacket, Item, Source, StreamInfo

INFO = StreamInfo("h264", 320, 180, Fraction(1, 1000), b"header")


class Grey:
    """A picture of one grey level that counts its conversions."""

    def __init__(self, pts_s: float | None, level: int = 100, is_key: bool = False) -> None:
        self.pts_s = pts_s
        self.is_key = is_key
        self.level = level
        self.conversions = 0

    def write_rgb(self, out: Image) -> None:
        self.conversions += 1
        out[:] = self.level


class FakeSource:
    """Yields what it was given; an exception among the items is raised."""

    def __init__(
        self, items: Sequence[Item | Exception], *, live: bool = True, on_item: Callable[[], None] = lambda: None
    ):
        self.live = live
        self.keyframes_only = False
        self.dropped: Counter[str] = Counter()
        self._items = items
        self._on_item = on_item
        self.closed = 0

    def open(self) -> StreamInfo:
        if self._items and isinstance(self._items[0], Exception):
            raise self._items[0]
        return INFO

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            self._on_item()
            if isinstance(item, Exception):
                raise item
            yield item

    def close(self) -> None:
        self.closed += 1


class Bench:
    """One session over scripted sources, with a clock that moves when it is waited for or as told."""

    def __init__(
        self,
        sources: list[FakeSource],
        *,
        plan: WindowPlan | None = None,
        idle: IdleSettings | None = None,
        pace: Pace = Pace.REALTIME,
    ) -> None:
        self.clock = ManualClock()
        self.changes: list[StateChange] = []
        self.windows: list[Window] = []
        self.batcher = MicroBatcher(max_batch=64, staleness_s=1e9, monotonic=self.clock.monotonic)
        self.stats = SessionStats()
        self.packets = PacketRing(30.0, 1_000_000)
        self._sources = iter(sources)
        settings = SessionSettings("front", plan or WindowPlan(), (32, 18), idle or IdleSettings(), pace)
        self.session = CameraSession(
            settings,
            self._next_source,
            packets=self.packets,
            batcher=self.batcher,
            report=self._report,
            clock=self.clock,
            rng=random.Random(7),
            stats=self.stats,
        )

    def _report(self, change: StateChange) -> None:
        self.changes.append(change)

    def _next_source(self) -> FakeSource:
        source = next(self._sources, None)
        if source is None:
            self.session.stop()
            return FakeSource([])
        return source

    def tick(self, seconds: float) -> Callable[[], None]:
        """For `on_item`: time passes with every item, and windows are taken at once."""

        def passes() -> None:
            self.clock.advance(seconds)
            self.take()

        return passes

    def take(self) -> None:
        for window in self.batcher.take(0):
            self.windows.append(window)
            window.release()

    def run(self) -> list[CameraState]:
        self.session.run()
        self.take()
        return [change.state for change in self.changes]


def pictures(seconds: float, fps: float = 30.0, start_s: float = 0.0) -> list[Grey]:
    return [Grey(start_s + n / fps, level=n % 200) for n in range(round(seconds * fps))]


def test_only_the_grids_pictures_are_converted_and_they_become_windows() -> None:
    shown = pictures(3.0)
    source = FakeSource([INFO, *shown])
    bench = Bench([source])
    source._on_item = bench.tick(1 / 30)
    bench.run()
    assert sum(p.conversions for p in shown) == 24
    assert bench.stats.pictures == 90
    assert bench.stats.frames == 24
    assert [[f.slot for f in w.frames] for w in bench.windows] == [list(range(k, k + 8)) for k in (0, 8, 16)]
    assert all(int(f.image[0, 0, 0]) == round(f.pts_s * 30) for w in bench.windows for f in w.frames)


def test_reading_goes_on_for_ever_and_each_failure_is_reported_with_its_wait() -> None:
    down = SourceError("nobody there", SourceFault.UNREACHABLE)
    bench = Bench([FakeSource([down]), FakeSource([down]), FakeSource([INFO, *pictures(1.0), down])])
    states = bench.run()
    assert states == [
        CameraState.CONNECTING,
        CameraState.OFFLINE,
        CameraState.CONNECTING,
        CameraState.OFFLINE,
        CameraState.CONNECTING,
        CameraState.LIVE,
        CameraState.OFFLINE,
        CameraState.CONNECTING,
    ]
    waits = [change.retry_s for change in bench.changes if change.state is CameraState.OFFLINE]
    assert all(wait is not None and 1 <= wait <= 60 for wait in waits)
    assert [c.error.fault for c in bench.changes if c.error] == [SourceFault.UNREACHABLE] * 3


def test_attempts_that_only_take_long_to_fail_are_tried_less_and_less_often() -> None:
    silent = FakeSource([SourceError("no answer", SourceFault.UNREACHABLE)])
    bench = Bench([silent] * 12)
    open_at_once = silent.open

    def open_slowly() -> StreamInfo:
        bench.clock.advance(30.0)
        return open_at_once()

    silent.open = open_slowly  # type: ignore[method-assign]
    bench.run()
    waits = [change.retry_s for change in bench.changes if change.retry_s is not None]
    assert max(waits) > 10


def test_an_attempt_counts_as_busy_from_now_before_it_is_announced() -> None:
    down = SourceError("nobody there", SourceFault.REFUSED)
    bench = Bench([FakeSource([INFO, *pictures(1.0), down]), FakeSource([down])])
    seen: list[tuple[float, float | None]] = []

    def look(change: StateChange) -> None:
        if change.state is CameraState.CONNECTING:
            seen.append((bench.clock.monotonic() - bench.stats.touched_s, bench.stats.picture_s))

    bench.session._report = look
    bench.run()
    assert seen == [(0.0, None)] * 3


def test_a_session_that_is_stopped_while_its_source_is_made_does_not_open_it() -> None:
    source = FakeSource([INFO, *pictures(1.0)])
    bench = Bench([source])
    make_source = bench.session._make_source

    def make_and_stop() -> Source:
        bench.session.stop()
        return make_source()

    bench.session._make_source = make_and_stop
    assert bench.run() == [CameraState.CONNECTING]
    assert source.closed == 1


def test_a_reopened_camera_starts_a_new_segment_and_no_window_spans_the_break() -> None:
    lost = SourceError("gone", SourceFault.LOST)
    sources = [FakeSource([INFO, *pictures(1.5), lost]), FakeSource([INFO, *pictures(1.5), lost])]
    bench = Bench(sources)
    for source in sources:
        source._on_item = bench.tick(1 / 30)
    bench.run()
    assert [w.segment for w in bench.windows] == [0, 1]
    assert all(len({f.segment for f in w.frames}) == 1 for w in bench.windows)


def test_a_bug_in_a_source_is_one_more_reason_to_try_again() -> None:
    bench = Bench([FakeSource([INFO, ValueError("bug")])])
    assert CameraState.OFFLINE in bench.run()


def test_an_error_that_is_kept_holds_no_frames_and_so_no_decoder() -> None:
    bench = Bench([FakeSource([INFO, SourceError("lost", SourceFault.LOST)])])
    bench.run()
    errors = [change.error for change in bench.changes if change.error]
    assert [error.__traceback__ for error in errors] == [None]


def test_a_file_ends_and_is_not_tried_again() -> None:
    source = FakeSource([INFO, *pictures(1.0)], live=False)
    bench = Bench([source], pace=Pace.MAX)
    assert bench.run() == [CameraState.CONNECTING, CameraState.LIVE, CameraState.ENDED]
    assert source.closed == 1


def test_a_file_that_cannot_be_read_fails_for_good() -> None:
    bench = Bench([FakeSource([SourceError("no such file", SourceFault.NOT_FOUND)], live=False)])
    assert bench.run() == [CameraState.CONNECTING, CameraState.FAILED]


def test_a_file_at_real_time_pace_is_held_back_to_its_own_speed() -> None:
    packets = [EncodedPacket(b"x", n * 100, n * 100, 100, n % 10 == 0) for n in range(50)]
    bench = Bench([FakeSource([INFO, *packets], live=False)])
    start_s = bench.clock.monotonic()
    bench.run()
    assert bench.clock.monotonic() - start_s == pytest.approx(4.9, abs=0.01)


def test_pictures_that_refer_to_a_later_one_are_played_evenly_too() -> None:
    """In the order of decoding the last of a group comes first; those between come one by one all the same."""
    order = [0, 8, 1, 2, 3, 4, 5, 6, 7]
    packets = [EncodedPacket(b"x", n * 100, (at - 1) * 100, 100, n == 0) for at, n in enumerate(order)]
    came_s: list[float] = []
    bench = Bench([FakeSource([INFO, *packets], live=False, on_item=lambda: came_s.append(bench.clock.monotonic()))])
    bench.run()
    gaps_s = [later - earlier for earlier, later in pairwise(came_s[1:])]
    assert gaps_s == pytest.approx([0.0, *[0.1] * 7], abs=0.01)


def test_a_file_at_full_pace_loses_no_frame_however_slow_the_scorer() -> None:
    bench = Bench([FakeSource([INFO, *pictures(20.0)], live=False)], pace=Pace.MAX)
    thread = threading.Thread(target=bench.session.run)
    thread.start()
    taken: list[Window] = []
    while len(taken) < 20:  # a scorer that holds two windows at a time while two more wait
        batch = bench.batcher.take(5)
        assert batch
        taken += batch
        time.sleep(0.02)
        for window in batch:
            window.release()
    thread.join(5)
    assert not thread.is_alive()
    assert [w.index for w in taken] == list(range(20))
    assert [f.slot for w in taken for f in w.frames] == list(range(160))
    assert bench.stats.dropped.total() == 0


def test_packets_are_kept_with_the_time_of_their_pictures() -> None:
    items: list[Item] = [INFO]
    for n in range(20):
        items += [EncodedPacket(b"x", n * 100, n * 100, 100, n % 10 == 0), Grey(n / 10)]
    bench = Bench([FakeSource(items, live=False)], pace=Pace.MAX)
    start_s = bench.clock.time()
    bench.run()
    kept = bench.packets.since(0).packets
    assert len(kept) == 20
    assert [p.time_s - start_s for p in kept] == pytest.approx([n / 10 for n in range(20)])
    assert {p.segment for p in kept} == {0}


class StillStreet(FakeSource):
    """A still picture at 30 fps, with a key frame each second, that changes once; obeys `keyframes_only`."""

    changes_s = 24.5

    def __iter__(self) -> Iterator[Item]:
        yield INFO
        for n in range(900):
            self._on_item()
            if n % 30 == 0 or not self.keyframes_only:
                yield Grey(n / 30, level=100 if n / 30 < self.changes_s else 180, is_key=n % 30 == 0)
        raise SourceError("over", SourceFault.ENDED)


def test_a_still_scene_is_watched_by_key_frames_at_the_floor_rate_and_wakes_on_change() -> None:
    source = StillStreet([])
    bench = Bench([source], idle=IdleSettings(enabled=True, after_s=2.0, floor_s=4.0))
    source._on_item = bench.tick(1 / 30)
    bench.run()
    idle = [w for w in bench.windows if w.tier is Tier.IDLE]
    assert [round(w.end.pts_s) for w in idle] == [2, 6, 10, 14, 18, 22, 27]
    full = [round(w.end.pts_s, 1) for w in bench.windows if w.tier is Tier.FULL]
    assert full == [0.9, 1.9, 25.9, 26.9]  # woken by the change, and scored as before


class Keyless(FakeSource):
    """A still scene with packets at 10 fps and a key picture every `gap_s`, whose key pictures end after `keys_s`."""

    def __init__(self, gap_s: int, keys_s: float, length_s: int) -> None:
        super().__init__([])
        self.gap_s, self.keys_s, self.length_s = gap_s, keys_s, length_s

    def __iter__(self) -> Iterator[Item]:
        yield INFO
        for n in range(10 * self.length_s):
            self._on_item()
            is_key = n % (10 * self.gap_s) == 0 and n / 10 < self.keys_s
            yield EncodedPacket(b"p", n * 100, n * 100, 100, is_key)
            if is_key or not self.keyframes_only:
                yield Grey(n / 10, is_key=is_key)
        raise SourceError("over", SourceFault.ENDED)


@pytest.mark.parametrize(
    ("gap_s", "keys_s", "length_s", "fault"),
    [
        (1, 10, 60, SourceFault.STALLED),
        (1, 60, 60, SourceFault.ENDED),
        (20, 61, 110, SourceFault.ENDED),  # rare ones are awaited
        (20, 61, 130, SourceFault.STALLED),
        (20, 1, 30, SourceFault.ENDED),  # it can't be known yet how rare they are
    ],
)
def test_an_idle_camera_whose_key_pictures_end_is_opened_again(
    gap_s: int, keys_s: float, length_s: int, fault: SourceFault
) -> None:
    source = Keyless(gap_s, keys_s, length_s)
    bench = Bench([source], idle=IdleSettings(enabled=True, after_s=10.0, floor_s=4.0))
    source._on_item = bench.tick(0.1)
    bench.run()
    (failed,) = [change.error for change in bench.changes if change.error]
    assert failed.fault is fault
    if (gap_s, fault) == (1, SourceFault.STALLED):
        assert bench.stats.packets < 140  # after the stall time: its last key picture is that of 9 s


def test_a_process_that_was_stopped_misses_no_key_picture_of_an_idle_camera() -> None:
    source = Keyless(1, 60, 40)
    bench = Bench([source], idle=IdleSettings(enabled=True, after_s=2.0, floor_s=4.0))
    passes, items = bench.tick(0.1), iter(range(1000))
    source._on_item = lambda: bench.clock.advance(3600) if next(items) == 205 else passes()
    bench.run()
    assert [change.error.fault for change in bench.changes if change.error] == [SourceFault.ENDED]


def test_a_scene_that_wakes_after_key_frames_closer_than_its_long_windows_need_is_scored_as_before() -> None:
    """All its pictures are key frames, so that more of them come while it is still than a window looks back at."""
    shown = [Grey(n / 8, level=100 if n < 112 else 180, is_key=True) for n in range(128)]
    source = FakeSource([INFO, *shown])
    plan = WindowPlan(fps=8, length_s=8.0, stride_s=8.0, frames=8)
    bench = Bench([source], plan=plan, idle=IdleSettings(enabled=True, after_s=2.0, floor_s=8.0))
    source._on_item = bench.tick(1 / 8)
    assert CameraState.OFFLINE not in bench.run()
    (full,) = [w for w in bench.windows if w.tier is Tier.FULL]
    assert [f.slot for f in full.frames][-2:] == [112, 120]


def test_a_live_camera_whose_clock_jumps_or_picture_changes_its_size_is_in_trouble_for_a_while() -> None:
    small = replace(INFO, width=160, height=90)
    source = FakeSource([INFO, *pictures(2.0), *pictures(20.0, start_s=500.0), small, *pictures(33.0, start_s=520.0)])
    bench = Bench([source])
    told: list[str | None] = []

    def look() -> None:
        bench.tick(1 / 30)()
        fault = bench.stats.trouble.fault if bench.stats.trouble else None
        if told[-1:] != [fault]:
            told.append(fault)

    source._on_item = look
    assert bench.run()[:3] == [CameraState.CONNECTING, CameraState.LIVE, CameraState.LIVE]
    assert told == [None, "clock_jump", "resized", None]


def test_stop_ends_a_session_that_waits_to_try_again() -> None:
    bench = Bench([FakeSource([SourceError("down", SourceFault.REFUSED)])])
    bench.session.stop()
    assert bench.run() == []


def test_what_a_source_leaves_out_is_counted_over_all_attempts() -> None:
    sources: list[FakeSource] = []

    def leave_out() -> None:
        sources[0].dropped["untaken"] += 1

    lost = SourceError("lost", SourceFault.LOST)
    attempts = [FakeSource([INFO, *pictures(1.0), lost], on_item=leave_out) for _ in range(2)]
    sources.extend(attempts)
    bench = Bench([*attempts, FakeSource([INFO], live=False)])
    bench.run()
    assert bench.stats.dropped["untaken"] > 11


def test_frames_are_dropped_and_counted_when_every_place_is_pinned() -> None:
    source = FakeSource([INFO, *pictures(30.0)])
    bench = Bench([source])
    held: list[Window] = []

    def hold() -> None:  # a scorer that takes windows and never gives their pixels back
        bench.clock.advance(1 / 30)
        held.extend(bench.batcher.take(0))

    source._on_item = hold
    bench.run()
    assert bench.stats.dropped["ring_full"] > 0
    assert all(np.all(f.image == f.image[0, 0, 0]) for w in held for f in w.frames)
    assert [f.slot for f in held[0].frames] == list(range(8))
    assert [int(f.image[0, 0, 0]) for f in held[0].frames] == [round(f.pts_s * 30) for f in held[0].frames]
