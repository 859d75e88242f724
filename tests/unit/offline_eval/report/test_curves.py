from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from offline_eval.metrics import Track
from offline_eval.metrics.tracks import Bools, Floats
from offline_eval.report.curves import POINTS, curves
from tests.unit.offline_eval.metrics.reference import track


def noisy(count: int = 12) -> list[Track]:
    rng = np.random.default_rng(3)
    made = []
    for index in range(count):
        scores = rng.random(200)
        scores[50:90] += 0.4 * (index % 2)
        made.append(track(f"v{index}", scores.tolist(), [(50, 90)] if index % 2 else []))
    return made


def labels_and_scores(tracks: list[Track]) -> tuple[Bools, Floats]:
    frames = np.arange(200)
    labels = [(frames >= 50) & (frames < 90) & (not each.video.normal) for each in tracks]
    return np.concatenate(labels), np.concatenate([each.frames() for each in tracks])


def test_the_drawn_curves_have_the_areas_of_all_frames() -> None:
    tracks = noisy()
    labels, scores = labels_and_scores(tracks)
    found = curves(tracks)
    assert found is not None
    assert len(found.roc.x) <= POINTS + 3  # thinned, not exact
    assert auc(found.roc.x, found.roc.y) == pytest.approx(roc_auc_score(labels, scores), abs=2e-3)
    steps = (np.diff(found.precision.x, prepend=0) * found.precision.y).sum()
    assert steps == pytest.approx(average_precision_score(labels, scores), abs=5e-3)
    assert found.abnormal_share == labels.mean()


def test_binary_scores_make_two_points() -> None:
    found = curves([track("v", [1.0, 1.0, 0.0, 0.0], [(1, 3)])])
    assert found is not None
    assert found.roc.x.tolist() == [0, 0.5, 1]
    assert found.roc.y.tolist() == [0, 0.5, 1]
    assert found.precision.x.tolist() == [0.5, 1]
    assert found.precision.y.tolist() == [0.5, 0.5]


def test_the_curve_lies_in_its_band() -> None:
    found = curves(noisy())
    assert found is not None
    for band in (found.roc, found.precision):
        assert (band.low <= band.high).all()
    middle = np.interp(0.5, found.roc.x, found.roc.y)
    assert found.roc.low[50] <= middle <= found.roc.high[50]


def test_unknown_scores_are_left_out() -> None:
    found = curves([track("v", [1.0, float("nan"), 0.0], [(0, 2)])])
    assert found is not None
    assert found.abnormal_share == 0.5


def test_without_both_kinds_of_frames_there_are_no_curves() -> None:
    assert curves([track("v", [0.5, 0.6])]) is None
    assert curves([track("v", [0.5, 0.6], [(0, 2)])]) is None
    assert curves([track("v", [float("nan")] * 2, [(0, 1)])]) is None
