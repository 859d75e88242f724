"""The short form of benchmarks/chaos.py: a dozen kills, and nothing lost, doubled or out of order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.chaos import run

KILLS = 12

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")


def test_nothing_is_lost_doubled_or_out_of_order_whoever_is_killed(tmp_path: Path) -> None:
    measures = run(KILLS, 4, tmp_path)
    values = {each.name: each.value for each in measures}
    assert values["kills"] >= KILLS
    assert values["kills of vigil watch"] >= 4
    assert values["alerts"] > KILLS
    assert [each.name for each in measures if each.met is False] == []
    assert sum(each.met is True for each in measures) >= 19
