from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline_eval.datasets.base import Span, Video
from offline_eval.metrics.alerts import Alert, Alerted, Thresholds, draw_alerts
from offline_eval.metrics.events import IOUS, event_figures
from offline_eval.metrics.tracks import Track
from tests.unit.offline_eval.metrics.reference import tracks, weights_for

HOUR = 3600  # frames, at one per second


def alerted(name: str, frames: int, spans: list[tuple[int, int]], *alerts: tuple[int, int, float]) -> Alerted:
    kinds = ("Fire",) if spans else ()
    video = Video(name, kinds, tuple(Span(*span) for span in spans), frame_count=frames)
    return Alerted(video, tuple(Alert(start, end, start, score) for start, end, score in alerts))


def once(*made: Alerted, fps: float = 1.0) -> dict[str, float]:
    return {name: float(values[0]) for name, values in event_figures(made, fps, np.ones((1, len(made)))).items()}


def test_recall_precision_and_f1_by_overlap() -> None:
    figures = once(
        alerted("a", 100, [(10, 20), (50, 60)], (15, 16, 1.0), (19, 25, 1.0), (70, 80, 1.0)),
        alerted("b", 100, [], (0, 9, 1.0)),
    )
    assert figures["event_recall"] == 1 / 2
    assert figures["missed_events"] == 1
    assert figures["alert_precision"] == 2 / 4
    assert figures["event_f1"] == pytest.approx(1 / 2)


def test_one_alert_may_detect_several_events_and_touching_is_not_overlapping() -> None:
    assert once(alerted("a", 100, [(10, 20), (50, 60)], (15, 51, 1.0)))["event_recall"] == 1
    figures = once(alerted("a", 100, [(10, 20)], (5, 10, 1.0), (20, 30, 1.0)))
    assert (figures["event_recall"], figures["alert_precision"], figures["event_f1"]) == (0, 0, 0)


def test_delays_are_from_the_events_start_and_never_negative() -> None:
    figures = once(
        alerted("open before", 100, [(10, 20)], (0, 15, 1.0)),
        alerted("late", 100, [(10, 40)], (16, 18, 1.0), (30, 35, 1.0)),
        alerted("later", 100, [(10, 40)], (34, 36, 1.0)),
        alerted("missed", 100, [(10, 20)]),
        fps=2.0,
    )
    assert (figures["delay_median_s"], figures["delay_p90_s"]) == (3, 12)
    assert figures["missed_events"] == 1


def test_a_delay_counts_from_when_people_were_told_not_from_where_the_alert_begins() -> None:
    video = Video("a", ("Fire",), (Span(10, 20),), frame_count=100)
    figures = once(Alerted(video, (Alert(5, 30, 25, 1.0),)))
    assert figures["delay_median_s"] == 15


def test_an_alert_told_after_the_end_meets_its_event_but_not_in_time() -> None:
    video = Video("a", ("Fire",), (Span(10, 20), Span(30, 40), Span(50, 60), Span(70, 80)), frame_count=100)
    alerts = (
        Alert(15, 25, 19, 1.0),  # told at the last frame of the first event
        Alert(33, 45, 40, 1.0),  # begins within the second one, is told at the first frame after it
        Alert(48, 90, 75, 1.0),  # meets two, the third one only when that is over
    )
    figures = once(Alerted(video, alerts))
    assert (figures["event_recall"], figures["missed_events"]) == (1, 0)
    assert (figures["event_recall_in_time"], figures["events_told_after_end"]) == (2 / 4, 2)


def test_of_two_alerts_one_told_before_the_end_is_enough() -> None:
    video = Video("a", ("Fire",), (Span(10, 40),), frame_count=100)
    figures = once(Alerted(video, (Alert(11, 15, 14, 1.0), Alert(35, 50, 45, 1.0))))
    assert (figures["event_recall_in_time"], figures["events_told_after_end"]) == (1, 0)


def test_false_alarms_are_alerts_in_normal_videos_per_hour_of_them() -> None:
    figures = once(
        alerted("normal", HOUR, [], (0, 5, 1.0), (50, 60, 1.0)),
        alerted("quiet", HOUR, []),
        alerted("anomalous", HOUR, [(10, 20)], (500, 600, 1.0)),
    )
    assert figures["false_alarms_per_hour"] == 1
    assert figures["normal_time_alerted"] == pytest.approx(15 / (2 * HOUR))
    assert once(alerted("normal", HOUR, [], (0, 5, 1.0)), fps=2.0)["false_alarms_per_hour"] == 2


def test_matching_at_an_iou_is_one_to_one_and_the_highest_score_chooses_first() -> None:
    made = alerted("a", 100, [(0, 10), (20, 30)], (0, 4, 0.5), (5, 10, 0.9), (20, 29, 0.7))
    figures = once(made)
    # IoU 0.4 and 0.5 with the first event, 0.9 with the second: the 0.9 alert takes the first event from the 0.5 one.
    assert [figures[f"event_recall@{iou:g}"] for iou in IOUS] == [1] * 5
    assert [figures[f"alert_precision@{iou:g}"] for iou in IOUS] == [pytest.approx(2 / 3)] * 5
    assert figures["event_f1@0.5"] == pytest.approx(0.8)
    # From high to low: hit, hit, miss.
    assert figures["average_precision@0.5"] == 1
    assert figures["mean_average_precision"] == 1


