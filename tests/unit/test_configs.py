"""Every file in configs/ is one that a user can copy and run."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.meaning import MeaningSettings
from offline_eval.methods.online import VERDICTS_ONLY, WITH_MEANING, OnlineSettings
from stream.config import load

CONFIGS = Path(__file__).parents[2] / "configs"
SECRETS = {"FRONT_PASSWORD": "p@ss/word", "YARD_PASSWORD": "other"}


def test_there_are_configs() -> None:
    assert {path.name for path in CONFIGS.iterdir()} >= {"webcam.yaml", "rtsp-cameras.yaml", "benchmark-windows.yaml"}


@pytest.mark.parametrize("path", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
def test_a_shipped_config_loads(path: Path) -> None:
    assert load(path, environ=SECRETS).cameras


def test_the_benchmark_windows_do_not_overlap_and_have_alpha_0_3() -> None:
    camera = load(CONFIGS / "benchmark-windows.yaml", environ={}).cameras["clip"]
    plan, smoother = camera.window.plan(), camera.smoothing.smoother()
    assert (plan.stride, plan.first_end + 1, plan.step) == (8, 8, 1)
    smoothed = [smoother.push(float(second), float(second > 200)) for second in range(202)]
    assert smoothed[-1] == pytest.approx(0.3, abs=0.001)


@pytest.mark.parametrize(
    ("name", "shipped"), [("internvl2-meaning", WITH_MEANING), ("internvl2-verdicts", VERDICTS_ONLY)]
)
def test_what_a_replay_measures_without_a_file_is_what_the_shipped_file_says(
    name: str, shipped: OnlineSettings
) -> None:
    camera = load(CONFIGS / f"{name}.yaml", environ=SECRETS).defaults
    assert camera.cleaning.meaning == (shipped.meaning is not None)
    assert shipped.meaning in (None, MeaningSettings())  # which is how `vigil watch` weighs it
    assert camera.alerts.policy() == shipped.policy
    smoother, other = camera.smoothing.smoother(), shipped.smoother()
    for second, value in enumerate((0.0, 1.0, 0.3)):
        assert smoother.push(float(second), value) == other.push(float(second), value)
