"""A run measured, written and compared."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, UsageError
from offline_eval.datasets import Video
from offline_eval.material import read_material
from offline_eval.methods.online import VERDICTS_ONLY, WITH_MEANING
from offline_eval.metrics.frames import frame_figures
from offline_eval.procedures import online, published
from offline_eval.replay import Run, replay
from offline_eval.results import compare_folders, metrics, save
from offline_eval.said import said_in_texts
from tests.unit.engine.sentences import WordEncoder
from tests.unit.offline_eval.made import material, write_benchmark


def corevad(folder: Path) -> Run:
    return replay(material(folder), published("corevad", 30.0), resamples=20)


def live(folder: Path, *, meaning: bool = True) -> Run:
    settings = WITH_MEANING if meaning else VERDICTS_ONLY
    return replay(material(folder), online(settings, WordEncoder(), "by hand"), resamples=20)


def test_every_stage_has_its_figures_beside_those_of_the_whole_run(tmp_path: Path) -> None:
    run = corevad(tmp_path)
    found = metrics(run)
    assert (found["videos"], found["segments"], found["frames"]) == (24, 24 * 20, 24 * 593)
    assert found["unknown_segments"] == 0
    for stage in ("raw_labels", "gaussian_9_5", "gaussian_9_5_position_prior", "causal_ewma_0.2"):
        assert 0 <= found[stage]["roc_auc"] <= 1
    final = found[found["final_stage"]]
    assert {name: found["figures"][name]["value"] for name in final} == pytest.approx(final)
    (raw,) = frame_figures([each.stages["raw_labels"] for each in run.report.videos], np.ones((1, 24)))["roc_auc"]
    assert found["raw_labels"]["roc_auc"] == raw


def test_the_live_method_tells_its_stages_and_how_papers_would_count(tmp_path: Path) -> None:
    found = metrics(live(tmp_path))
    assert {"raw", "weighed", "smoothed", "smoothed_on_own_windows"} <= found.keys()
    assert found["smoothed"]["known_frames"] < found["smoothed_on_own_windows"]["known_frames"] == 1
    assert found["settings"]["parameters"] == "by hand"
    assert any("papers do not count" in quirk for quirk in found["quirks"])


def test_the_report_shows_raw_scores_alone_where_nothing_weighs_them(tmp_path: Path) -> None:
    assert list(live(tmp_path, meaning=False).report.videos[0].stages) == ["raw"]
    assert list(live(tmp_path).report.videos[0].stages) == ["raw", "weighed"]


def test_remarks_cover_the_video_and_say_the_same_thing_once(tmp_path: Path) -> None:
    remarks = live(tmp_path).report.videos[0].remarks
    assert (remarks[0].start, remarks[-1].end) == (0, 593)
    assert all(one.end == two.start and one.text != two.text for one, two in pairwise(remarks))


def test_metrics_are_json_in_which_the_undefined_is_null(tmp_path: Path) -> None:
    found = metrics(replay(material(tmp_path), published("corevad", 30.0), resamples=0))
    assert found["figures"]["roc_auc"]["low"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_what_is_saved_holds_scores_and_alerts_of_each_video(tmp_path: Path) -> None:
    run = live(tmp_path)
    save(run, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metrics.json", "report.html", "report.md"]
    first, report = content["per_video"][1], run.report.videos[1]
    assert first["name"] == report.video.name
    assert first["values"][0] is None
    assert first["values"][1:] == report.track.values[1:].tolist()
    assert [alert["told"] for alert in first["alerts"]] == [alert.told for alert in report.alerted.alerts]
    assert len(content["curve"]["recalls"]) == len(content["curve"]["thresholds"])


def test_saved_runs_are_compared_as_they_were_measured(tmp_path: Path) -> None:
    runs = {"plain": live(tmp_path, meaning=False), "meaning": live(tmp_path)}
    for name, run in runs.items():
        save(run, tmp_path / name)
    differences = compare_folders(tmp_path / "plain", tmp_path / "meaning")
    for name in ("roc_auc", "event_recall", "false_alarms_per_hour"):
        values = [run.report.evaluation.figures()[name].value for run in runs.values()]
        assert differences[name].value == pytest.approx(values[1] - values[0])
    assert compare_folders(tmp_path / "plain", tmp_path / "plain")["roc_auc"].p == 1


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    save(live(tmp_path), tmp_path / "all")
    few = tmp_path / "few"
    few.mkdir()
    save(replay(material(few, videos=12), published("corevad-raw", 30.0), resamples=20), few)
    with pytest.raises(UsageError, match="12 videos are in one only"):
        compare_folders(tmp_path / "all", few)
    with pytest.raises(ConfigError, match="cannot read"):
        compare_folders(tmp_path / "all", tmp_path)
    content = json.loads((few / "metrics.json").read_text())
    (few / "metrics.json").write_text(json.dumps(content | {"per_video": [{}]}))
    with pytest.raises(ConfigError, match="does not hold"):
        compare_folders(tmp_path / "all", few)
    (few / "metrics.json").write_text("[]")
    with pytest.raises(ConfigError, match="is no result of a replay"):
        compare_folders(tmp_path / "all", few)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"spans": [[0, 30]]}, "Arson001 has spans 240, 360 in one and 0, 30 in the other"),
        ({"spans": [], "categories": []}, "Arson001 has spans 240, 360 in one and none in the other"),
        ({"categories": ["Fire"]}, "Arson001 has categories Arson in one and Fire in the other"),
        ({"frame_count": 590, "lengths": None}, "Arson001 has frame count 593 in one and 590 in the other"),
        ({"fps": 25.0}, "30 frames are a second in one and 25 in the other"),
        ({"dataset": "msad"}, "one is of ucf-crime, the other of msad"),
    ],
)
def test_runs_against_other_annotations_are_not_compared(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    save(live(tmp_path), tmp_path / "one")
    content = json.loads((tmp_path / "one" / "metrics.json").read_text())
    video = next(each for each in content["per_video"] if each["name"] == "Arson001")
    for name, value in changed.items():
        if name == "lengths":
            video["lengths"][0] -= 3
        else:
            (content if name in content else video)[name] = value
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=said):
        compare_folders(tmp_path / "one", tmp_path / "other")


def test_figures_of_alerts_that_were_merged_otherwise_are_not_compared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(WITH_MEANING, policy=replace(WITH_MEANING.policy, merge_gap_s=10.0))
    save(replay(material(tmp_path), online(settings, WordEncoder(), "by hand"), resamples=20), tmp_path / "live")
    save(replay(material(tmp_path), published("corevad-raw", 30.0), resamples=20), tmp_path / "published")
    found = compare_folders(tmp_path / "published", tmp_path / "live")
    assert "roc_auc" in found
    assert not [name for name in found if "@recall" in name]
    assert "false alarms at a recall are not compared" in caplog.text
    assert "false_alarms_per_hour@recall 0.5" in compare_folders(tmp_path / "live", tmp_path / "live")


def test_a_replay_that_fails_to_save_leaves_the_metrics_before_it(tmp_path: Path) -> None:
    run, out = live(tmp_path), tmp_path / "out"
    save(run, out)
    before = (out / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match="Out of range float"):
        save(run, out, {"a": float("nan")})
    assert (out / "metrics.json").read_bytes() == before


def test_missing_videos_stop_it_unless_they_may_be_missing(tmp_path: Path) -> None:
    files = write_benchmark(tmp_path)
    responses = json.loads(files.responses.read_text())
    del responses["Arson001"]
    files.responses.write_text(json.dumps(responses))
    with pytest.raises(ConfigError, match=r"only 23 of 24 videos \(1 missing\)"):
        read_material("ucf-crime", *files)
    found = metrics(
        replay(read_material("ucf-crime", *files, allow_missing=True), published("corevad", 30.0), resamples=0)
    )
    assert (found["videos"], found["coverage"]["missing"]) == (23, ["Arson001"])


def test_annotations_without_lengths_are_not_enough(tmp_path: Path) -> None:
    files = write_benchmark(tmp_path)
    official = tmp_path / "official.txt"
    official.write_text("Arson001.mp4  Arson  240  360  -1  -1\n")
    with pytest.raises(ConfigError, match="give no length for 1 of 1 videos, such as Arson001"):
        read_material("ucf-crime", official, files.responses)


def test_lengths_come_from_a_file_where_annotations_have_none(tmp_path: Path) -> None:
    annotations = tmp_path / "msad.json"
    annotations.write_text(
        json.dumps(
            [
                {"video_path": "a/Fire_1.mp4", "class_name": "Fire", "anomaly_span": [[0.5, 1.0]]},
                {"video_path": "a/MSAD_normal.mp4", "class_name": "Normal", "anomaly_span": []},
            ]
        )
    )
    responses, lengths = tmp_path / "texts.json", tmp_path / "lengths.json"
    responses.write_text(json.dumps({"Fire_1": ["Normal scenes. A."] * 4, "MSAD_normal": ["Normal scenes. A."] * 2}))
    with pytest.raises(ConfigError, match=r"the annotations give no length for 2 of 2 videos.*give --lengths"):
        read_material("msad", annotations, responses)
    lengths.write_text('{"Fire_1.mp4": 120}')
    with pytest.raises(ConfigError, match=r"lengths.json gives no length for 1 of 2 videos, such as MSAD_normal"):
        read_material("msad", annotations, responses, lengths=lengths)
    lengths.write_text('{"Fire_1.mp4": 120, "MSAD_normal": 60}')
    fire, normal = read_material("msad", annotations, responses, lengths=lengths).coverage.videos
    assert (fire.spans, fire.frame_count, normal.frame_count) == (((60, 120),), 120, 60)
    lengths.write_text('{"Fire_1.mp4": 0}')
    with pytest.raises(ConfigError, match="do not hold: Fire_1 has 0 frames"):
        read_material("msad", annotations, responses, lengths=lengths)


def test_frames_per_second_may_be_given(tmp_path: Path) -> None:
    files = write_benchmark(tmp_path)
    assert read_material("ucf-crime", *files, fps=25.0).dataset.fps == 25.0


def test_an_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no method is called 'corevat': there are online, corevad-raw"):
        published("corevat", 30.0)


def test_a_published_alert_is_told_a_segment_after_it_begins() -> None:
    video = Video("a", frame_count=90)
    said = said_in_texts(video, ["Anomalous scenes. A man falls."] * 3, 30.0)
    replayed = published("corevad-raw", 30.0).replay(video, said)
    assert [(alert.start, alert.told) for alert in replayed.report.alerted.alerts] == [(0, 30)]
