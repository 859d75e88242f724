from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.motion.background import Background

DT_S = 0.125
EVERYWHERE = np.ones((90, 160), np.bool_)
Grey = NDArray[np.uint8]


def room(seed: int = 1) -> Grey:
    return np.random.default_rng(seed).integers(60, 160, (90, 160), dtype=np.uint8)


def with_box(grey: Grey) -> Grey:
    out = grey.copy()
    out[30:50, 60:90] = 255
    return out


@pytest.fixture
def background() -> Background:
    """Knows `room()` for ten seconds."""
    background = Background(EVERYWHERE, background_s=20, settle_s=10)
    for _ in range(80):
        background.learn(room(), DT_S, trusting=True)
    return background


def test_the_empty_picture_has_no_foreground(background: Background) -> None:
    assert not background.learn(room(), DT_S, trusting=False).foreground.any()


def test_a_thing_is_foreground_where_it_is(background: Background) -> None:
    foreground = background.learn(with_box(room()), DT_S, trusting=False).foreground
    assert foreground[31:49, 61:89].all()
    foreground[30:50, 60:90] = False
    assert not foreground.any()


def test_a_brightness_offset_moves_no_pixel(background: Background) -> None:
    assert not background.learn(room() + np.uint8(40), DT_S, trusting=False).foreground.any()


def test_a_thing_that_stays_still_settles_once_after_its_time(background: Background) -> None:
    settled = [background.learn(with_box(room()), DT_S, trusting=False).settled.mean() for _ in range(120)]
    first = next(i for i, share in enumerate(settled) if share)
    assert (first + 1) * DT_S == pytest.approx(10, abs=2 * DT_S)
    assert sum(settled) == pytest.approx(20 * 30 / (90 * 160), rel=0.1)
    assert not background.learn(with_box(room()), DT_S, trusting=False).foreground.any()


def test_a_flickering_pixel_earns_tolerance() -> None:
    background = Background(EVERYWHERE, background_s=20, settle_s=10)
    random = np.random.default_rng(3)
    for _ in range(80):
        flicker = room()
        flicker[:40] = random.integers(60, 160, (40, 160), dtype=np.uint8)
        background.learn(flicker, DT_S, trusting=True)
    assert not background.learn(flicker, DT_S, trusting=False).foreground[:40].any()
    assert background.learn(with_box(room()), DT_S, trusting=False).foreground[42:48, 62:88].all()


def test_pixels_that_do_not_count_are_never_foreground() -> None:
    visible = EVERYWHERE.copy()
    visible[:, 60:] = False
    background = Background(visible, background_s=20, settle_s=10)
    background.learn(room(), DT_S, trusting=True)
    assert not background.learn(with_box(room()), DT_S, trusting=False).foreground.any()


def test_after_a_reset_the_new_picture_is_the_empty_one(background: Background) -> None:
    background.reset(room(seed=2))
    assert not background.learn(room(seed=2), DT_S, trusting=False).foreground.any()
