from __future__ import annotations

import numpy as np
import pytest

from engine.motion.boxes import MOST_BOXES, find_boxes
from engine.motion.flow import OpticalFlow, disorder, unexplained
from tests.unit.engine.motion.scenes import texture

GREY = texture(1, width=160, height=90).clip(0, 255).astype(np.uint8)
MOVED = np.roll(GREY, (2, 3), axis=(0, 1))


def test_a_shifted_picture_flows_by_its_shift() -> None:
    shift = OpticalFlow().shift(GREY, MOVED)
    inner = shift[20:70, 20:140]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)), (3, 2), atol=0.3)


def test_flow_remembers_nothing_of_earlier_calls() -> None:
    used = OpticalFlow()
    used.shift(MOVED, np.roll(GREY, 9, axis=1))
    np.testing.assert_array_equal(used.shift(GREY, MOVED), OpticalFlow().shift(GREY, MOVED))


def test_motion_explains_a_shift_but_not_a_light() -> None:
    flow = OpticalFlow()
    brighter = (GREY * 0.6).astype(np.uint8)
    shifted = unexplained(GREY, MOVED, flow.shift(GREY, MOVED))
    lit = unexplained(GREY, brighter, flow.shift(GREY, brighter))
    assert (shifted[20:70, 20:140] > 10).mean() < 0.05
    assert (lit > 10).mean() > 0.9


def test_one_way_is_order_and_every_way_is_disorder() -> None:
    turns = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    every_way = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    weight = np.ones(8, np.float32)
    assert disorder(np.tile(every_way[:1], (8, 1)), weight) == 0
    assert disorder(every_way, weight) == pytest.approx(1)


def test_boxes_enclose_their_patches_and_near_ones_are_one() -> None:
    pixels = np.zeros((90, 160), np.bool_)
    pixels[9:18, 16:24] = pixels[9:18, 26:32] = True  # two pixels apart
    pixels[45:90, 80:160] = True
    pixels[40, 10] = True  # a speck
    large, merged = find_boxes(pixels, np.ones((90, 160), np.float32))
    assert (large.x1, large.y1, large.x2, large.y2) == (0.5, 0.5, 1, 1)
    assert (merged.x1, merged.y1, merged.x2, merged.y2) == (0.1, 0.1, 0.2, 0.2)


def test_the_fastest_patches_come_first_and_only_so_many() -> None:
    pixels = np.zeros((90, 160), np.bool_)
    speed = np.zeros((90, 160), np.float32)
    for i in range(8):
        pixels[10:20, 20 * i : 20 * i + 8] = True
        speed[:, 20 * i : 20 * i + 10] = i
    boxes = find_boxes(pixels, speed)
    assert [box.x1 * 8 for box in boxes] == [7, 6, 5, 4, 3]
    assert len(boxes) == MOST_BOXES


def test_nothing_has_no_boxes() -> None:
    assert find_boxes(np.zeros((90, 160), np.bool_), np.zeros((90, 160), np.float32)) == ()
