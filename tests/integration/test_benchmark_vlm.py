"""The benchmark of InternVL2 still runs and still measures: its numbers are for docs/performance.md."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="needs the vlm extra")
pytest.importorskip("sentencepiece", reason="needs the vlm extra")

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)  # it takes half a minute of a core
def test_a_quick_run_reports_every_part_and_what_reuse_saves(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "benchmarks.vlm", "--arch", "tiny", "--device", "cpu", "--quick"]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # two of them wait for each other where a core is busy
    ran = subprocess.run(
        [*command, "--json", str(report)],
        cwd=ROOT,
        env=one_thread,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(report.read_text(encoding="utf-8"))
    values = {each["name"]: each["value"] for each in found["measures"]}

    assert (found["arch"], found["device"], found["quick"]) == ("tiny", "cpu", True)
    assert found["machine"]["threads"] == 1
    assert all(f"| {name} |" in ran.stdout for name in values)
    assert all(math.isfinite(value) for value in values.values())
    for scoring in ("likelihood", "scale", "thresholds", "faithful"):
        assert sum(name.startswith(f"{scoring}: ") and "definitions" in name for name in values) == 2
    assert sum(name.startswith("a window of a batch") for name in values) == 5
    assert sum(name.startswith("explaining ") for name in values) == 5
    assert sum("95th percentile" in name and "end of window" not in name for name in values) == 6

    assert values["10 s windows every 0.53 s, frames shared: frames encoded of a window's 8"] == 2
    assert values["10 s windows: time without sharing / with it"] > 1
    assert values["likelihood: time of a window in the published way / in this one"] > 1
