from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline_eval.metrics.alerts import Thresholds, draw_alerts
from offline_eval.metrics.events import event_figures
from offline_eval.metrics.operating import RECALLS, Operating
from offline_eval.metrics.tracks import Track
from tests.unit.offline_eval.metrics.reference import track, tracks, weights_for


def test_the_curve_worked_by_hand() -> None:
    made = [
        track("a", [0.2, 0.9, 0.1, 0.6, 0.1, 0.1], [(0, 2), (3, 4)]),
        track("b", [0.1, 0.1, 0.1, 0.4, 0.1, 0.1], [(3, 4)]),
        track("n", [0.7, 0.1, 0.7, 0.1, 0.1, 0.6]),
    ]
    curve = Operating(made, fps=1, merge_gap_s=1).curve()
    assert curve.thresholds.tolist() == [0.9, 0.6, 0.4]
    assert curve.recalls == pytest.approx([1 / 3, 2 / 3, 1])
    # At 0.6 the first two of the normal video are one alert and the third is two frames away: another.
    assert curve.false_alarms_per_hour == pytest.approx([0, 2 * 600, 2 * 600])
    assert curve.alerted_share == pytest.approx([0, 4 / 6, 4 / 6])


def test_an_event_in_a_merged_gap_is_detected() -> None:
    made = [track("a", [0.8, 0.1, 0.7], [(1, 2)])]
    assert Operating(made, 1, merge_gap_s=1).curve().thresholds.tolist() == [0.7]
    assert Operating(made, 1, merge_gap_s=0).curve().thresholds.tolist() == [0.1]


def test_a_score_of_zero_or_unknown_is_never_an_alert() -> None:
    made = [track("a", [0.0, 0.0], [(0, 1)]), track("b", [np.nan, 0.5], [(0, 1)]), track("n", [0.0, 0.0])]
    operating = Operating(made, 1)
    assert operating.curve().recalls.tolist() == []
    assert np.isnan(operating.figures(np.ones((1, 3)))["false_alarms_per_hour@recall 0.5"]).all()


def test_a_recall_that_is_not_reached_is_undefined() -> None:
    made = [track("a", [0.6, 0.0, 0.0], [(0, 1), (2, 3)]), track("n", [0.7, 0.0, 0.0])]
    figures = Operating(made, 1, 0).figures(np.ones((1, 2)))
    assert figures["false_alarms_per_hour@recall 0.5"] == pytest.approx([1200])
    assert np.isnan(figures["false_alarms_per_hour@recall 0.7"]).all()


@given(st.data(), st.integers(0, 7))
def test_every_point_agrees_with_drawing_the_alerts_at_its_threshold(data: st.DataObject, gap: int) -> None:
    made: list[Track] = data.draw(tracks())
    weights = data.draw(weights_for(len(made)))
    operating = Operating(made, 1, gap)
    curve = operating.curve()
    rates = []
    for index, threshold in enumerate(curve.thresholds):
        drawn = [draw_alerts(one, 1, Thresholds(threshold, threshold, gap)) for one in made]
        plain = event_figures(drawn, 1, weights)
        assert curve.recalls[index] == pytest.approx(plain["event_recall"][0])
        assert curve.false_alarms_per_hour[index] == pytest.approx(plain["false_alarms_per_hour"][0], nan_ok=True)
        normal = [one for one in drawn if one.video.normal]
        share = sum(alert.end - alert.start for one in normal for alert in one.alerts)
        frames = sum(one.video.known_frame_count() for one in normal)
        assert curve.alerted_share[index] == pytest.approx(share / frames if frames else np.nan, nan_ok=True)
        rates.append((plain["event_recall"], plain["false_alarms_per_hour"]))
    figures = operating.figures(weights)
    for recall in RECALLS:
        for row, value in enumerate(figures[f"false_alarms_per_hour@recall {recall:g}"]):
            reached = [rate[row] for recalls, rate in rates if recalls[row] >= recall]
            assert value == pytest.approx(reached[0] if reached else np.nan, nan_ok=True)
