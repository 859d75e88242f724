from __future__ import annotations

import threading

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.batcher import Drop, MicroBatcher, Overflow
from engine.types import Window
from tests.unit.engine.frames import window


class Now:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_the_newest_window_of_a_camera_replaces_the_one_that_waits() -> None:
    dropped: list[tuple[int, str]] = []
    batcher = MicroBatcher(
        max_batch=8, staleness_s=2, monotonic=Now(), on_drop=lambda w, reason: dropped.append((w.index, reason))
    )
    released: list[int] = []
    for index in range(3):
        batcher.offer(window(index, release=lambda i=index: released.append(i)))  # type: ignore[misc]
    assert [w.index for w in batcher.take(0)] == [2]
    assert dropped == [(0, Drop.SUPERSEDED), (1, Drop.SUPERSEDED)]
    assert released == [0, 1]


def test_how_long_the_oldest_window_has_waited_is_known() -> None:
    now = Now()
    batcher = MicroBatcher(max_batch=8, staleness_s=20, monotonic=now)
    assert batcher.waiting_s == 0.0
    batcher.offer(window(0, camera="a", arrival_s=1.0))
    batcher.offer(window(0, camera="b", arrival_s=2.0))
    now.s = 5.0
    assert batcher.waiting_s == 4.0
    assert batcher.ages_s() == {"a": 4.0, "b": 3.0}
    batcher.take(0)
    assert batcher.waiting_s == 0.0


def test_a_window_older_than_the_budget_is_dropped_when_its_turn_comes() -> None:
    now = Now()
    batcher = MicroBatcher(max_batch=8, staleness_s=2, monotonic=now)
    batcher.offer(window(0, camera="a", arrival_s=0.0))
    batcher.offer(window(0, camera="b", arrival_s=1.5))
    now.s = 3.0
    assert [w.camera for w in batcher.take(0)] == ["b"]
    assert batcher.counts()["a"].dropped == {Drop.STALE: 1}


def test_a_camera_whose_windows_are_far_apart_is_served_though_the_scorer_was_busy_for_longer_than_the_budget() -> None:
    now = Now()
    batcher = MicroBatcher(max_batch=1, staleness_s=2, monotonic=now)
    served: list[str] = []
    for turn in range(4):  # always in step: the one comes while the other is being scored, for three seconds
        now.s = 10.0 * turn
        batcher.offer(window(turn, camera="a", arrival_s=now.s))
        served += [w.camera for w in batcher.take(0)]
        batcher.offer(window(turn, camera="b", arrival_s=now.s + 0.5))
        now.s += 3
        served += [w.camera for w in batcher.take(0)]
    assert served == ["a", "a", "b", "a", "b", "a", "b"]  # of the first one nobody knew when the next would come


def test_a_camera_that_fell_silent_is_stale_when_its_next_window_would_have_been_due() -> None:
    now = Now()
    batcher = MicroBatcher(max_batch=1, staleness_s=2, monotonic=now)
    for index in range(2):
        batcher.offer(window(index, camera="a", arrival_s=10.0 * index))
    now.s = 20.5
    assert batcher.take(0) == []
    assert batcher.counts()["a"].dropped == {Drop.SUPERSEDED: 1, Drop.STALE: 1}


def test_lossless_windows_are_never_stale() -> None:
    now = Now()
    batcher = MicroBatcher(max_batch=8, staleness_s=2, monotonic=now)
    batcher.offer(window(0), Overflow.BLOCK)
    now.s = 100.0
    assert len(batcher.take(0)) == 1


def test_cameras_take_turns_when_a_batch_is_smaller_than_their_number() -> None:
    batcher = MicroBatcher(max_batch=2, staleness_s=2, monotonic=Now())
    cameras = ["a", "b", "c", "d", "e"]
    served = []
    for turn in range(5):
        for camera in cameras:
            batcher.offer(window(turn, camera=camera))
        served += [w.camera for w in batcher.take(0)]
    assert sorted(served) == sorted(cameras * 2)


def test_a_blocked_camera_waits_until_there_is_room_and_loses_nothing() -> None:
    batcher = MicroBatcher(max_batch=1, staleness_s=2, monotonic=Now(), block_depth=2)

    def offer() -> None:
        for index in range(10):
            batcher.offer(window(index), Overflow.BLOCK)

    thread = threading.Thread(target=offer)
    thread.start()
    taken = [batcher.take(5)[0].index for _ in range(10)]
    thread.join(5)
    assert not thread.is_alive()
    assert taken == list(range(10))


