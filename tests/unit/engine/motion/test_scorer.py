from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from engine.motion import MotionScorer, MotionSettings
from engine.types import Box, Frame, Judgement, Window
from tests.unit.engine.motion.scenes import (
    RATE,
    WIDTH,
    Picture,
    block_at,
    film,
    judge,
    overlap,
    scores,
    texture,
    windows,
    with_block,
)

ROOM = texture(1)
WARM_S = 8
HIGH, LOW = 0.6, 0.3
RIGHT_HALF = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))


def calm(seconds: float) -> list[Picture]:
    return [ROOM] * round(seconds * RATE)


def path(seconds: float, x_from: float, x_to: float) -> list[Box]:
    """Where a block is in every frame on its way across the lower part."""
    return [block_at(float(x), 0.65) for x in np.linspace(x_from, x_to, round(seconds * RATE))]


def crossing(seconds: float, x_from: float, x_to: float) -> list[Picture]:
    return [with_block(ROOM, box) for box in path(seconds, x_from, x_to)]


def shifted(x_px: int, y_px: int) -> Picture:
    return np.roll(ROOM, (y_px, x_px), axis=(0, 1))


def one_by_one(scorer: MotionScorer, all_windows: Iterable[Window]) -> list[Judgement]:
    return [judgement for window in all_windows for judgement in scorer.score([window])]


# What must stay low


@pytest.mark.parametrize("noise", [0.0, 3.0, 12.0])
def test_a_still_scene_is_low_whatever_the_sensor_noise(noise: float) -> None:
    known = scores(judge(film(calm(20), noise=noise)))
    assert len(known) == 20 - WARM_S
    assert max(known) < 0.1


def test_slow_light_drift_is_low() -> None:
    turn = 2 * np.pi * np.arange(40 * RATE) / (20 * RATE)
    assert max(scores(judge(film([ROOM + 40 * np.sin(a) for a in turn])))) < LOW
    assert max(scores(judge(film([ROOM * (1 + 0.3 * np.sin(a)) for a in turn])))) < LOW


def test_a_swaying_branch_is_learnt() -> None:
    pictures = []
    for i in range(20 * RATE):
        picture = ROOM.copy()
        picture[20:80, 20:90] = np.roll(ROOM, round(6 * np.sin(0.9 * i)), axis=1)[20:80, 20:90]
        pictures.append(picture)
    assert max(scores(judge(film(pictures)))) < LOW


def test_a_single_odd_frame_is_low() -> None:
    assert max(scores(judge(film(calm(12) + crossing(1, 0.4, 0.6)[:1] + calm(3))))) < LOW


def test_what_moves_all_through_the_warm_up_is_usual() -> None:
    there_and_back = (crossing(2, 0.1, 0.5) + crossing(2, 0.5, 0.1)) * 7
    assert max(scores(judge(film(there_and_back)))) < 0.5


# What must be seen


def test_a_sudden_fast_thing_is_high_at_once_and_only_then() -> None:
    known = scores(judge(film(calm(12) + crossing(2, 0.05, 0.9) + calm(3))))
    assert max(known[:4]) < 0.1
    assert min(known[4:6]) >= 0.5
    assert max(known[4:6]) > HIGH
    assert max(known[6:]) < 0.1


def test_its_sentence_and_box_say_where() -> None:
    boxes = path(1, 0.4, 0.0)
    judgement = judge(film(calm(12) + [with_block(ROOM, box) for box in boxes]))[12]
    assert judgement.text == "Fast movement in the lower left, where it is usually still."
    assert judgement.boxes[0].label == "fast movement"
    assert overlap(judgement.boxes[0], boxes[judgement.worst]) > 0.5


def test_a_thing_that_parks_is_low_while_it_stands() -> None:
    known = scores(judge(film(calm(12) + crossing(3, 0.0, 0.5) + [with_block(ROOM, block_at(0.5, 0.65))] * 160)))
    assert max(known[4:7]) >= 0.5
    assert max(known[8:16]) < LOW


