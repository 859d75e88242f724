"""`vigil watch` with a vision-language model, as people run it: a tiny one, whose words are noise, on real footage."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
ROBBERY = SHARED / "clips" / "ucf_robbery102.mp4"
MODEL = SHARED / "internvl2" / "internlm2-tiny"

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs the vlm extra"),
    pytest.mark.skipif(not SHARED.exists(), reason="the real clips and checkpoints are not beside the project"),
]

Message = dict[str, Any]


def watch(tmp_path: Path, *options: str | Path) -> tuple[list[Message], list[Message]]:
    """What was judged of each window, and the alerts."""
    record, data = tmp_path / "record.jsonl", tmp_path / "data"
    command = [
        sys.executable, "-m", "stream.cli", "watch", *options, "--pace", "max", "--exit-at-end",
        "--data", data, "--record", record, "--feed", f"ipc://{tmp_path}/feed", "--http", "off",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100, env=environment)
    assert said.returncode == 0, said.stderr
    assert "Traceback" not in said.stderr
    with sqlite3.connect(data / "outbox.sqlite3") as outbox:
        alerts = [json.loads(row[0]) for row in outbox.execute("SELECT message FROM alerts ORDER BY seq")]
    outbox.close()
    return [json.loads(line) for line in record.read_text().splitlines()], alerts


def test_every_window_of_real_footage_is_scored(tmp_path: Path) -> None:
    judged, _ = watch(tmp_path, ROBBERY, "--scorer", "internvl2", "--model", MODEL)
    assert len(judged) >= 60
    assert all(0 <= each["score"] <= 1 for each in judged)
    assert len({each["score"] for each in judged}) > 30


def configured(tmp_path: Path, *, definitions: list[Any] | None = None, **scorer: Any) -> Path:
    """Events from low scores on, for the tiny model's mean next to nothing; no CLIP is looked for."""
    camera = {"source": str(ROBBERY), "alerts": {"open": 0.1, "close": 0.05}, "definitions": definitions or []}
    file = tmp_path / "vigil.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "cameras": {"cam": camera},
                "scorer": {"kind": "internvl2", "model": str(MODEL), **scorer},
                "clip": {"weights": "off"},
            }
        )
    )
    return file


def test_an_alert_is_told_at_once_and_explained_while_the_event_goes_on(tmp_path: Path) -> None:
    file = configured(tmp_path, definitions=["a car that parks", {"name": "usual"}], scoring="scale")
    judged, alerts = watch(tmp_path, "-c", file)
    assert {each.get("definition", "a car that parks") for each in judged} == {"a car that parks", "usual"}
    assert all(0 <= each["score"] <= 1 for each in judged)
    for name in ("a car that parks", "usual"):
        told = [alert for alert in alerts if alert["definition"] == name]
        assert [told[0]["type"], told[-1]["type"]] == ["new", "end"]
        states = [alert["explanation_state"] for alert in told]
        assert (states[0], states[-1]) == ("pending", "final")
        assert "provisional" in states
        assert told[-1]["explanation"]
        assert all(0 <= box["x1"] < box["x2"] <= 1 for alert in told for box in alert["boxes"])
    assert {(alert["model"]["scorer"], alert["model"]["name"]) for alert in alerts} == {("internvl2", MODEL.name)}
    assert len({alert["model"]["prompt_sha256"] for alert in alerts}) == 2


def test_with_sentences_for_every_window_an_alert_has_one_from_the_start(tmp_path: Path) -> None:
    judged, alerts = watch(tmp_path, "-c", configured(tmp_path, scoring="scale", explain_above=0.1))
    assert all(each["text"] for each in judged)
    assert all(alert["explanation"] for alert in alerts)
    assert [alerts[0]["explanation_state"], alerts[-1]["explanation_state"]] == ["provisional", "final"]


def test_replies_without_a_verdict_are_unknown_and_no_alarm(tmp_path: Path) -> None:
    judged, alerts = watch(tmp_path, "-c", configured(tmp_path, scoring="faithful"))
    assert len(judged) >= 60
    assert all("score" not in each for each in judged)
    assert {each["reason"] for each in judged} == {"the model's reply has no verdict"}
    assert alerts == []
