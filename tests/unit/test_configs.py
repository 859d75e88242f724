"""Every file in configs/ is one that a user can copy and run."""

from __future__ import annotations

from pathlib import Path

import pytest

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