def test_a_large_thing_that_stays_is_named_once_it_settles() -> None:
    parked = with_block(ROOM, block_at(0.6, 0.5, 0.3, 0.4))
    judgements = judge(film(calm(12) + [parked] * 18 * RATE))
    named = [second for second, judgement in enumerate(judgements) if "new or gone" in (judgement.text or "")]
    assert named
    assert set(named) <= {21, 22, 23}
    assert judgements[named[0]].boxes[0].x1 == pytest.approx(0.6, abs=0.05)


def test_sensitivity_shifts_the_score_but_not_what_is_said() -> None:
    pictures = calm(12) + crossing(1, 0.05, 0.4)
    plain, keen = (judge(film(pictures), MotionSettings(sensitivity=s))[12] for s in (1.0, 2.0))
    assert plain.score is not None
    assert keen.score is not None
    odds = [score / (1 - score) for score in (plain.score, keen.score)]
    assert odds[1] == pytest.approx(4 * odds[0])
    assert keen.text == plain.text


# What must not be alarmed on for ever


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(ROOM * 0.35 + 10, id="light off"),
        pytest.param(texture(5), id="cut"),
        pytest.param(texture(5, mean=60, contrast=12), id="cut to the dark"),
        pytest.param(ROOM + 70 * np.linspace(0, 1, WIDTH, dtype=np.float32), id="lamp on one side"),
        pytest.param(shifted(30, 12), id="bumped camera"),
    ],
)
def test_another_picture_is_unknown_for_two_windows_and_then_low(later: Picture) -> None:
    judgements = judge(film(calm(12) + [later] * 15 * RATE))
    assert [j.reason for j in judgements[12:14]] == ["the whole picture changed"] * 2
    known = scores(judgements)
    assert len(known) == 27 - WARM_S - 2
    assert max(known) < LOW


def test_a_camera_that_shakes_once_is_high_once() -> None:
    shake = [shifted(6, 2), shifted(14, 5), shifted(8, 3), shifted(2, 1)]
    known = scores(judge(film(calm(12) + shake + calm(6))))
    assert max(known[5:]) < LOW


def test_repeated_motion_becomes_usual() -> None:
    seconds = 6
    rounds = (crossing(2, 0.05, 0.9) + calm(seconds - 2)) * 40
    known = [j.score or 0.0 for j in judge(film(calm(10) + rounds))][10:]
    peaks = [max(known[i : i + seconds]) for i in range(0, len(known), seconds)]
    assert max(peaks[:3]) > HIGH
    assert max(peaks[-10:]) < LOW


def test_a_usual_place_still_shows_what_is_faster_than_usual() -> None:
    slow = (crossing(4, 0.1, 0.5) + crossing(4, 0.5, 0.1)) * 6
    judgement = judge(film(slow + crossing(2, 0.1, 0.8)))[-1]
    assert judgement.score is not None
    assert judgement.score > 0.5
    assert judgement.text is not None
    assert "times the usual" in judgement.text


# Warm-up, segments, tiers


def test_warming_up_is_unknown_and_says_so() -> None:
    judgements = judge(film(calm(10)), MotionSettings(warm_up_s=5))
    assert [j.reason for j in judgements] == ["warming up"] * 5 + [""] * 5
    assert all(j.score is None for j in judgements[:5])


def test_a_new_segment_of_the_same_scene_goes_on_where_it_was() -> None:
    scorer = MotionScorer()
    scorer.score(windows(film(calm(12))))
    again = scorer.score(windows(film(calm(2) + crossing(1, 0.05, 0.4), segment=1)))
    assert [j.reason for j in again] == ["", "", ""]
    first, second, third = scores(again)
    assert max(first, second) < LOW
    assert third > 0.5


def test_an_idle_camera_is_judged_by_single_key_frames() -> None:
    thing = with_block(ROOM, block_at(0.7, 0.65))
    frames = film(calm(1) + [thing] * 2, step_s=4.0)
    judgements = MotionScorer().score(windows(frames, size=1, stride=1))
    known = scores(judgements)
    assert len(known) == len(frames) - 2
    assert max(known[:-2]) < 0.1
    assert known[-2] > HIGH
    assert judgements[-2].text == "Something changed in the lower right, where it is usually still."
    assert overlap(judgements[-2].boxes[0], block_at(0.7, 0.65)) > 0.7


