"""Frames that a reader holds never change; packets are kept in whole groups within their bounds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.types import Frame
from stream.rings import FrameRing, PacketRing, Slot
from stream.sources.base import EncodedPacket, StreamInfo

INFO = StreamInfo("h264", 160, 120, Fraction(1, 90_000), b"")


def commit(ring: FrameRing, slot: Slot, number: int) -> Frame:
    return ring.commit(
        slot,
        camera="gate",
        segment=0,
        number=number,
        pts_s=float(number),
        time_s=float(number),
        arrival_s=float(number),
    )


def put(ring: FrameRing, number: int) -> Frame:
    slot = ring.claim()
    assert slot is not None
    slot.image[:] = number % 256
    return commit(ring, slot, number)


def test_a_frame_is_a_read_only_view_of_the_slot_that_was_filled() -> None:
    ring = FrameRing(3, 8, 6, span=1)
    slot = ring.claim()
    assert slot is not None
    assert slot.image.shape == (6, 8, 3)
    slot.image[:] = 7
    frame = commit(ring, slot, 1)
    assert np.shares_memory(frame.image, slot.image)
    assert np.all(frame.image == 7)
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0, 0, 0] = 1


def test_the_frames_of_the_next_window_are_kept_without_a_pin() -> None:
    ring = FrameRing(4, 8, 6, span=3)
    frames = [put(ring, number) for number in range(50)]
    assert [frame.image[0, 0, 0] for frame in frames[-3:]] == [47, 48, 49]


def test_a_claim_that_is_given_up_costs_nothing() -> None:
    ring = FrameRing(2, 8, 6, span=1)
    kept = put(ring, 1)
    for _ in range(10):
        slot = ring.claim()
        assert slot is not None
        slot.image[:] = 99
    assert np.all(kept.image == 1)
    assert np.all(put(ring, 2).image == 2)


def test_nothing_can_be_claimed_while_every_old_frame_is_pinned() -> None:
    ring = FrameRing(4, 8, 6, span=2)
    frames = [put(ring, number) for number in range(4)]
    release = ring.pin(frames[:2])
    assert ring.claim() is None
    release()
    release()  # changes nothing
    other = ring.pin(frames[1:2])
    assert np.all(put(ring, 4).image == 4)
    assert np.all(frames[1].image == 1)
    other()


def test_frames_pinned_twice_wait_for_both() -> None:
    ring = FrameRing(1, 8, 6, span=0)
    frame = put(ring, 1)
    one, two = ring.pin([frame]), ring.pin([frame])
    one()
    one()
    assert ring.claim() is None
    two()
    assert ring.claim() is not None


def test_a_frame_that_was_written_over_can_not_be_pinned() -> None:
    ring = FrameRing(2, 8, 6, span=1)
    old = put(ring, 0)
    newer = put(ring, 1)
    assert ring.claim() is not None
    with pytest.raises(ValueError, match="no longer in the ring"):
        ring.pin([newer, old])
    assert np.all(put(ring, 2).image == 2)
    assert ring.claim() is not None, "the failed pin left one behind"


@pytest.mark.parametrize(("capacity", "span"), [(3, 3), (0, 0), (4, -1)])
def test_a_ring_that_could_never_take_a_frame_is_refused(capacity: int, span: int) -> None:
    with pytest.raises(ValueError, match="frames can't keep"):
        FrameRing(capacity, 8, 6, span=span)


class FrameRingMachine(RuleBasedStateMachine):
    """The ring against a model: what is pinned or among the newest `SPAN` shows what was written into it."""

    CAPACITY, SPAN = 6, 3

    def __init__(self) -> None:
        super().__init__()
        self.ring = FrameRing(self.CAPACITY, 2, 2, span=self.SPAN)
        self.frames: list[Frame] = []
        self.pins: list[tuple[list[Frame], Callable[[], None]]] = []
        self.number = 0

    def held(self) -> set[int]:
        pinned = {frame.slot for frames, _ in self.pins for frame in frames}
        return pinned | {frame.slot for frame in self.frames[-self.SPAN :]}

    @rule(finishes=st.booleans())
    def write(self, finishes: bool) -> None:
        held = len(self.held())
        slot = self.ring.claim()
        assert (slot is None) == (held == self.CAPACITY)
        if slot is not None:
            slot.image[:] = self.number
            if finishes:
                self.frames.append(commit(self.ring, slot, self.number))
            self.number = (self.number + 1) % 256

    @precondition(lambda self: self.frames)
    @rule(count=st.integers(1, SPAN))
    def pin(self, count: int) -> None:
        newest = self.frames[-count:]
        self.pins.append((newest, self.ring.pin(newest)))

    @precondition(lambda self: self.pins)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        _, release = self.pins.pop(data.draw(st.integers(0, len(self.pins) - 1)))
        release()
        release()

    @invariant()
    def held_frames_show_what_was_written(self) -> None:
        held = [frame for frames, _ in self.pins for frame in frames] + self.frames[-self.SPAN :]
        assert all(np.all(frame.image == frame.slot) for frame in held)


FrameRingMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestFrameRing = FrameRingMachine.TestCase


def test_readers_in_other_threads_never_see_a_torn_frame() -> None:
    ring = FrameRing(7, 64, 48, span=3)
    windows: list[tuple[tuple[Frame, ...], Callable[[], None]]] = []
    handed = threading.Condition()
    torn: list[int] = []
    over = False

    def read() -> None:
        while True:
            with handed:
                handed.wait_for(lambda: windows or over, timeout=10.0)
                if not windows:
                    return
                frames, release = windows.pop()
            for _ in range(3):
                torn.extend(frame.slot for frame in frames if not np.all(frame.image == frame.slot % 256))
            release()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    recent: list[Frame] = []
    dropped = 0
    for number in range(3000):
        slot = ring.claim()
        if slot is None:
            dropped += 1
            continue
        slot.image[:] = number % 256
        recent = [*recent[-2:], commit(ring, slot, number)]
        with handed:
            windows.append((tuple(recent), ring.pin(recent)))
            handed.notify()
    with handed:
        over = True
        handed.notify_all()
    for reader in readers:
        reader.join(timeout=20.0)
    assert not any(reader.is_alive() for reader in readers)
    assert torn == []
    assert dropped < 3000


def packet(size_bytes: int = 100, *, key: bool = False) -> EncodedPacket:
    return EncodedPacket(bytes(size_bytes), None, None, 0, key)


def feed(
    ring: PacketRing,
    start: int,
    count: int,
    *,
    every: int = 10,
    segment: int = 0,
    size_bytes: int = 100,
    info: StreamInfo = INFO,
) -> None:
    """Packets `start`, ... at one a second, each `every`th a key frame."""
    for number in range(start, start + count):
        ring.append(info, segment, packet(size_bytes, key=number % every == 0), float(number), 1000.0 + number)


def numbers(ring: PacketRing, position: int = 0) -> list[float]:
    return [stored.time_s - 1000.0 for stored in ring.since(position).packets]


def test_packets_are_kept_from_the_last_key_frame_before_the_bound() -> None:
    ring = PacketRing(max_s=15.0, max_bytes=10**9)
    feed(ring, 0, 48)  # the newest is 47: 15 s before it is 32, in the group of 30
    assert numbers(ring) == list(range(30, 48))
    feed(ring, 48, 10)
    assert numbers(ring) == list(range(40, 58))


def test_packets_before_the_first_key_frame_are_left_out() -> None:
    ring = PacketRing(max_s=15.0, max_bytes=10**9)
    feed(ring, 7, 3)
    assert ring.since(0) == ([], 0, False)
    feed(ring, 10, 2)
    assert numbers(ring) == [10, 11]


def test_whole_groups_go_when_there_are_too_many_bytes() -> None:
    ring = PacketRing(max_s=1000.0, max_bytes=30 * 1400)
    feed(ring, 0, 95, size_bytes=1000)
    assert ring.size_bytes <= 30 * 1400
    assert numbers(ring)[0] % 10 == 0
    assert numbers(ring)[-1] == 94
    assert ring.oversized_groups == 0


def test_a_group_larger_than_the_ring_is_dropped_whole_and_counted_and_the_next_is_kept() -> None:
    ring = PacketRing(max_s=1000.0, max_bytes=15 * 1400)
    feed(ring, 0, 40, every=40, size_bytes=1000)
    assert ring.since(0).packets == []
    assert ring.oversized_groups == 1
    assert ring.size_bytes == 0
    feed(ring, 40, 5, every=40, size_bytes=1000)
    assert numbers(ring) == [40, 41, 42, 43, 44]
    assert ring.size_bytes > 0


def test_many_empty_packets_are_bounded_too() -> None:
    ring = PacketRing(max_s=1e9, max_bytes=100_000)
    feed(ring, 0, 100_000, size_bytes=0)
    assert len(ring.since(0).packets) < 1000


def test_a_reader_that_follows_gets_each_packet_once() -> None:
    ring = PacketRing(max_s=15.0, max_bytes=10**9)
    position, got = 0, []
    for start in range(0, 100, 7):
        feed(ring, start, 7)
        packets, position, lost = ring.since(position)
        assert not lost
        got += [stored.time_s - 1000.0 for stored in packets]
    assert got == list(range(105))
    assert ring.since(position) == ([], position, False)


def test_a_reader_that_was_too_slow_is_told() -> None:
    ring = PacketRing(max_s=15.0, max_bytes=10**9)
    feed(ring, 0, 10)
    _, position, _ = ring.since(0)
    feed(ring, 10, 100)
    packets, _, lost = ring.since(position)
    assert lost
    assert packets[0].packet.is_key


def test_a_reader_is_told_of_an_oversized_group_it_had_only_begun() -> None:
    ring = PacketRing(max_s=1000.0, max_bytes=15 * 1400)
    feed(ring, 0, 5, every=40, size_bytes=1000)
    _, position, _ = ring.since(0)
    feed(ring, 5, 38, every=40, size_bytes=1000)
    packets, _, lost = ring.since(position)
    assert lost
    assert [stored.time_s for stored in packets] == [1040.0, 1041.0, 1042.0]


def test_a_stream_that_was_opened_anew_begins_with_its_first_key_frame() -> None:
    ring = PacketRing(max_s=100.0, max_bytes=10**9)
    feed(ring, 0, 15)
    feed(ring, 15, 10, segment=1, info=replace(INFO))
    kept = ring.since(0).packets
    assert [stored.time_s - 1000.0 for stored in kept] == [*range(15), *range(20, 25)]
    assert [stored.segment for stored in kept] == [0] * 15 + [1] * 5


def test_a_new_segment_of_the_same_stream_goes_on_in_mid_group() -> None:
    ring = PacketRing(max_s=100.0, max_bytes=10**9)
    feed(ring, 0, 15)
    feed(ring, 15, 10, segment=1)
    assert numbers(ring) == list(range(25))


@pytest.mark.parametrize(("asked", "found"), [(-5.0, 30), (35.5, 30), (40.0, 40), (47.0, 40), (99.0, 40)])
def test_a_pre_roll_begins_at_the_key_frame_before_it_or_the_oldest(asked: float, found: int) -> None:
    ring = PacketRing(max_s=15.0, max_bytes=10**9)
    feed(ring, 0, 48)
    assert numbers(ring, ring.key_before(1000.0 + asked))[0] == found


def test_around_gives_the_group_that_holds_a_moment() -> None:
    ring = PacketRing(max_s=35.0, max_bytes=10**9)
    assert ring.around(1000.0) == []
    assert ring.key_before(1000.0) == 0
    feed(ring, 0, 48)
    assert [stored.time_s - 1000.0 for stored in ring.around(1025.5)] == list(range(20, 30))


def test_one_thread_appends_while_another_follows() -> None:
    ring = PacketRing(max_s=1e9, max_bytes=10**9)
    writer = threading.Thread(target=feed, args=(ring, 0, 5000))
    writer.start()
    position = 0
    running = True
    while running:
        running = writer.is_alive()  # asked before, so that the last round sees everything
        packets, position, lost = ring.since(position)
        assert not lost
        assert [stored.position for stored in packets] == list(range(position - len(packets), position))
        writer.join(timeout=0.001)
    assert position == 5000
