from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline_eval.metrics import frames
from offline_eval.metrics.frames import frame_figures
from offline_eval.metrics.tracks import Track
from tests.unit.offline_eval.metrics.reference import plain_frame_figures, track, tracks, weights_for


def once(*made: Track) -> dict[str, float]:
    return {name: float(values[0]) for name, values in frame_figures(made, np.ones((1, len(made)))).items()}


def test_figures_worked_by_hand() -> None:
    # Abnormal scores 0.9 and 0.4; normal ones 0.5 in the same video, and 0.4 and 0.1 in the normal one.
    figures = once(track("a", [0.9, 0.4, 0.5], [(0, 2)]), track("b", [0.4, 0.1]))
    assert figures["roc_auc"] == pytest.approx((3 + 1.5) / 6)  # 0.9 wins all three; 0.4 wins one and ties one
    assert figures["within_video_auc"] == pytest.approx(1 / 2)  # video b has one class only
    assert figures["anomalous_videos_auc"] == pytest.approx(1 / 2)
    assert figures["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)
    # From (0, 1) to (0.5, 1), then at 0.5 down to (0.5, 1/2), and at 0.4 to (1, 2/4).
    assert figures["trapezoid_pr_auc"] == pytest.approx(0.5 * 1 + 0.5 * 0.5)
    assert figures["known_frames"] == 1


def test_a_category_is_its_own_videos_and_all_normal_ones() -> None:
    figures = once(
        track("a", [0.9, 0.2], [(0, 1)], "Fire"),
        track("b", [0.1, 0.3], [(0, 1)], "Fire", "Theft"),
        track("c", [0.15]),
    )
    assert figures["roc_auc/Fire"] == pytest.approx(3 / 6)
    assert figures["roc_auc/Theft"] == 0


def test_a_constant_score_is_chance() -> None:
    figures = once(track("a", [0.5] * 10, [(0, 3)]), track("b", [0.5] * 10))
    assert figures["roc_auc"] == 0.5
    assert figures["average_precision"] == pytest.approx(3 / 20)
    assert figures["trapezoid_pr_auc"] == pytest.approx((1 + 3 / 20) / 2)


def test_unknown_scores_are_left_out_and_reported() -> None:
    figures = once(track("a", [0.9, np.nan, 0.1, np.nan], [(0, 2)]))
    assert (figures["roc_auc"], figures["known_frames"]) == (1, 0.5)


@pytest.mark.parametrize("spans", [[], [(0, 2)]])
def test_figures_that_need_both_classes_are_undefined_without(spans: list[tuple[int, int]]) -> None:
    figures = once(track("a", [0.1, 0.9], spans))
    assert np.isnan([figures["roc_auc"], figures["within_video_auc"], figures["anomalous_videos_auc"]]).all()


@given(st.data())
def test_figures_agree_with_scikit_learn_frame_by_frame_however_often_videos_count(data: st.DataObject) -> None:
    made = data.draw(tracks())
    weights = data.draw(weights_for(len(made)))
    figures = frame_figures(made, weights)
    for row, counts in enumerate(weights):
        plain = plain_frame_figures(made, counts)
        assert figures.keys() == plain.keys()
        for name, value in plain.items():
            assert figures[name][row] == pytest.approx(value, nan_ok=True, abs=1e-12), (name, row)


def test_figures_do_not_depend_on_how_many_scores_are_taken_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    made = [track(f"v{n}", rng.normal(size=40).round(1).tolist(), [(5, 20)] if n % 2 else []) for n in range(6)]
    weights = rng.integers(0, 3, (5, 6)).astype(float)
    whole = frame_figures(made, weights)
    monkeypatch.setattr(frames, "_BLOCK", 3)
    for name, values in frame_figures(made, weights).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12)
