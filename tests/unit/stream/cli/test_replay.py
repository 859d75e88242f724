"""`vigil replay` as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import RuntimeFault
from offline_eval.material import read_sentences
from offline_eval.results import check_writable
from offline_eval.vectors import write_vectors
from stream.cli import run
from stream.cli.replay import _written
from stream.config import load
from tests.unit.engine.sentences import WordEncoder
from tests.unit.offline_eval.made import write_benchmark
from tests.unit.offline_eval.marked import Rise, write_marks, write_recording

UCF = Path(__file__).resolve().parents[5] / "shared" / "data" / "ucf"


@pytest.fixture
def benchmark(tmp_path: Path) -> list[str]:
    """The options that name a small benchmark."""
    files = write_benchmark(tmp_path)
    return ["ucf-crime", "--annotations", str(files.annotations), "--responses", str(files.responses)]


@pytest.fixture
def vectors(benchmark: list[str], tmp_path: Path) -> str:
    path = tmp_path / "vectors.npz"
    write_vectors(path, read_sentences(Path(benchmark[-1])), WordEncoder(), "words")
    return str(path)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


@pytest.mark.skipif(not UCF.exists(), reason="shared/data/ucf is not here")
def test_the_published_responses_give_the_published_figures(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--responses", str(UCF / "responses.json"), "--annotations", str(UCF / "annotations.json")]
    assert run(["replay", "ucf-crime", *files, "--method", "corevad", "--json"]) == 0
    found = printed(capsys)
    for name, expected in json.loads((UCF / "expected.json").read_text()).items():
        if isinstance(expected, dict):
            assert {key: found[name][key] for key in expected} == pytest.approx(expected, abs=1e-5), name
        else:
            assert found[name] == expected


def test_json_is_one_line_and_nothing_else(benchmark: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", *benchmark, "--method", "corevad-raw", "--json", "--resamples", "0"]) == 0
    found = printed(capsys)
    assert (found["method"], found["final_stage"]) == ("corevad-raw", "raw_labels")
    value = found["raw_labels"]["roc_auc"]
    assert found["figures"]["roc_auc"] == {"value": pytest.approx(value), "low": None, "high": None}


def test_options_may_come_before_the_data_set(benchmark: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", *benchmark[1:], "--method", "corevad-raw", "--resamples", "20", benchmark[0]]) == 0
    assert capsys.readouterr().out.startswith("corevad-raw on ucf-crime: 24 videos, 14232 frames\n")


def test_two_runs_are_compared_by_their_folders(
    benchmark: list[str], vectors: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, weighed = str(tmp_path / "plain"), str(tmp_path / "weighed")
    options = ["--method", "online", "--resamples", "20"]
    assert run(["replay", *benchmark, *options, "--out", plain]) == 0
    assert run(["replay", *benchmark, *options, "--out", weighed, "--vectors", vectors]) == 0
    assert f"report in {weighed}" in capsys.readouterr().out
    assert run(["replay", "compare", plain, weighed, "--json"]) == 0
    differences = printed(capsys)
    assert set(differences["roc_auc"]) == {"value", "low", "high", "p"}
    assert run(["replay", "compare", plain, weighed]) == 0
    assert capsys.readouterr().out.startswith("B - A ")


def test_tuning_writes_a_file_that_replay_and_watch_take(
    benchmark: list[str], vectors: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    tries = ["--scorings", "3", "--policies", "4", "--folds", "3", "--resamples", "10"]
    parts = ["--vectors", vectors, "--parts", "meaning,memory"]
    assert run(["replay", "tune", *benchmark, *parts, *tries, "--out", str(out), "--json"]) == 0
    found = printed(capsys)
    assert found["method"] == "online, out of fold"
    assert len(found["folds"]["roc_auc"]) == 3
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "report.html", "report.md", "tuned.yaml"]
    config = out / "tuned.yaml"
    options = ["--method", "online", "--vectors", vectors, "--config", str(config), "--resamples", "0", "--json"]
    assert run(["replay", *benchmark, *options]) == 0
    settings = printed(capsys)["settings"]
    assert settings["parameters"] == "smoothing and alerts from tuned.yaml; of cleaning only meaning, by --vectors"
    assert settings["scores"] == "weighed by meaning"
    assert f"open {load(config).defaults.alerts.open}," in settings["alerts"]


def test_a_file_that_weighs_meaning_needs_vectors_and_one_that_does_not_takes_none(
    benchmark: list[str], vectors: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "vigil.yaml"
    options = ["replay", *benchmark, "--method", "online", "-c", str(config), "--resamples", "0", "--json"]
    config.write_text("defaults: {cleaning: {meaning: true}}")
    assert run(options) == 2
    assert "vigil.yaml weighs scores by what sentences mean, and there is nothing to compare" in capsys.readouterr().err
    assert run([*options, "--vectors", vectors]) == 0
    weighed = printed(capsys)
    assert weighed["weighed"] != weighed["raw"]
    config.write_text("defaults: {cleaning: {meaning: false}}")
    assert run([*options, "--vectors", vectors]) == 2
    assert "vigil.yaml does not weigh scores by meaning, so --vectors has no use" in capsys.readouterr().err
    assert run(options) == 0
    plain = printed(capsys)
    assert plain["weighed"] == plain["raw"]
    assert plain["settings"]["parameters"] == (
        "smoothing and alerts from vigil.yaml; no cleaning, as there is nothing to compare sentences with"
    )


def test_idle_watching_of_a_file_is_said_to_have_no_part(
    benchmark: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "vigil.yaml"
    config.write_text("defaults: {idle: {enabled: true}}")
    assert run(["replay", *benchmark, "--method", "online", "-c", str(config), "--resamples", "0", "--json"]) == 0
    assert "idle watching of vigil.yaml has no part in a replay" in capsys.readouterr().err


def test_corevad_cleans_and_refines_with_clips_features(
    benchmark: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    responses = json.loads(Path(benchmark[-1]).read_text())
    vectors, features = tmp_path / "clip.npz", tmp_path / "features.npz"
    write_vectors(vectors, read_sentences(Path(benchmark[-1]), verdicts=True), WordEncoder(), "words")
    # What is seen is what is said, by segment for one video and by frame for the others.
    looks = {name: WordEncoder().embed(texts) for name, texts in responses.items()}
    by_frame = {name: np.repeat(rows, 30, axis=0)[:593] for name, rows in looks.items()}
    np.savez(features, **(by_frame | dict(list(looks.items())[:1])))  # type: ignore[arg-type]
    data = ["replay", *benchmark, "--features", str(features), "--resamples", "0", "--json"]
    with_clip = ["--vectors", str(vectors)]
    assert run([*data, *with_clip, "--method", "corevad"]) == 0
    full = printed(capsys)
    assert full["final_stage"] == "cleaned_refined_gaussian_9_5_position_prior"
    assert {"raw_labels", "gaussian_9_5", "gaussian_9_5_position_prior", "causal_ewma_0.2"} <= full.keys()
    assert full[full["final_stage"]] != full["gaussian_9_5_position_prior"]
    assert not any("left out" in quirk for quirk in full["quirks"])
    assert run([*data, *with_clip, "--method", "corevad-refined"]) == 0
    assert printed(capsys)["final_stage"] == "refined_gaussian_9_5_position_prior"
    for arguments, line in (
        (["--method", "corevad"], "corevad compares --features with sentences: give --vectors"),
        (["--method", "corevad-raw", *with_clip], "corevad-raw has no use for CLIP's features"),
        (["--method", "online", *with_clip], "online takes no --features"),
    ):
        assert run([*data, *arguments]) == 2
        assert line in capsys.readouterr().err
    assert run(["replay", *benchmark, "--method", "corevad-full"]) == 2
    assert "corevad-full needs CLIP's features: give --features and --vectors" in capsys.readouterr().err
    np.savez(features, **{name: rows[:-1] for name, rows in looks.items()})  # type: ignore[arg-type]
    assert run([*data, *with_clip, "--method", "corevad"]) == 2
    assert "for 593 frames in 20 segments" in capsys.readouterr().err


def test_sentence_vectors_need_an_encoder(
    benchmark: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    options = ["--encoder", "a-model", "--vectors", str(tmp_path / "v.npz")]
    assert run(["replay", "embed", *benchmark[3:], *options]) == 2
    assert "pip install sentence-transformers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["ucf-crim", "--method", "corevad"], "no data set is called 'ucf-crim': did you mean ucf-crime?"),
        (["ucf-crime", "--method", "corevat"], "no method is called 'corevat': there are online, corevad-raw, "),
        (
            ["ucf-crime", "--method", "corevad", "--vectors", "v"],
            "corevad takes no --vectors without --features: they are for --method online",
        ),
        (["ucf-crime"], "Missing option '--method'."),
        (["tune", "ucf-crime", "--out", "x", "--parts", "mood"], "no part is called 'mood'"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], line: str, benchmark: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", *arguments, *benchmark[1:]]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert line in said


def test_without_the_extra_it_says_what_to_install(
    benchmark: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("scipy", "offline_eval")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert run(["replay", *benchmark, "--method", "corevad"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said == "vigil: vigil replay needs scipy, which is not installed: pip install -e '.[eval]' in Vigil's folder"


def test_whoever_asks_for_nothing_gets_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay"]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("DATASET", "compare", "tune", "embed"))


def test_vera_is_measured_from_its_initial_scores_and_features(
    benchmark: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotated = json.loads(Path(benchmark[2]).read_text())
    counts = {each["video"]: (each["length"] + 15) // 16 for each in annotated}
    scores, features = tmp_path / "scores.json", tmp_path / "features.npz"
    scores.write_text(json.dumps({name: [index % 2 for index in range(count)] for name, count in counts.items()}))
    rows = {name: np.random.default_rng(0).normal(size=(count, 4)) for name, count in counts.items()}
    np.savez(features, **rows)  # type: ignore[arg-type]
    method = ["--features", str(features), "--method", "vera"]
    assert run(["replay", *benchmark[:3], "--responses", str(scores), *method, "--resamples", "0", "--json"]) == 0
    found = printed(capsys)
    assert (found["method"], found["final_stage"]) == ("vera", "gaussian_15_10_position_prior")
    assert found["settings"]["features"].startswith("features.npz (sha256 ")
    videos = ["--videos", str(tmp_path), "--out", str(tmp_path / "out")]
    assert run(["replay", *benchmark[:3], *videos, *method]) == 2
    assert "--features has no use" in capsys.readouterr().err


def test_a_difference_that_is_undefined_is_said_in_words() -> None:
    assert _written(float("nan"), "+.4f") == "undefined"
    assert _written(0.25, "+.4f") == "+0.2500"


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RuntimeFault, match="cannot write into"):
        check_writable(tmp_path / "out")


@pytest.fixture
def marked(tmp_path: Path) -> list[str]:
    """The options that name some marks, and the scores of their time."""
    rises = [Rise(100, 0.9, 10, "true"), Rise(200, 0.7, 10, "false")]
    marks, scores = write_marks(tmp_path / "marks", rises), write_recording(tmp_path / "scores", rises)
    return ["--marks", str(marks), "--responses", str(scores), "--out", str(tmp_path / "out")]


def test_tuning_by_marks_says_what_it_is_worth_and_writes_a_file(
    marked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", "tune", *marked]) == 0
    said = capsys.readouterr().out
    for told in ("events with scores: 1 marked true, 1 marked false", "too few marks", "nobody marked what was missed"):
        assert told in said
    assert 0.6 < load(tmp_path / "out" / "tuned.yaml").defaults.alerts.open <= 0.9
    assert run(["replay", "tune", *marked, "--json"]) == 0
    assert printed(capsys)["chosen"]["false"]["told"] == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["ucf-crime"], "a data set has no use with --marks: leave it out"),
        (["--allow-missing"], "--allow-missing has no use with --marks: leave it out"),
    ],
)
def test_what_has_no_use_with_marks_is_refused(
    marked: list[str], more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", "tune", *marked, *more]) == 2
    assert said in capsys.readouterr().err


def test_tuning_needs_labels_or_marks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "tune", "--responses", "x", "--out", str(tmp_path)]) == 2
    assert "tuning needs labels or marks" in capsys.readouterr().err
    assert run(["replay", "tune", "ucf-crime", "-c", "x", "--responses", "x", "--out", str(tmp_path)]) == 2
    assert "--config has no use without --marks" in capsys.readouterr().err
