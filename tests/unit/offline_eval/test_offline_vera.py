"""VERA from recorded initial scores and features to figures, beside a plain rendering of the published scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score

from engine.errors import ConfigError, UsageError
from offline_eval.material import Material, read_material
from offline_eval.methods import vera
from offline_eval.metrics.tracks import Floats
from offline_eval.procedures import VERA, offline_vera
from offline_eval.replay import replay
from offline_eval.results import metrics, save

LENGTHS = {"v=a b__#1_label_A": 481, "Größe__#2_label_B1-0-0": 170, "c__#3_label_A": 95, "d__#4_label_G-0-0": 700}
EVENTS = {"Größe__#2_label_B1-0-0": [40, 99], "d__#4_label_G-0-0": [0, 33, 400, 700]}


def written(folder: Path, lengths: dict[str, int] = LENGTHS) -> list[Path]:
    """Annotations, initial scores and features of an XD-Violence of a few videos."""
    rng = np.random.default_rng(4)
    annotations, scores, features = [], {}, {}
    for name, length in LENGTHS.items():
        events = EVENTS.get(name, [-1, -1])
        annotations.append({"video": name, "temporal_label": events, "length": length})
        abnormal = labels(name, length)[::16]
        count = len(range(0, lengths[name], 16))
        scores[name] = (rng.random(count) < 0.2 + 0.5 * np.resize(abnormal, count)).astype(int).tolist()
        features[name] = rng.normal(size=(count, 8)).astype(np.float32) + np.resize(abnormal, count)[:, None]
    paths = [folder / "annotations.json", folder / "scores.json", folder / "features.npz"]
    paths[0].write_text(json.dumps(annotations), encoding="utf-8")
    paths[1].write_text(json.dumps(scores), encoding="utf-8")
    np.savez(paths[2], **features)  # type: ignore[arg-type]
    return paths


def test_a_video_that_is_too_short_for_a_protocol_is_named_in_its_report(tmp_path: Path) -> None:
    name = "tiny__#5_label_A"
    annotations, scores, features = written(tmp_path)
    annotations.write_text(
        json.dumps([*json.loads(annotations.read_text()), {"video": name, "temporal_label": [-1, -1], "length": 16}])
    )
    scores.write_text(json.dumps(json.loads(scores.read_text()) | {name: [0]}))
    np.savez(features, **dict(np.load(features)), **{name: np.ones((1, 8), np.float32)})  # type: ignore[arg-type]
    made = read_material("xd-violence", annotations, scores, features=features)
    save(replay(made, offline_vera("vera-xd-ap", 24.0), resamples=10), tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"No frame was measured of {name}." in page
    assert page.count('class="video"') == 4


def labels(name: str, length: int) -> Floats:
    found = np.zeros(length)
    events = EVENTS.get(name, [])
    for start, end in zip(events[::2], events[1::2], strict=True):
        found[start:end] = 1
    return found


def material(folder: Path) -> Material:
    annotations, scores, features = written(folder)
    return read_material("xd-violence", annotations, scores, features=features)


def evaluated(folder: Path, name: str) -> dict[str, Any]:
    return metrics(replay(material(folder), offline_vera(name, 24.0), resamples=0))


def published(folder: Path, *, take_all: int, precision: bool) -> tuple[Floats, Floats]:
    """Labels and scores of all frames, centre by centre and frame by frame, as the scripts go about it."""
    _, scores, features = written(folder)
    truth: list[float] = []
    predicted: list[float] = []
    with np.load(features) as looks:
        for name, answers in json.loads(scores.read_text()).items():
            unit = looks[name] / np.linalg.norm(looks[name], axis=1, keepdims=True)
            alike, length = unit @ unit.T, LENGTHS[name]
            top = len(answers) if len(answers) <= take_all else int(0.15 * len(answers))
            context = []
            for row in alike:
                chosen = np.argsort(row)[-top:]
                weights = np.exp(10 * row[chosen] - np.max(10 * row[chosen]))
                context.append(np.dot(weights / weights.sum(), np.array(answers)[chosen]))
            kernel = np.exp(-(np.linspace(-15 // 2, 15 // 2, 15) ** 2) / (2 * 10**2))
            smoothed = np.convolve(context, kernel / kernel.sum(), mode="same")
            frames: list[float] = []
            for index in range(len(answers)):
                value = smoothed[index] if precision else round(smoothed[index], 1)
                frames.extend([value] * (16 if index != len(answers) - 1 else length - 16 * index))
            if precision:
                frames = [round(value, 1) for value in 1 / (1 + np.exp(-np.array(frames)))]
                odd = (len(frames) - 1) % 16
                frames = frames[:-1]
                frames = frames[:-odd] if odd else frames
            else:
                middle = int(length / 2)
                frames = (np.exp(-0.5 * ((np.arange(length) - middle) / middle) ** 2) * np.array(frames)).tolist()
            predicted.extend(frames)
            truth.extend(labels(name, length)[: len(frames)])
    return np.array(truth), np.array(predicted)


@pytest.mark.parametrize(("name", "take_all"), [("vera", 6), ("vera-xd-auc", 10)])
def test_roc_auc_is_that_of_the_published_way(name: str, take_all: int, tmp_path: Path) -> None:
    found = evaluated(tmp_path, name)
    assert found["final_stage"] == vera.PRIOR
    assert found["frames"] == sum(LENGTHS.values())
    expected = roc_auc_score(*published(tmp_path, take_all=take_all, precision=False))
    assert found["figures"]["roc_auc"]["value"] == pytest.approx(expected, abs=1e-9)
    assert found[vera.PRIOR]["roc_auc"] == pytest.approx(expected, abs=1e-9)


def test_average_precision_stands_beside_the_trapezoid_that_the_authors_print(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "vera-xd-ap")
    truth, predicted = published(tmp_path, take_all=6, precision=True)
    precision, recall, _ = precision_recall_curve(truth, predicted)
    assert found["final_stage"] == vera.SIGMOID
    assert found["frames"] == len(truth) == 480 + 160 + 80 + 688
    assert found["figures"]["trapezoid_pr_auc"]["value"] == pytest.approx(auc(recall, precision), abs=1e-9)
    assert found["figures"]["average_precision"]["value"] < found["figures"]["trapezoid_pr_auc"]["value"]
    assert "Scores end as 0.5, 0.6 or 0.7" in found["quirks"][-1]
    assert found["settings"]["alerts"].startswith("open 0.6, close 0.6")


def test_the_rows_of_the_ablation_stand_beside(tmp_path: Path) -> None:
    found = evaluated(tmp_path, "vera")
    assert {"initial", "scene_context", "gaussian_15_10"} < set(found)
    scores = json.loads(written(tmp_path)[1].read_text())
    raw = np.concatenate([np.repeat(scores[name], 16)[:length] for name, length in LENGTHS.items()])
    truth = np.concatenate([labels(name, length) for name, length in LENGTHS.items()])
    assert found["initial"]["roc_auc"] == pytest.approx(roc_auc_score(truth, raw))


def test_what_was_said_of_other_windows_is_refused(tmp_path: Path) -> None:
    annotations, *_ = written(tmp_path)
    texts = tmp_path / "texts.json"
    said = {name: ["Normal scenes."] * (length // 30 + 1) for name, length in LENGTHS.items()}
    texts.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(UsageError, match="is not about windows around every 16th frame"):
        replay(read_material("xd-violence", annotations, texts), offline_vera(VERA[0], 24.0), resamples=0)


def test_lengths_that_do_not_fit_are_told(tmp_path: Path) -> None:
    annotations, scores, features = written(tmp_path, LENGTHS | {"c__#3_label_A": 96 + 1})
    with pytest.raises(ConfigError) as caught:
        read_material("xd-violence", annotations, scores, features=features)
    wrong = "c__#3_label_A has 7 initial scores for the 6 centres of 95 frames"
    assert f"wrong length: {wrong}" in caught.value.problems
    partly = read_material("xd-violence", annotations, scores, features=features, allow_missing=True)
    assert len(partly.coverage.videos) == 3
    with pytest.raises(UsageError, match="initial scores are one file"):
        read_material("xd-violence", annotations, scores, scores, features=features)