def test_average_precision_worked_by_hand() -> None:
    made = alerted("a", 100, [(0, 10), (20, 30), (40, 50)], (0, 10, 0.5), (12, 15, 0.9), (20, 30, 0.5), (60, 70, 0.1))
    # miss; then two hits at one score: precision 2/3, recall 2/3; then a miss.
    assert once(made)["average_precision@0.3"] == pytest.approx(2 / 3 * 2 / 3)


def test_long_alerts_overlap_everything_but_reach_no_iou() -> None:
    figures = once(alerted("a", 100, [(40, 44)], (0, 100, 1.0)))
    assert (figures["event_recall"], figures["event_recall@0.1"], figures["mean_average_precision"]) == (1, 0, 0)


def test_without_alerts_everything_is_missed_and_precision_is_undefined() -> None:
    figures = once(alerted("a", 100, [(40, 44)]), alerted("b", 100, []))
    assert (figures["event_recall"], figures["event_f1"], figures["mean_average_precision"]) == (0, 0, 0)
    assert figures["false_alarms_per_hour"] == 0
    assert np.isnan([figures["alert_precision"], figures["delay_median_s"], figures["delay_p90_s"]]).all()


def test_without_events_recall_is_undefined_and_without_normal_videos_so_are_false_alarms() -> None:
    assert np.isnan(once(alerted("b", 100, [], (0, 9, 1.0)))["event_recall"])
    assert np.isnan(once(alerted("a", 100, [(4, 9)], (0, 9, 1.0)))["false_alarms_per_hour"])


def plain_event_figures(made: list[Alerted], fps: float) -> dict[str, float]:
    """Pair by pair, in the words of the definitions."""

    def overlap(alert: Alert, span: Span) -> int:
        return len(set(range(alert.start, alert.end)) & set(range(*span)))

    def iou(alert: Alert, span: Span) -> float:
        return overlap(alert, span) / len(set(range(alert.start, alert.end)) | set(range(*span)))

    events = [(one, span) for one in made for span in one.video.spans]
    alerts = [(one, alert) for one in made for alert in one.alerts]
    delays, in_time = [], 0
    for one, span in events:
        meeting = [alert for alert in one.alerts if overlap(alert, span)]
        if meeting:
            in_time += any(alert.told < span.end for alert in meeting)
            delays.append(max(0, min(alert.told for alert in meeting) - span.start) / fps)
    right = sum(any(overlap(alert, span) for span in one.video.spans) for one, alert in alerts)
    hours = sum(one.video.known_frame_count() for one in made if one.video.normal) / fps / 3600
    false = sum(one.video.normal for one, _ in alerts)
    figures = {
        "event_recall": len(delays) / len(events) if events else np.nan,
        "alert_precision": right / len(alerts) if alerts else np.nan,
        "event_recall_in_time": in_time / len(events) if events else np.nan,
        "missed_events": len(events) - len(delays),
        "events_told_after_end": len(delays) - in_time,
        "delay_median_s": float(np.quantile(delays, 0.5, method="inverted_cdf")) if delays else np.nan,
        "delay_p90_s": float(np.quantile(delays, 0.9, method="inverted_cdf")) if delays else np.nan,
        "false_alarms_per_hour": false / hours if hours else np.nan,
    }
    for threshold in IOUS:
        hits: list[tuple[float, bool]] = []
        for one in made:
            free = list(one.video.spans)
            for alert in sorted(one.alerts, key=lambda alert: (-alert.score, alert.start)):
                best = max(free, key=lambda span: iou(alert, span), default=None)
                hit = best is not None and iou(alert, best) >= threshold
                if hit and best is not None:
                    free.remove(best)
                hits.append((alert.score, hit))
        total, told, average = 0, 0, 0.0
        for _, group in itertools.groupby(sorted(hits, reverse=True), key=lambda pair: pair[0]):
            gained = [hit for _, hit in group]
            total, told = total + sum(gained), told + len(gained)
            average += sum(gained) * total / told
        figures[f"event_recall@{threshold:g}"] = total / len(events) if events else np.nan
        figures[f"alert_precision@{threshold:g}"] = total / told if told else np.nan
        figures[f"average_precision@{threshold:g}"] = average / len(events) if events else np.nan
    return figures


@given(st.data())
def test_figures_agree_with_counting_pair_by_pair_however_often_videos_count(data: st.DataObject) -> None:
    scored: list[Track] = data.draw(tracks())
    made = [draw_alerts(one, 1, Thresholds(0.5, 0.1, 0, told_after=data.draw(st.integers(0, 4)))) for one in scored]
    weights = data.draw(weights_for(len(made)))
    figures = event_figures(made, 2.0, weights)
    for row, counts in enumerate(weights):
        plain = plain_event_figures(
            [one for one, count in zip(made, counts, strict=True) for _ in range(int(count))], 2.0
        )
        for name, value in plain.items():
            assert figures[name][row] == pytest.approx(value, nan_ok=True), (name, row)
