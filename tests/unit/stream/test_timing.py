from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.timing import Stamp, StreamClock

EPOCH = 1_700_000_000.0


def run(
    clock: StreamClock, raw: list[float | None], *, step_s: float = 1 / 30, start_s: float = 0.0
) -> list[Stamp | None]:
    """Push stamps that arrive `step_s` apart."""
    return [clock.push(raw_s, start_s + n * step_s, EPOCH + start_s + n * step_s) for n, raw_s in enumerate(raw)]


def known(stamps: list[Stamp | None]) -> list[Stamp]:
    return [stamp for stamp in stamps if stamp is not None]


def test_a_steady_stream_is_one_segment_that_starts_at_zero() -> None:
    stamps = known(run(StreamClock(live=True), [3600 + n / 30 for n in range(90)]))
    assert {s.segment for s in stamps} == {0}
    assert [s.pts_s for s in stamps] == [round(n / 30, 3) for n in range(90)]
    assert [s.time_s for s in stamps] == pytest.approx([EPOCH + n / 30 for n in range(90)], abs=1e-3)


def test_the_same_pictures_over_rtsp_and_from_a_file_have_the_same_stamps() -> None:
    rtsp = known(run(StreamClock(live=True), [None, *((3000 * n - 1) / 90000 for n in range(1, 90))]))
    file = known(run(StreamClock(live=False), [n / 30 for n in range(90)]))
    assert [(s.segment, s.pts_s) for s in rtsp] == [(s.segment, s.pts_s) for s in file]


def test_missing_stamps_are_filled_by_arrival_when_live_and_by_the_usual_step_in_a_file() -> None:
    live = known(run(StreamClock(live=True), [0.0, 0.1, None, None, 0.4], step_s=0.1))
    assert [s.pts_s for s in live] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    file = known(run(StreamClock(live=False), [0.0, 0.1, None, None, 0.4], step_s=0.001))
    assert [s.pts_s for s in file] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_a_jump_ahead_and_a_restart_each_begin_a_segment() -> None:
    stamps = known(run(StreamClock(live=True), [0.0, 0.04, 50.0, 50.04, 0.0, 0.04]))
    assert [s.segment for s in stamps] == [0, 0, 1, 1, 2, 2]
    assert [s.pts_s for s in stamps] == pytest.approx([0, 0.04] * 3)
    assert "stream time" in stamps[2].broke
    assert "back" in stamps[4].broke


def test_a_slow_stream_is_not_broken_by_its_own_step() -> None:
    raw: list[float | None] = [0.0, 1.8, 3.6, 6.0, 9.0]
    assert {s.segment for s in known(run(StreamClock(live=False), raw))} == {0}


def test_a_picture_that_comes_too_late_is_left_out() -> None:
    stamps = run(StreamClock(live=True), [0.0, 0.04, 0.12, 0.08, 0.16])
    assert stamps[3] is None
    assert [s.pts_s for s in known(stamps)] == pytest.approx([0, 0.04, 0.12, 0.16])


def test_key_frames_alone_may_lie_far_apart() -> None:
    clock = StreamClock(live=True)
    stamps = [clock.push(4.0 * n, 4.0 * n, EPOCH + 4.0 * n, sparse=True) for n in range(4)]
    assert {s.segment for s in known(stamps)} == {0}


def test_reopening_begins_a_segment_and_segments_are_never_used_twice() -> None:
    clock = StreamClock(live=True)
    run(clock, [0.0, 0.04])
    clock.interrupt("the stream was opened")
    stamp = clock.push(0.0, 10.0, EPOCH + 10.0)
    assert stamp == Stamp(1, 0.0, EPOCH + 10.0, "the stream was opened")


def test_a_file_keeps_its_own_time_over_breaks() -> None:
    stamps = known(run(StreamClock(live=False), [0.0, 0.5, 1.0, 0.0, 0.5], step_s=0.001))
    assert [s.time_s - EPOCH for s in stamps] == pytest.approx([0, 0.5, 1.0, 1.5, 2.0], abs=0.01)


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_stamps_at_the_wrong_speed_are_replaced_by_arrival_times(speed: float) -> None:
    clock = StreamClock(live=True)
    stamps = known(run(clock, [speed * n / 10 for n in range(600)], step_s=0.1))
    broke = [n for n, s in enumerate(stamps) if s.broke]
    assert len(broke) == 2
    assert 390 < broke[1] < 450
    assert "arrival" in stamps[broke[1]].broke
    assert stamps[-1].pts_s - stamps[-11].pts_s == pytest.approx(1.0)


def test_packets_whose_stamps_are_not_trusted_are_filed_with_the_last_picture() -> None:
    clock = StreamClock(live=True)
    stamps = known(run(clock, [n / 20 for n in range(1200)], step_s=0.1))  # half the speed of time
    last = stamps[-1]
    assert last.segment == 1
    packet = clock.foresee(60.0, EPOCH + 120.0)
    assert (packet.segment, packet.broke) == (last.segment, "")
    assert (packet.pts_s, packet.time_s) == pytest.approx((last.pts_s, last.time_s))


