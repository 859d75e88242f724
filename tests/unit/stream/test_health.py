"""How long a jump of a live stream is told, and what comes before what."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from engine.picture import HealthSettings, PictureFault
from engine.types import Frame
from stream.health import CLOCK_JUMP, RESIZED, TOLD_S, CameraHealth
from stream.sources.base import StreamInfo

HD = StreamInfo("h264", 1280, 720, Fraction(1, 1000), b"header")
SMALL = replace(HD, width=640, height=360)
AFTER_S = 10.0


@pytest.fixture
def health() -> CameraHealth:
    return CameraHealth(HealthSettings(frozenset(PictureFault), AFTER_S))


def show(health: CameraHealth, second: int, *, covered: bool = False) -> str | None:
    """One frame at this second; the fault that is told then."""
    image = np.random.default_rng(second).integers(0, 1 if covered else 255, (36, 64, 3), np.uint8)
    health.push(Frame("front", 0, second, second, second, second, image), keys=second, now_s=second)
    return health.trouble.fault if health.trouble else None


def test_another_resolution_is_told_for_a_while(health: CameraHealth) -> None:
    health.opened(HD, now_s=0)
    assert show(health, 1) is None
    health.opened(SMALL, now_s=2)
    assert health.trouble is not None
    assert "640x360" in health.trouble.message
    assert "1280x720" in health.trouble.message
    assert show(health, 3) == RESIZED
    assert show(health, round(2 + TOLD_S) - 1) == RESIZED
    assert show(health, round(2 + TOLD_S)) is None


def test_a_camera_that_is_reopened_or_changes_only_its_codec_is_not_told_as_resized(health: CameraHealth) -> None:
    health.opened(HD, now_s=0)
    health.opened(replace(HD, codec="hevc"), now_s=5)
    assert health.trouble is None


def test_jumps_of_the_clock_in_a_row_are_one_fault(health: CameraHealth) -> None:
    said = set()
    for second in range(0, 100, 5):
        health.clock_jumped(f"went back by {second} s", now_s=second)
        show(health, second)
        said.add(health.trouble)
    assert len(said) == 1
    assert show(health, 95 + round(TOLD_S)) is None


def test_after_a_jump_a_fault_of_the_picture_that_goes_on_is_told_again(health: CameraHealth) -> None:
    for second in range(round(AFTER_S) + 2):
        show(health, second, covered=True)
    assert show(health, 12, covered=True) == PictureFault.COVERED
    health.clock_jumped("went back by 7 s", now_s=12)
    assert show(health, 13, covered=True) == CLOCK_JUMP
    assert show(health, 12 + round(TOLD_S), covered=True) == PictureFault.COVERED
