"""The benchmark of the console still runs and still measures: its numbers are for docs/performance.md."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("playwright.sync_api", reason="needs playwright")

from benchmarks.console_page import BROWSERS

FOLDER = Path(__file__).parents[2]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("page", ("over the line", "requests", "navigation to first tile", "pictures painted")),
        (
            "viewers",
            (
                "CPU of the watch for them",
                "pictures over the line / asked for",
                "delay of scores",
                "memory of a viewer",
            ),
        ),
        ("alerts", ("an alert is in the page", "an alert is with a viewer of the stream")),
    ],
)
def test_a_quick_run_reports_a_finite_number_for_each_measure(part: str, expected: tuple[str, ...]) -> None:
    if part != "viewers" and not any(map(shutil.which, BROWSERS)) and os.environ.get("CI") != "true":
        pytest.skip(f"needs a browser: one of {', '.join(BROWSERS)}")
    command = [sys.executable, "-m", "benchmarks.console", "--quick", "--json", "--only", part]
    ran = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=170, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    values = {each["name"]: each["value"] for each in found["measures"]}
    assert found["quick"]
    for name in expected:
        assert any(name in each for each in values), name
    assert all(math.isfinite(value) for value in values.values())
