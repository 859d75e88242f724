"""The published UCF-Crime responses through the published procedure give the figures computed elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from offline_eval.datasets import load_dataset
from offline_eval.methods import METHODS
from offline_eval.metrics import Thresholds, draw_alerts, evaluate
from offline_eval.metrics.frames import frame_figures
from offline_eval.recorded import match_responses, score_responses
from offline_eval.responses import read_responses
from tests.unit.offline_eval.metrics.reference import plain_frame_figures

UCF = Path(__file__).resolve().parents[4] / "shared" / "data" / "ucf"
NAMES = {
    "corevad-raw": "raw_labels",
    "corevad-gaussian": "gaussian_9_5",
    "corevad": "gaussian_9_5_position_prior",
    "corevad-ewma": "causal_ewma_0.2",
}

pytestmark = pytest.mark.skipif(not UCF.exists(), reason="shared/data/ucf is not here")


@pytest.mark.parametrize("method", NAMES)
def test_the_published_responses_give_the_published_figures(method: str) -> None:
    expected = json.loads((UCF / "expected.json").read_text())
    dataset, responses = load_dataset("ucf-crime", UCF / "annotations.json"), read_responses(UCF / "responses.json")
    videos = match_responses(dataset.videos(), responses).required(allow_missing=False).videos
    tracks = score_responses(videos, responses, METHODS[method])
    assert len(tracks) == expected["videos"]
    assert sum(track.video.known_frame_count() for track in tracks) == expected["frames"]
    assert sum(map(len, responses.values())) == expected["segments"]
    figures = frame_figures(tracks, np.ones((1, len(tracks))))
    for name, value in expected[NAMES[method]].items():
        assert figures[name][0] == pytest.approx(value, abs=1e-5), name
    for name, value in plain_frame_figures(tracks, [1] * len(tracks)).items():
        assert figures[name][0] == pytest.approx(value, abs=1e-12), name


def test_alerts_from_the_published_responses_are_sensible() -> None:
    dataset, responses = load_dataset("ucf-crime", UCF / "annotations.json"), read_responses(UCF / "responses.json")
    videos = match_responses(dataset.videos(), responses).videos
    tracks = score_responses(videos, responses, METHODS["corevad-ewma"])
    alerted = [draw_alerts(track, dataset.fps, Thresholds(told_after=30)) for track in tracks]
    figures = evaluate(tracks, alerted, dataset.fps, count=100).figures()
    assert 0.7 < figures["event_recall"].value < 0.9
    assert 8 < figures["false_alarms_per_hour"].value < 20
    assert figures["false_alarms_per_hour@recall 0.5"].value < figures["false_alarms_per_hour@recall 0.9"].value