def test_a_forgotten_camera_warms_up_again() -> None:
    scorer = MotionScorer()
    scorer.score(windows(film(calm(10))))
    scorer.forget("cam")
    assert scorer.score(windows(film(calm(1))))[0].reason == "warming up"


# Regions


def _in_the_right_half() -> list[Picture]:
    return calm(10) + crossing(2, 0.56, 0.85)


def test_motion_in_a_mask_reaches_nothing() -> None:
    masked = MotionSettings(masks=(RIGHT_HALF,))
    assert judge(film(_in_the_right_half()), masked) == judge(film(calm(12)), masked)


def test_motion_outside_the_zones_is_never_scored() -> None:
    left = tuple((x - 0.5, y) for x, y in RIGHT_HALF)
    assert max(scores(judge(film(_in_the_right_half()), MotionSettings(zones=(left,))))) < 0.05


def test_motion_inside_a_zone_is_scored() -> None:
    assert max(scores(judge(film(_in_the_right_half()), MotionSettings(zones=(RIGHT_HALF,))))) > 0.5


# Properties


def eventful() -> list[Frame]:
    return film(calm(9) + crossing(2, 0.1, 0.8) + calm(1) + [texture(5)] * RATE + calm(3) + crossing(1, 0.8, 0.2))


def test_the_same_frames_give_the_same_judgements() -> None:
    assert judge(eventful()) == judge(eventful())


def test_later_frames_change_nothing_before_them() -> None:
    frames = eventful()
    for seconds in (10, 12, 14):
        kept = seconds * RATE
        blind = [replace(f, image=255 - f.image) for f in frames[kept:]]
        assert judge(frames[:kept] + blind)[:seconds] == judge(frames)[:seconds]


def test_windows_in_batches_are_judged_as_one_by_one() -> None:
    all_windows = windows(eventful(), stride=RATE // 2)
    single, batched = MotionScorer(), MotionScorer()
    in_batches = [*batched.score(all_windows[:5]), *batched.score(all_windows[5:6]), *batched.score(all_windows[6:])]
    assert one_by_one(single, all_windows) == in_batches


def test_cameras_do_not_influence_each_other() -> None:
    front = windows(eventful())
    back = windows([replace(f, camera="back", image=f.image[:, ::-1]) for f in eventful()])
    mixed = MotionScorer().score([window for pair in zip(front, back, strict=True) for window in pair])
    assert mixed[::2] == MotionScorer().score(front)
    assert mixed[1::2] == MotionScorer().score(back)


def test_overlapping_windows_measure_each_frame_once() -> None:
    frames = eventful()
    sparse = {w.end.slot: j for w, j in zip(windows(frames), judge(frames), strict=True)}
    dense = windows(frames, stride=2)
    for window, judgement in zip(dense, MotionScorer().score(dense), strict=True):
        if window.end.slot in sparse and window.end.pts_s < 10:  # before what was learnt differs
            assert judgement.boxes == sparse[window.end.slot].boxes


def test_it_needs_no_pixels_after_the_window_was_judged() -> None:
    frames = eventful()
    fresh, scorer = judge(frames), MotionScorer()
    for window, expected in zip(windows(frames), fresh, strict=True):
        borrowed = tuple(replace(f, image=f.image.copy()) for f in window.frames)
        assert scorer.score([replace(window, frames=borrowed)]) == [expected]
        for frame in borrowed:
            frame.image[:] = 0


def test_memory_does_not_grow_with_time() -> None:
    scorer = MotionScorer()
    tiny = [f.image[::8, ::8].copy() for f in film(calm(1) + crossing(1, 0.1, 0.8))]

    def run(first_slot: int, frames: int) -> None:
        for slot in range(first_slot, first_slot + frames, RATE):
            taken = tuple(
                Frame("cam", slot // 800, s, s / RATE, s / RATE, s / RATE, tiny[s % len(tiny)])
                for s in range(slot, slot + RATE)
            )
            scorer.score([Window("cam", slot // 800, slot // RATE, taken, 1.0)])

    run(0, 400)
    tracemalloc.start()
    try:
        run(400, 80)
        before, _ = tracemalloc.get_traced_memory()
        run(480, 1600)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 50_000
