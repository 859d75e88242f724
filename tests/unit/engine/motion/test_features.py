from __future__ import annotations

from dataclasses import replace

import pytest

from engine.motion.features import Motion, Phase, Quantity, Scene
from engine.motion.settings import MotionSettings
from engine.types import Frame
from tests.unit.engine.motion.scenes import RATE, block_at, film, texture, with_block

ROOM = texture(1)
FLOW = {Quantity.AREA, Quantity.SPEED, Quantity.SURGE, Quantity.DISORDER}


def known(seconds: float = 10) -> Scene:
    scene = Scene(MotionSettings())
    for frame in film([ROOM] * int(seconds * RATE)):
        scene.observe(frame)
    return scene


def after(frames: list[Frame], *, segment: int = 0, gap_s: float = 0.0) -> list[Frame]:
    """The frames as they would come `gap_s` after those of `known`, or in another segment."""
    late_s = 10 + gap_s if segment == 0 else 0.0
    return [replace(f, segment=segment, slot=f.slot + round(late_s * RATE), pts_s=f.pts_s + late_s) for f in frames]


def moving_block(speed: float, frames: int = 6) -> list[Frame]:
    return film([with_block(ROOM, block_at(0.3 + speed * i / RATE, 0.4)) for i in range(frames)])


def last(scene: Scene, frames: list[Frame]) -> Motion:
    return [scene.observe(frame) for frame in frames][-1]


def test_area_and_speed_are_those_of_what_moves() -> None:
    quantities = last(known(), after(moving_block(speed=0.2))).quantities
    assert quantities[Quantity.AREA] == pytest.approx(0.12 * 0.25, rel=0.3)
    assert quantities[Quantity.SPEED] == pytest.approx(0.2, rel=0.35)


def test_what_stands_still_differs_but_does_not_move() -> None:
    quantities = last(known(), after(moving_block(speed=0))).quantities
    assert quantities[Quantity.AREA] == quantities[Quantity.SPEED] == 0
    assert quantities[Quantity.CHANGED] == pytest.approx(0.12 * 0.25, rel=0.3)


def test_a_jerk_has_more_surge_than_a_glide() -> None:
    glide, jerk = known(), known()
    steps = [0.3 + (0.03 if i % 2 else 0.0) for i in range(6)]
    jerky = film([with_block(ROOM, block_at(x, 0.4)) for x in steps])
    smooth = last(glide, after(moving_block(speed=0.2))).quantities[Quantity.SURGE]
    assert last(jerk, after(jerky)).quantities[Quantity.SURGE] > 1.5 * smooth


@pytest.mark.parametrize(("segment", "gap_s"), [(1, 0.0), (0, 2.0)])
def test_flow_crosses_neither_segments_nor_gaps(segment: int, gap_s: float) -> None:
    first, second = after(moving_block(speed=0.2, frames=2), segment=segment, gap_s=gap_s)
    scene = known()
    assert not FLOW & scene.observe(first).quantities.keys()
    assert scene.observe(second).quantities.keys() >= FLOW


def test_a_new_segment_of_the_same_scene_needs_no_warm_up() -> None:
    motion = known().observe(after(film([ROOM]), segment=1)[0])
    assert motion.phase is Phase.READY
    assert motion.quantities[Quantity.CHANGED] == 0


def test_a_new_segment_of_another_scene_is_learnt_anew() -> None:
    scene = known()
    phases = [scene.observe(frame).phase for frame in after(film([texture(5)] * 30), segment=1)]
    assert phases[0] is Phase.RELEARNING
    assert phases[-1] is Phase.READY


def test_boxes_of_flow_serve_every_quantity_of_flow() -> None:
    motion = last(known(), after(moving_block(speed=0.2)))
    assert motion.where(Quantity.SPEED) == motion.where(Quantity.AREA) != ()
    assert motion.where(Quantity.SETTLED) == ()
