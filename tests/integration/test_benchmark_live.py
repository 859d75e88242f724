"""The benchmark of the live path still runs and still measures: its numbers are for docs/performance.md."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "live.py"


def test_a_quick_run_reports_a_finite_number_for_each_measure_of_its_parts() -> None:
    command = [sys.executable, str(SCRIPT), "--quick", "--json", "--only", "capture", "latency"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    values = {each["name"]: each["value"] for each in found["measures"]}
    assert found["quick"]
    assert found["environment"]["cores"] >= 1
    assert sum("capturing" in name for name in values) == 6
    assert sum("subscriber has the alert" in name for name in values) == 2
    assert all(0 < value < 1e6 for value in values.values())
