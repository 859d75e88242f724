from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.types import Tier
from engine.windows import Windower, WindowPlan
from tests.unit.engine.frames import frame


def slots(windows: list[object]) -> list[list[int]]:
    return [[f.slot for f in w.frames] for w in windows]  # type: ignore[attr-defined]


def push_all(windower: Windower, wanted: list[int], segment: int = 0) -> list[list[int]]:
    out: list[object] = []
    for slot in wanted:
        out += windower.push(frame(slot, segment=segment))
    return slots(out)


def test_default_plan_takes_every_slot_and_ends_a_window_each_second() -> None:
    plan = WindowPlan()
    assert (plan.step, plan.stride, plan.first_end, plan.kept) == (1, 8, 7, 8)
    assert push_all(Windower(plan), list(range(24))) == [list(range(8)), list(range(8, 16)), list(range(16, 24))]


def test_long_overlapping_windows_share_frames_and_skip_slots_nobody_needs() -> None:
    plan = WindowPlan(fps=7.5, length_s=10.0, stride_s=8 / 15, frames=8)
    assert (plan.step, plan.stride) == (9, 4)
    plan = WindowPlan(fps=8, length_s=10.0, stride_s=0.53, frames=8)
    assert (plan.step, plan.stride) == (10, 4)
    wanted = [slot for slot in range(120) if plan.wants(slot)]
    assert wanted == list(range(0, 120, 2))
    windows = push_all(Windower(plan), wanted)
    assert windows[0] == [0, 10, 20, 30, 40, 50, 60, 70]
    assert windows[1] == [4, 14, 24, 34, 44, 54, 64, 74]
    assert windows[5][:-2] == windows[0][2:]  # twenty slots on, the older frames are the same ones


def test_a_slow_camera_gives_windows_of_fewer_frames() -> None:
    windows = push_all(Windower(WindowPlan()), [0, 2, 3, 5, 6, 8, 10, 11, 13, 14, 16])
    assert windows == [[0, 2, 3, 5, 6], [8, 10, 11, 13, 14]]


def test_a_missing_end_slot_is_noticed_by_the_next_frame() -> None:
    windower = Windower(WindowPlan(frames=4, fps=4))
    assert push_all(windower, [0, 1, 2]) == []
    assert push_all(windower, [4, 5]) == [[0, 1, 2]]
    assert push_all(windower, [6, 7]) == [[4, 5, 6, 7]]


def test_no_window_spans_a_segment_change() -> None:
    windower = Windower(WindowPlan(frames=4, fps=4))
    assert push_all(windower, [0, 1, 2]) == []
    assert push_all(windower, [0, 1, 2, 3], segment=1) == [[0, 1, 2, 3]]


def test_no_window_is_made_without_a_new_frame() -> None:
    windower = Windower(WindowPlan(frames=4, fps=4, stride_s=0.25))
    assert push_all(windower, [3]) == [[3]]
    assert push_all(windower, [7]) == [[7]]


def test_idle_windows_hold_their_one_frame_and_full_ones_go_on_after_them() -> None:
    windower = Windower(WindowPlan(frames=4, fps=4))
    push_all(windower, [0, 1, 2, 3])
    (idle,) = windower.idle(frame(9), due=True)
    assert (idle.tier, [f.slot for f in idle.frames], idle.index) == (Tier.IDLE, [9], 1)
    assert push_all(windower, [10, 11]) == [[9, 10, 11]]


@pytest.mark.parametrize(
    "bad", [{"fps": 0}, {"length_s": -1.0}, {"frames": 0}, {"stride_s": 0.0}, {"frames": 9}, {"fps": 2.0}]
)
def test_plans_that_cannot_be_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        WindowPlan(**bad)  # type: ignore[arg-type]


@given(
    fps=st.integers(1, 30),
    length_s=st.integers(1, 12),
    stride_s=st.sampled_from([0.1, 0.53, 1.0, 2.5]),
    share=st.floats(0.05, 1.0),
    present=st.lists(st.booleans(), min_size=40, max_size=200),
)
def test_windows_are_ordered_bounded_and_made_of_wanted_recent_slots(
    fps: int, length_s: int, stride_s: float, share: float, present: list[bool]
) -> None:
    plan = WindowPlan(fps=fps, length_s=length_s, stride_s=stride_s, frames=max(1, int(fps * length_s * share)))
    windower = Windower(plan)
    newest: list[int] = []
    for slot, here in enumerate(present):
        if not (here and plan.wants(slot)):
            continue
        for window in windower.push(frame(slot, fps=fps)):
            chosen = [f.slot for f in window.frames]
            assert chosen == sorted(set(chosen))
            assert 1 <= len(chosen) <= plan.frames
            assert chosen[-1] <= slot
            end = plan.first_end + window.index * plan.stride
            assert end - plan.frames * plan.step < chosen[0]
            assert chosen[-1] <= end
            newest.append(chosen[-1])
    assert newest == sorted(set(newest))


@given(st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=50))
def test_slots_follow_time(times: list[float]) -> None:
    plan = WindowPlan()
    found = [plan.slot(t) for t in sorted(times)]
    assert found == sorted(found)
    assert np.all(np.abs(np.array(found) / plan.fps - np.array(sorted(times))) <= 1 / plan.fps + 0.01)


def test_stamps_just_short_of_an_edge_belong_to_the_slot_they_mean() -> None:
    plan = WindowPlan()
    assert plan.slot(0.5) == plan.slot(44999 / 90000) == 4
