"""What watching a file tells is what a replay of it counts: the same events, from the same to the same, as high."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from engine.recorded import RecordedScorer
from stream.cli import run
from stream.config import from_mapping
from stream.responses import ResponseWriter, read_responses
from stream.watch import Watch
from tests.unit.offline_eval.videos.made import judged, meta
from tests.unit.stream.clips import FPS, encode
from tests.unit.stream.heard import Heard

SECONDS = 60.0
DEFAULTS = {
    "smoothing": {"kind": "ewma", "time_constant": "1500ms"},
    "alerts": {
        "open": 0.5,
        "close": 0.3,
        "min_duration": "2s",
        "close_hold": "2s",
        "merge_gap": "3s",
        "cooldown": "5s",
    },
}


def score(index: int) -> float:
    """A short rise that continues an event, one in the cool-down, and an event that is open at the end."""
    high = {*range(5, 12), 16, *range(24, 30), *range(36, 39), *range(52, 70)}
    return 0.9 - 0.01 * (index % 7) if index in high else 0.1


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    with ResponseWriter(path) as writer:
        for index in range(round(SECONDS)):
            writer.write(meta("clip", index), judged(score(index)))
    return path


def test_a_file_is_alerted_live_as_in_its_replay(
    tmp_path: Path, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    video = encode(tmp_path / "videos" / "clip.mp4", seconds=SECONDS)
    settings = {
        "cameras": {"clip": {"source": str(video), "pace": "max", "evidence": {"clip": False, "snapshot": False}}},
        "defaults": DEFAULTS,
        "feed": {"bind": "tcp://127.0.0.1:*"},
        "http": {"bind": "off"},
        "data": {"dir": str(tmp_path / "data")},
    }
    heard, watched = Heard(), tmp_path / "watched.jsonl"
    watch = Watch(from_mapping(settings), RecordedScorer(read_responses(answers)), record=watched)
    try:
        asyncio.run(watch.run(asyncio.Event(), exit_at_end=True, started=heard.start))
    finally:
        heard.stop()
    first = next(read_responses(watched))
    assert first.time_s is not None
    assert first.pts_s is not None
    began_s = first.time_s - first.pts_s  # the hour at which it was watched
    told = {alert.id: (alert.start_time, alert.end_time, alert.top_score) for alert in heard.alerts}
    told_at = {alert.id: alert.time for alert in heard.alerts if alert.type == "new"}
    live = [
        (
            max(0, round((start - began_s) * FPS)),
            round(((end or 0.0) - began_s) * FPS) + 1,
            round((told_at[key] - began_s) * FPS),
            pytest.approx(top),
        )
        for key, (start, end, top) in told.items()
    ]

    labels = tmp_path / "labels.txt"
    labels.write_text("clip.mp4  Fire  100  150  -1  -1\n")
    config = tmp_path / "vigil.yaml"
    config.write_text(json.dumps({"defaults": DEFAULTS}))
    data = ["ucf-crime", "--annotations", str(labels), "--videos", str(tmp_path / "videos"), "--out", str(tmp_path)]
    how = ["--method", "online", "-c", str(config), "--scorer", "recorded", "--responses", str(answers)]
    assert run(["replay", *data, *how, "--resamples", "0", "--json"]) == 0
    capsys.readouterr()
    (replayed,) = json.loads((tmp_path / "metrics.json").read_text())["per_video"]
    assert [tuple(alert[key] for key in ("start", "end", "told", "score")) for alert in replayed["alerts"]] == live
    assert len(live) == 3