def test_closing_frees_a_blocked_camera_and_drops_what_waits() -> None:
    batcher = MicroBatcher(max_batch=1, staleness_s=2, monotonic=Now(), block_depth=1)
    batcher.offer(window(0), Overflow.BLOCK)
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(batcher.offer(window(1), Overflow.BLOCK)))
    thread.start()
    batcher.close()
    thread.join(5)
    assert not thread.is_alive()
    assert results == [False]
    assert batcher.take(0) == []
    assert batcher.counts()["front"].dropped == {Drop.SHUTDOWN: 2}


def test_forgetting_a_camera_lets_its_blocked_window_in_and_loses_none() -> None:
    batcher = MicroBatcher(max_batch=1, staleness_s=2, monotonic=Now(), block_depth=1)
    batcher.offer(window(0), Overflow.BLOCK)
    thread = threading.Thread(target=lambda: batcher.offer(window(1), Overflow.BLOCK))
    thread.start()
    while batcher.counts()["front"].captured < 2:  # pytest's timeout bounds it
        pass
    batcher.forget("front")
    thread.join(5)
    assert not thread.is_alive()
    assert [w.index for w in batcher.take(0)] == [1]
    assert batcher.counts()["front"].dropped == {Drop.REMOVED: 1}


def test_a_draining_close_still_hands_out_what_waits() -> None:
    batcher = MicroBatcher(max_batch=4, staleness_s=2, monotonic=Now())
    batcher.offer(window(0))
    batcher.close(drain=True)
    assert [w.index for w in batcher.take()] == [0]
    assert batcher.take() == []


def test_take_gives_up_after_its_timeout() -> None:
    assert MicroBatcher(max_batch=1, staleness_s=1, monotonic=Now()).take(0.01) == []


class Accounting(RuleBasedStateMachine):
    """captured = scored + dropped + pending + in hand, whatever happens in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Now()
        self.dropped: list[Window] = []
        self.batcher = MicroBatcher(
            max_batch=3, staleness_s=2, monotonic=self.now, on_drop=lambda w, _: self.dropped.append(w)
        )
        self.in_hand: list[Window] = []
        self.offered = 0
        self.released = 0

    def _release(self) -> None:
        self.released += 1

    @rule(camera=st.sampled_from("abc"), age_s=st.floats(0, 3))
    def offer(self, camera: str, age_s: float) -> None:
        self.offered += 1
        self.batcher.offer(
            window(self.offered, camera=camera, arrival_s=self.now.s - age_s, release=self._release),
            Overflow.KEEP_LATEST,
        )

    @rule(seconds=st.floats(0, 3))
    def pass_time(self, seconds: float) -> None:
        self.now.s += seconds

    @rule()
    def take(self) -> None:
        self.in_hand += self.batcher.take(0)

    @rule(unknown=st.booleans())
    def settle(self, unknown: bool) -> None:
        for taken in self.in_hand:
            self.batcher.settle(taken, unknown=unknown)
            taken.release()
        self.in_hand = []

    @rule(camera=st.sampled_from("abc"))
    def forget(self, camera: str) -> None:
        self.batcher.forget(camera)

    @invariant()
    def every_window_is_accounted_for(self) -> None:
        counts = self.batcher.counts()
        pending = sum(self.batcher.pending(camera) for camera in "abc")
        assert pending <= 3
        captured = sum(c.captured for c in counts.values())
        scored = sum(c.scored for c in counts.values())
        dropped = sum(c.dropped.total() for c in counts.values())
        assert captured == self.offered
        assert captured == scored + dropped + pending + len(self.in_hand)
        assert dropped == len(self.dropped)
        assert self.released == scored + dropped


TestAccounting = Accounting.TestCase
TestAccounting.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4))
def test_accounting_holds_with_real_threads(cameras: int, max_batch: int) -> None:
    batcher = MicroBatcher(max_batch=max_batch, staleness_s=60, monotonic=Now())
    each = 200

    def offer(camera: str) -> None:
        for index in range(each):
            batcher.offer(window(index, camera=camera))

    threads = [threading.Thread(target=offer, args=(f"cam{n}",)) for n in range(cameras)]
    for thread in threads:
        thread.start()
    scored = 0
    while any(thread.is_alive() for thread in threads) or any(batcher.pending(f"cam{n}") for n in range(cameras)):
        for taken in batcher.take(0.01):
            batcher.settle(taken, unknown=False)
            scored += 1
    counts = batcher.counts()
    assert sum(c.captured for c in counts.values()) == cameras * each
    assert all(c.captured == c.scored + c.dropped.total() for c in counts.values())
    assert sum(c.scored for c in counts.values()) == scored
