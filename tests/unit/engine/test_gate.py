from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.gate import IdleGate, IdleSettings
from engine.types import Frame, Image, Tier
from tests.unit.engine.frames import frame

SETTINGS = IdleSettings(enabled=True, after_s=2.0, floor_s=5.0)


def scene(slot: int, box_x: int | None = None, light: float = 0.0) -> Frame:
    """A noisy grey street, with a bright box at `box_x` when given."""
    rng = np.random.default_rng(slot)
    pixels = 100 + light + rng.normal(0, 4, (90, 160, 3))
    if box_x is not None:
        pixels[40:70, box_x : box_x + 20] = 220
    image: Image = pixels.clip(0, 255).astype(np.uint8)
    return replace(frame(slot), image=image)


def test_a_still_scene_becomes_idle_after_its_time_and_wakes_on_motion() -> None:
    gate = IdleGate(SETTINGS)
    tiers = [gate.push(scene(slot)) for slot in range(24)]
    assert tiers == [Tier.FULL] * 16 + [Tier.IDLE] * 8
    assert gate.push(scene(24, box_x=50)) is Tier.FULL


def test_noise_and_slow_light_drift_do_not_keep_a_scene_awake() -> None:
    gate = IdleGate(SETTINGS)
    tiers = [gate.push(scene(slot, light=0.05 * slot)) for slot in range(400)]
    assert set(tiers[16:]) == {Tier.IDLE}


def test_steady_motion_keeps_a_scene_awake() -> None:
    gate = IdleGate(SETTINGS)
    assert {gate.push(scene(slot, box_x=slot * 3 % 130)) for slot in range(100)} == {Tier.FULL}


def test_an_idle_scene_is_due_at_the_floor_rate() -> None:
    gate = IdleGate(SETTINGS)
    due = [slot for slot in range(0, 160, 8) if gate.due(scene(slot))]
    assert due == [0, 40, 80, 120]


def test_a_gate_that_is_off_never_idles() -> None:
    gate = IdleGate(IdleSettings(enabled=False))
    assert {gate.push(scene(slot)) for slot in range(0, 4000, 8)} == {Tier.FULL}


def test_a_new_segment_is_watched_fully_at_first() -> None:
    gate = IdleGate(SETTINGS)
    for slot in range(24):
        gate.push(scene(slot))
    assert gate.push(replace(scene(0), segment=1)) is Tier.FULL
