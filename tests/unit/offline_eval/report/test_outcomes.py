from __future__ import annotations

from math import inf, nan

import pytest

from offline_eval.report.outcomes import Outcome, outcome, worst_false_alarms, worst_first, worst_misses
from offline_eval.report.videos import verdict
from tests.unit.offline_eval.report.runs import FPS, four_videos, video_report


def outcomes() -> list[Outcome]:
    return [outcome(each, FPS) for each in four_videos()]


def test_events_and_alerts_are_told_apart() -> None:
    reported, missed, alarmed, quiet = outcomes()
    assert reported.delays_s == pytest.approx((0.3,))  # told at frame 23 of an event from 20
    assert (reported.missed, reported.wrong) == (0, 0)
    assert missed.delays_s == (inf,)
    assert (missed.missed, missed.after_end) == (1, 0)
    assert (alarmed.wrong, alarmed.false_alarms) == (1, 1)
    assert (quiet.missed, quiet.wrong) == (0, 0)


def test_an_alert_beside_an_event_is_wrong_but_no_false_alarm() -> None:
    beside = outcome(video_report("beside", [0.9] * 60, [(40, 50)], [(0, 10)]), FPS)
    assert (beside.missed, beside.wrong, beside.false_alarms) == (1, 1, 0)
    assert verdict(beside) == "Missed, 1 alert beside"


def test_verdicts_say_what_became_of_a_video() -> None:
    assert [verdict(each) for each in outcomes()] == [
        "Reported after 0.3 s",
        "Missed",
        "1 false alarm",
        "Quiet, as it should be",
    ]
    early = video_report("early", [0.9] * 60, [(20, 30), (40, 50)], [(10, 30)])
    assert verdict(outcome(early, FPS)) == "Missed 1 of 2 events"


def test_an_event_that_was_reported_when_it_had_ended_is_said_to_be() -> None:
    late = outcome(video_report("late", [0.9] * 60, [(20, 30)], [(29, 50)]), FPS)
    assert (late.missed, late.after_end, late.in_time) == (0, 1, (False,))
    assert verdict(late) == "Reported after 1.0 s, when it had ended"


def test_the_lowest_scoring_miss_is_the_worst_and_the_longer_among_equals() -> None:
    misses = [
        video_report("high", [0.5] * 60, [(0, 30)]),
        video_report("short", [0.1] * 60, [(0, 10)]),
        video_report("long", [0.1] * 60, [(0, 20)]),
        video_report("unknown", [nan] * 60, [(0, 5)]),
    ]
    assert [each.name for each in worst_misses(outcome(each, FPS) for each in misses)] == [
        "unknown",
        "long",
        "short",
        "high",
    ]


def test_the_highest_scoring_false_alarm_is_the_worst() -> None:
    alarms = [video_report(f"{top}", [top] * 60, alerts=[(0, 9)]) for top in (0.6, 0.9, 0.7)]
    assert [each.name for each in worst_false_alarms(outcome(each, FPS) for each in alarms)] == ["0.9", "0.7", "0.6"]


def test_every_video_comes_once_and_the_worst_first() -> None:
    assert [each.name for each in worst_first(outcomes())] == ["missed", "alarmed", "quiet", "reported"]