def test_a_burst_at_the_start_and_a_hiccup_are_no_lie() -> None:
    arrivals = [0.0] * 50 + [n / 10 for n in range(400)]  # five seconds at once, then as they come
    arrivals[200:240] = [arrivals[240]] * 40  # held up for four seconds
    clock = StreamClock(live=True)
    stamps = known([clock.push(n / 10, a, EPOCH + a) for n, a in enumerate(arrivals)])
    assert {s.segment for s in stamps} == {0}


def test_a_live_streams_time_comes_from_its_earliest_arrivals() -> None:
    clock = StreamClock(live=True)
    delays = [0.5, 0.5, 0.1, 0.9, 0.4, 0.3, 0.7, 0.5, 0.3, 0.6]
    stamps = known([clock.push(n * 0.1, n * 0.1 + d, EPOCH + n * 0.1 + d) for n, d in enumerate(delays)])
    assert stamps[-1].time_s - EPOCH == pytest.approx(0.9 + 0.1, abs=0.01)
    assert [s.time_s for s in stamps] == sorted(s.time_s for s in stamps)


@pytest.mark.parametrize("set_by_s", [3600.0, -3600.0])
def test_setting_the_machines_clock_moves_the_epoch_and_not_the_stream(set_by_s: float) -> None:
    clock = StreamClock(live=True)
    before = known(run(clock, [n / 10 for n in range(10)], step_s=0.1))
    after = clock.push(1.0, 1.0, EPOCH + set_by_s + 1.0)
    assert after is not None
    assert after.segment == before[-1].segment
    assert after.time_s == pytest.approx(EPOCH + set_by_s + 1.0, abs=0.01)


@pytest.mark.parametrize(
    ("live", "raw", "step_s", "jumps"),
    [
        (True, [0.0, 0.1, 50.0, 50.1], 0.1, 1),  # ahead of time
        (True, [60.0, 60.1, 50.0, 50.1], 0.1, 1),
        (True, [None, 5000.0, 5000.1], 0.1, 0),  # RTSP's first picture
        (True, [0.0, 5.0, 10.0], 5.0, 0),  # as time goes
        (True, [n * 0.4 for n in range(500)], 0.1, 1),  # four times too fast, for good
        (False, [0.0, 0.1, 50.0, 50.1, 0.0], 0.1, 0),
    ],
)
def test_a_clock_jumped_when_a_live_streams_own_stamps_are_wrong(
    live: bool, raw: list[float | None], step_s: float, jumps: int
) -> None:
    stamps = known(run(StreamClock(live=live), raw, step_s=step_s))
    assert sum(stamp.jumped for stamp in stamps) == jumps
    assert all(stamp.broke for stamp in stamps if stamp.jumped)


@pytest.mark.parametrize(
    "wrong",
    [
        [5.0] * 500,
        [n % 2 * 100 + n / 25 for n in range(500)],
        [n % 10 / 25 for n in range(500)],
        [n % 20 / 25 for n in range(500)],
        [3.0 * (n // 10) + n / 25 for n in range(500)],
        [1000 - n / 25 for n in range(500)],
    ],
    ids=["still", "two clocks", "again from zero soon", "again from zero", "leaps", "backwards"],
)
def test_stamps_that_never_go_on_for_long_are_replaced_by_arrival_times(wrong: list[float | None]) -> None:
    stamps = known(run(StreamClock(live=True), wrong, step_s=1 / 25))
    assert [n for n, stamp in enumerate(stamps) if stamp.broke][-1] < 100
    assert stamps[-1].pts_s > 10.0
    assert any("arrival" in stamp.broke for stamp in stamps)


def test_a_stream_that_begins_again_now_and_then_keeps_its_own_time() -> None:
    stamps = known(run(StreamClock(live=True), [n % 60 / 10 for n in range(600)], step_s=0.1))
    assert not any("arrival" in stamp.broke for stamp in stamps)
    assert stamps[-1].segment == 9


def test_pictures_that_are_lost_or_held_up_on_the_way_are_no_jump() -> None:
    clock = StreamClock(live=True)
    before = run(clock, [n / 10 for n in range(20)], step_s=0.1)
    lost = run(clock, [8.0 + n / 10 for n in range(20)], step_s=0.1, start_s=8.0)
    held_up = run(clock, [10.0 + n / 10 for n in range(20)], step_s=0.001, start_s=16.0)
    held_up_and_lost = run(clock, [15.0 + n / 10 for n in range(20)], step_s=0.001, start_s=20.0)
    stamps = known([*before, *lost, *held_up, *held_up_and_lost])
    assert {stamp.segment for stamp in stamps} == {0, 1, 2}
    assert not any(stamp.jumped for stamp in stamps)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=80), st.booleans())
def test_whatever_the_stamps_time_moves_forward_within_a_segment(raw: list[float | None], live: bool) -> None:
    last: Stamp | None = None
    for stamp in known(run(StreamClock(live=live), raw, step_s=0.04)):
        if last is not None and stamp.segment == last.segment:
            assert stamp.pts_s > last.pts_s
        elif last is not None:
            assert stamp.segment == last.segment + 1
            assert stamp.pts_s == 0.0
        last = stamp
