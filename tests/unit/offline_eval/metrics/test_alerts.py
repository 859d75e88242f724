from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from offline_eval.datasets.base import Video
from offline_eval.metrics.alerts import Alert, Alerted, Thresholds, draw_alerts
from offline_eval.metrics.tracks import Track
from tests.unit.offline_eval.metrics.reference import track, tracks

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "gap", "alerts"),
    [
        ([0.1, 0.2], 0, []),
        ([0.4, 0.6, 0.4, 0.1], 0, [(1, 3, 0.6)]),  # begins at open, lasts down to close
        ([0.6, 0.1, 0.7], 0, [(0, 1, 0.6), (2, 3, 0.7)]),
        ([0.6, 0.1, 0.7], 1, [(0, 3, 0.7)]),
        ([0.6, 0.1, 0.1, 0.7, 0.1, 0.8], 1, [(0, 1, 0.6), (3, 6, 0.8)]),
        ([0.6, 0.1, 0.4, 0.1, 0.6], 1, [(0, 1, 0.6), (4, 5, 0.6)]),  # what never opened bridges nothing
        ([0.6, NAN, 0.4], 0, [(0, 1, 0.6)]),  # unknown ends it
        ([NAN, NAN], 0, []),
        ([0.5, 0.3, 0.29], 0, [(0, 2, 0.5)]),  # thresholds are reached by being equal
    ],
)
def test_scores_become_these_alerts(scores: list[float], gap: int, alerts: list[tuple[int, int, float]]) -> None:
    drawn = draw_alerts(track("a", scores), fps=1, thresholds=Thresholds(0.5, 0.3, merge_gap_s=gap))
    assert [(alert.start, alert.end, alert.score) for alert in drawn.alerts] == alerts
    assert [alert.told for alert in drawn.alerts] == [start for start, _, _ in alerts]


def test_an_alert_is_told_once_its_score_is_known() -> None:
    (alert,) = draw_alerts(track("a", [0, 0, 1, 1, 0, 1]), 1, Thresholds(told_after=2)).alerts
    assert alert == Alert(start=2, end=6, told=4, score=1)


def plain_alerts(scores: list[float], open_at: float, close_at: float, gap: int) -> list[tuple[int, int]]:
    """Frame by frame."""
    alerts: list[tuple[int, int]] = []
    start = None
    for frame, score in enumerate([*scores, -1.0]):
        if start is None and score >= open_at:
            start = frame
        elif start is not None and not score >= close_at:
            if alerts and start - alerts[-1][1] <= gap:
                alerts[-1] = (alerts[-1][0], frame)
            else:
                alerts.append((start, frame))
            start = None
    return alerts


@given(tracks(), st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([0.05, 0.1]), st.integers(0, 6))
def test_alerts_agree_with_walking_the_frames(made: list[Track], open_at: float, close_at: float, gap: int) -> None:
    for one in made:
        drawn = draw_alerts(one, 1, Thresholds(open_at, close_at, merge_gap_s=gap))
        found = [(alert.start, alert.end) for alert in drawn.alerts]
        assert found == plain_alerts(one.frames().tolist(), open_at, close_at, gap)
        assert all(alert.score == np.nanmax(one.frames()[alert.start : alert.end]) for alert in drawn.alerts)


def test_alerts_that_make_no_sense_are_refused() -> None:
    for start, end, told in ((3, 3, 3), (3, 5, 2)):
        with pytest.raises(UsageError, match="is none"):
            Alert(start, end, told, 1.0)
    with pytest.raises(UsageError, match="a: alerts overlap or are out of order"):
        Alerted(Video("a", frame_count=9), (Alert(0, 5, 0, 1.0), Alert(4, 6, 4, 1.0)))


@pytest.mark.parametrize(("open_at", "gap_s", "told_after"), [(0.2, 0.0, 0), (0.5, -1.0, 0), (0.5, 0.0, -1)])
def test_thresholds_that_make_no_sense_are_refused(open_at: float, gap_s: float, told_after: int) -> None:
    with pytest.raises(UsageError, match="draws no alerts"):
        Thresholds(open_at, 0.3, gap_s, told_after)
