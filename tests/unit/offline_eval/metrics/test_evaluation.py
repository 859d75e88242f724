from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UsageError
from offline_eval.metrics import Thresholds, Track, compare_runs, draw_alerts, evaluate
from offline_eval.metrics.evaluation import Evaluation
from tests.unit.offline_eval.metrics.reference import track


def videos(skill: float, count: int = 40) -> list[Track]:
    """Half of them with an event that `skill` separates from noise."""
    rng = np.random.default_rng(0)
    made = []
    for index in range(count):
        scores = rng.normal(0.3, 0.1, 60)
        spans = [(20, 30)] if index % 2 else []
        scores[20:30] += skill * len(spans)
        made.append(track(f"v{index}", scores.clip(0, 1).tolist(), spans))
    return made


def run(made: list[Track], seed: int = 0) -> Evaluation:
    drawn = [draw_alerts(one, 1.0, Thresholds(merge_gap_s=2)) for one in made]
    return evaluate(made, drawn, 1.0, merge_gap_s=2, count=200, seed=seed)


def test_an_evaluation_holds_every_figure_within_its_interval() -> None:
    figures = run(videos(0.2)).figures()
    wanted = {"roc_auc", "roc_auc/Fire", "event_f1@0.3", "delay_p90_s", "false_alarms_per_hour@recall 0.8"}
    assert wanted <= figures.keys()
    for name in wanted:
        assert figures[name].low <= figures[name].value <= figures[name].high


def test_the_same_seed_gives_the_same_intervals() -> None:
    made = videos(0.2)
    assert run(made).figures()["roc_auc"] == run(made).figures()["roc_auc"]
    assert run(made).figures()["roc_auc"] != run(made, seed=1).figures()["roc_auc"]


def test_the_better_run_is_found_better() -> None:
    differences = compare_runs(run(videos(0.1)), run(videos(0.3)))
    assert differences["roc_auc"].low > 0
    assert differences["roc_auc"].p < 0.05


def test_runs_that_do_not_pair_up_are_refused() -> None:
    first = run(videos(0.1))
    with pytest.raises(UsageError, match="2 videos are in one only"):
        compare_runs(first, run(videos(0.1, count=42)))
    with pytest.raises(UsageError, match="different seeds"):
        compare_runs(first, run(videos(0.1), seed=1))
    made = videos(0.1)
    backwards = [draw_alerts(one, 1.0, Thresholds()) for one in reversed(made)]
    with pytest.raises(UsageError, match="order differs"):
        evaluate(made, backwards, 1.0)


def test_no_videos_are_no_evaluation() -> None:
    with pytest.raises(UsageError, match="there is no video to evaluate"):
        evaluate([], [], 1.0)
