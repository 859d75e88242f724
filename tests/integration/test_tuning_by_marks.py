"""From people's marks to parameters, as an operator goes: watch and record, mark, export, tune, and watch with that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.motion import MotionScorer
from offline_eval.marks import read_marked_scores
from offline_eval.marks_tuning import events_of, score_points
from stream.cli import run
from stream.config import WatchConfig, from_mapping, load
from tests.integration.console import Running, until

CLIP = Path(__file__).parents[2].parent / "shared" / "data" / "clips" / "cctv_door.mp4"

pytestmark = pytest.mark.skipif(not CLIP.exists(), reason="the real clips are not beside the project")


def configured(data: Path) -> WatchConfig:
    """Loud enough that what hardly moves is told as well."""
    return from_mapping(
        {
            "cameras": {"door": {"source": str(CLIP), "pace": "max", "evidence": {"clip": False}}},
            "defaults": {"alerts": {"open": 0.3, "close": 0.2, "cooldown": 0}},
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "off"},
            "console": {"bind": "127.0.0.1:0"},
            "data": {"dir": str(data)},
        }
    )


def watched(data: Path, record: Path) -> list[dict[str, Any]]:
    """The events of the clip as the console tells them, oldest first: those above 0.8 marked right, others wrong."""
    running = Running(configured(data), MotionScorer(), record=record)
    try:
        until(lambda: running.get("/api/cameras")[0]["state"] == "ended", "the end of the clip")
        until(lambda: not running.get("/api/alerts", params={"open": True})["events"], "the end of the last event")
        events: list[dict[str, Any]] = running.get("/api/alerts")["events"][::-1]
        for event in events:
            verdict = "true" if event["top_score"] > 0.8 else "false"
            answer = running.client.post(f"/api/alerts/{event['id']}/mark", json={"verdict": verdict})
            assert answer.status_code == 200, answer.text
    finally:
        running.stop()
    return events


def test_marks_of_real_footage_become_a_file_that_tells_less(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data, record, marks, out = (tmp_path / name for name in ("data", "record.jsonl", "marks.jsonl", "out"))
    events = watched(data, record)
    verdicts = [event["top_score"] > 0.8 for event in events]
    assert set(verdicts) == {True, False}
    settings = tmp_path / "watched.yaml"
    settings.write_text("defaults: {alerts: {open: 0.3, close: 0.2, cooldown: 0}}\n")

    assert run(["feedback", "export", "--data", str(data), "--output", str(marks)]) == 0
    capfd.readouterr()
    files = ["--marks", str(marks), "--responses", str(record), "-c", str(settings), "--out", str(out)]
    assert run(["replay", "tune", *files, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["marked_true"], found["marked_false"]) == (verdicts.count(True), verdicts.count(False))
    assert (found["undecided"], found["unrecorded"]) == (0, 0)
    told = {name: [found[name][kind]["told"] for kind in ("true", "false")] for name in ("as_configured", "chosen")}
    assert told["as_configured"] == [verdicts.count(True), verdicts.count(False)]
    assert found["as_configured"]["unmarked"] == 0
    assert told["chosen"] == [verdicts.count(True), 0]
    assert found["out_of_fold"] is None

    defaults = load(out / "tuned.yaml").defaults
    assert defaults.alerts.open > 0.3 or defaults.alerts.min_duration_s > 0
    (course,) = read_marked_scores(marks, [record]).courses
    usual = configured(data).defaults
    replayed = events_of(score_points(course, usual.smoothing), usual.alerts.policy())
    assert replayed == [(event["start_time"], event["end_time"]) for event in events]
    retold = events_of(score_points(course, defaults.smoothing), defaults.alerts.policy())
    assert len(retold) >= verdicts.count(True)
    assert sum(end - start for start, end in retold) < sum(end - start for start, end in replayed)
