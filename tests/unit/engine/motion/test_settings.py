from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UsageError
from engine.motion import MotionScorer, MotionSettings

EVERYWHERE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@pytest.mark.parametrize("name", ["warm_up_s", "background_s", "settle_s", "memory_s", "sensitivity"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_setting_that_makes_no_sense_is_named(name: str, value: float) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(UsageError, match=f"motion: {name} is"):
        MotionSettings(**settings)


def test_a_broken_polygon_is_refused_with_the_settings() -> None:
    with pytest.raises(UsageError, match="zone 1 has 2 points"):
        MotionSettings(zones=(((0, 0), (1, 1)),))


def test_a_camera_with_nothing_to_watch_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"camera yard: .* leave nothing to watch"):
        MotionScorer({"yard": MotionSettings(masks=(EVERYWHERE,))})
