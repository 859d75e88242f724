"""`vigil replay` of videos, as a user types it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.memory import Floats
from engine.scorer import Explanation, Scorer
from engine.scripted import ScriptedLanguageScorer
from engine.types import Judgement, Window
from offline_eval.videos.store import read_run, read_videos
from stream.cli import run
from stream.config import WatchConfig
from stream.responses import ResponseWriter
from tests.unit.engine.aligner import FakeAligner
from tests.unit.offline_eval.videos.made import judged, meta
from tests.unit.stream.clips import encode

NAMES = {"Fire #1 ünï": 12.0, "Normal 2": 11.0, "Abuse%20?3": 4.0}


@pytest.fixture
def labels(tmp_path: Path) -> list[str]:
    """The options that name the data set."""
    path = tmp_path / "labels.txt"
    spans = ("Fire  95  110  -1  -1", "Normal  -1  -1  -1  -1", "Abuse  10  20  -1  -1")
    path.write_text("".join(f"{name}.mp4  {span}\n" for name, span in zip(NAMES, spans, strict=True)), encoding="utf-8")
    return ["ucf-crime", "--annotations", str(path), "--resamples", "10"]


@pytest.fixture
def videos(tmp_path: Path) -> list[str]:
    (tmp_path / "videos" / "deep").mkdir(parents=True)
    for name, seconds in NAMES.items():
        encode(tmp_path / "videos" / "deep" / f"{name}.mp4", seconds=seconds)
    return ["--videos", str(tmp_path / "videos")]


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


def test_videos_are_judged_and_measured_in_one_go_and_again_for_the_asking(
    labels: list[str], videos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["replay", *labels, *videos, "--method", "online", "--out", str(out), "--json"]
    assert run(command) == 0
    first = printed(capsys)
    assert sorted(path.name for path in out.iterdir()) == [
        "metrics.json",
        "report.html",
        "report.md",
        "responses.jsonl",
    ]
    assert (first["videos"], first["segments"], first["method"]) == (3, 27, "online")
    assert 0 < first["unknown_segments"] < 27
    assert first["settings"]["parameters"].startswith("the defaults of vigil watch; no cleaning")
    assert first["settings"]["scorer"] == "motion"
    assert (out / "report.html").read_text().count("data:image/jpeg;base64,") >= 3
    before = (out / "responses.jsonl").read_bytes()
    assert run(command) == 0
    again = printed(capsys)
    assert {**again, "created": None} == {**first, "created": None}
    assert (out / "responses.jsonl").read_bytes() == before


def test_a_broken_video_stops_no_other_and_is_left_out_when_that_is_allowed(
    labels: list[str], videos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos" / "deep" / "Normal 2.mp4").write_bytes(b"no video")
    command = ["replay", *labels, *videos, "--method", "online", "--out", str(tmp_path / "out"), "--json"]
    assert run(command) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "1 annotated video has no responses" in told.err.splitlines()[-1]
    assert sorted(video.name for video in read_videos(tmp_path / "out")) == ["Abuse%20?3", "Fire #1 ünï"]
    assert run([*command, "--allow-missing"]) == 0
    found = printed(capsys)
    assert (found["videos"], found["coverage"]["missing"]) == (2, [])
    assert [text.partition(":")[0] for text in found["coverage"]["unreadable"]] == ["Normal 2"]


def test_shards_are_judged_apart_and_measured_together(
    labels: list[str], videos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores = [str(tmp_path / shard) for shard in ("a", "b")]
    for number, out in enumerate(stores, 1):
        assert run(["replay", "judge", *labels[:3], *videos, "--out", out, "--shard", f"{number}/2"]) == 0
    responses = [word for store in stores for word in ("--responses", store)]
    assert run(["replay", *labels, *responses, "--method", "online", "--json"]) == 0
    together = printed(capsys)
    whole = ["--out", str(tmp_path / "whole"), "--json"]
    assert run(["replay", *labels, *videos, "--method", "online", *whole]) == 0
    assert together["figures"] == printed(capsys)["figures"]


def test_a_configuration_says_what_is_judged_and_when_it_alerts(
    labels: list[str], videos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "vigil.yaml"
    config.write_text(
        "defaults:\n  window: {fps: 4, frames: 4, stride: 500ms}\n  motion: {sensitivity: 3, warm_up: 4s}\n"
        "  smoothing: {kind: none}\n  alerts: {open: 0.3, close: 0.2}\n"
    )
    out = tmp_path / "out"
    assert run(["replay", *labels, *videos, "--method", "online", "-c", str(config), "--out", str(out), "--json"]) == 0
    found = printed(capsys)
    settings = read_run(out).settings
    assert (settings["window.fps"], settings["window.stride_s"], settings["scorer.sensitivity"]) == ("4", "0.5", "3.0")
    assert found["settings"]["smoothing"] == "kind none"
    assert "open 0.3, close 0.2" in found["settings"]["alerts"]
    assert found["settings"]["parameters"] == (
        "smoothing and alerts from vigil.yaml; no cleaning, as there is nothing to compare sentences with"
    )


def test_recorded_answers_take_the_place_of_a_scorer(
    labels: list[str], videos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = tmp_path / "answers.jsonl"
    with ResponseWriter(answers) as writer:
        for name in NAMES:
            for index in range(12):
                writer.write(meta(name, index), judged(0.9 if name.startswith("Fire") and index > 8 else 0.1))
    out = ["--out", str(tmp_path / "out"), "--json"]
    recorded = ["--scorer", "recorded", "--responses", str(answers)]
    assert run(["replay", *labels, *videos, *recorded, "--method", "online", *out]) == 0
    found = printed(capsys)
    assert (found["settings"]["scorer"], found["settings"]["model"]) == ("recorded", "answers.jsonl")
    assert found["raw"]["within_video_auc"] > 0.5


class Walking(FakeAligner):
    """Sees a man walk, whatever there is to be seen."""

    def look(self, windows: Sequence[Window]) -> Floats:
        return self.embed(["Normal scenes. A man walks."] * len(windows))


def test_cleaning_is_that_of_the_live_camera(
    labels: list[str],
    videos: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(window: Window) -> Judgement:
        return Judgement(1.0, "A man falls.") if window.index == 3 else Judgement(0.0, "A man walks.")

    def scorer(_config: WatchConfig) -> Scorer:
        return ScriptedLanguageScorer(answer, lambda _request: Explanation(None))

    monkeypatch.setattr("offline_eval.videos.scorers.make_scorer", scorer)
    monkeypatch.setattr("stream.wiring.scorers.make_aligner", lambda _config: Walking())
    config, out = tmp_path / "vigil.yaml", tmp_path / "out"
    data = [*labels, "--method", "online", "-c", str(config), "--json"]
    config.write_text("defaults: {cleaning: {neighbours: score_and_text}}")
    assert run(["replay", *data, *videos, "--out", str(out)]) == 0
    cleaned = printed(capsys)
    assert read_run(out).settings["scorer.clip"] == "ViT-B-16 openai"
    assert all(window.vector for video in read_videos(out) for window in video.windows)
    config.write_text("defaults: {cleaning: {neighbours: off}}")
    assert run(["replay", *data, "--responses", str(out)]) == 0
    plain = printed(capsys)
    assert cleaned["raw"] == plain["raw"]
    assert cleaned["weighed"]["within_video_auc"] == 0.5  # nothing but walking
    assert plain["weighed"] == plain["raw"] != cleaned["weighed"]
    config.write_text("clip: {model: ViT-L-14}")
    assert run(["replay", *data, "--responses", str(out)]) == 2
    assert "judged with CLIP's ViT-B-16 openai, and are not to be cleaned with ViT-L-14" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["corevad", "online"])
def test_texts_go_into_a_store_and_come_out_again(
    method: str, labels: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations = tmp_path / "labels.json"
    annotations.write_text('[{"video": "Fire1.mp4", "temporal_label": [30, 60, -1, -1], "length": 100}]')
    texts = tmp_path / "texts.json"
    said = {"Fire1": ["Normal scenes. A.", "Anomalous scenes. B.", "", "Normal scenes."]}
    texts.write_text(json.dumps(said))
    data = ["ucf-crime", "--annotations", str(annotations)]
    store, again = str(tmp_path / "store"), tmp_path / "again.json"
    assert run(["replay", "import", *data, "--texts", str(texts), "--out", store]) == 0
    assert run(["replay", "export", store, "--texts", str(again)]) == 0
    assert json.loads(again.read_text()) == said
    found = []
    for responses in (str(texts), store):
        assert run(["replay", *data, "--responses", responses, "--method", method, "--resamples", "0", "--json"]) == 0
        found.append(printed(capsys))
    assert found[0]["figures"] == found[1]["figures"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "there is nothing to measure: give --videos DIR and --out DIR, or --responses FILE"),
        (["--videos", "v"], "videos are judged into a folder: give --out DIR"),
        (["--videos", "v", "--out", "o", "--responses", "r"], "videos are judged anew, so --responses has no use"),
        (["--responses", "r", "--scorer", "motion"], "--scorer, --model and --url judge videos: give --videos DIR"),
        (["--videos", "v", "--out", "o", "--method", "corevad"], "which the scorer motion does not give: add --scorer"),
        (["--responses", "r", "-c", "f", "--method", "corevad"], "corevad takes no --config"),
        (["--videos", "v", "--out", "o", "--method", "corevat"], "no method is called 'corevat'"),
        (["--videos", "v", "--out", "o", "--scorer", "internvl2"], "model"),
        (["--videos", "none", "--out", "o"], "there is no folder none"),
    ],
)
def test_wrong_usage_is_one_line(
    options: list[str], line: str, labels: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    method = [] if "--method" in options else ["--method", "online"]
    assert run(["replay", *labels, *options, *method]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert line in said
