"""Hand-written score sequences and the exact decisions they must lead to, then what holds for every sequence.

A table's columns are a time, what happens then, and what is decided. What happens is a smoothed score, `?` for an
unknown one, `tick`, `delivered ID` or `finish REASON`. Windows are one second long.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.policy import AlertPolicy, Decision, DecisionType, EndReason, PolicySettings, Severity
from engine.types import ScorePoint

WINDOW_S = 1.0


def point(time_s: float, score: float | None, *, held: bool = False) -> ScorePoint:
    known = None if held else score
    return ScorePoint("front", 0, 0, time_s, time_s, known, known, score, held, length_s=WINDOW_S)


def policy(settings: PolicySettings) -> AlertPolicy:
    ids = itertools.count(1)
    return AlertPolicy("front", settings, lambda time_s: f"e{next(ids)}")


def play(table: str, **overrides: float) -> None:
    """Check every row of a table against a new policy."""
    machine, got, wanted = policy(PolicySettings(**overrides)), [], []  # type: ignore[arg-type]
    last: float | None = None
    for row in filter(str.strip, table.splitlines()):
        when, _, rest = row.strip().partition(" ")
        happens, _, decided = (part.strip() for part in f"{rest} | ".partition("|"))
        verb, _, what = happens.partition(" ")
        time_s = float(when)
        if verb == "tick":
            decisions = machine.tick(time_s)
        elif verb == "finish":
            decisions = machine.finish(EndReason(what))
        elif verb == "delivered":
            machine.delivered(what, time_s)
            decisions = []
        elif verb == "?":
            decisions = machine.push(point(time_s, last, held=last is not None))
        else:
            last = float(verb)
            decisions = machine.push(point(time_s, last))
        shown = "; ".join(map(show, decisions))
        got.append(f"{when:>4} {happens:18} | {shown}".rstrip())
        wanted.append(f"{when:>4} {happens:18} | {decided.removesuffix('|').strip()}".rstrip())
    assert "\n".join(got) == "\n".join(wanted)


def show(decision: Decision) -> str:
    words = [decision.type, decision.event_id]
    if decision.type is DecisionType.END:
        words += [str(decision.end_reason), f"{decision.start_time_s:g}..{decision.end_time_s:g}"]
    else:
        words += [decision.severity, f"from {decision.start_time_s:g}", f"top {decision.top_score:g}"]
    if decision.suppressed_count:
        words.append(f"after {decision.suppressed_count}")
    return " ".join(words)


def test_an_event_opens_at_once_and_ends_after_hold_and_merge_gap_at_its_last_high_score() -> None:
    play("""
         0  0.10
         1  0.59
         2  0.60   | new e1 detection from 1 top 0.6
         3  0.50
         4  0.36
         5  0.35
         6  0.35
         7  0.35
         8  0.35
         9  0.35
        10  0.35   | end e1 calm 1..4
        11  0.10
    """)


def test_a_dip_shorter_than_the_hold_is_nothing() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         2  0.10
         3  0.10
         3.9  0.40
         4  0.10
         5  0.10
         6  0.10
         7  0.10
         8  0.10
         9  0.10   | end e1 calm 0..3.9
    """)


def test_once_left_a_rise_within_the_merge_gap_continues_the_event_but_scores_below_open_do_not() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         2  0.10
         4  0.10
         5  0.50
         6  0.61   | update e1 detection from 0 top 0.7
         7  0.10
         9  0.10
        11  0.50
        12  0.50   | end e1 calm 0..6
        13  0.61   | new e2 detection from 12 top 0.61
    """)


def test_a_rise_after_a_hole_that_outlasted_the_merge_gap_is_a_new_event() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         2  0.10
         4  0.10
        20  0.70   | end e1 calm 0..1; new e2 detection from 19 top 0.7
    """)


def test_without_hold_and_gap_an_event_ends_with_the_first_low_score() -> None:
    play(
        """
         1  0.70   | new e1 detection from 0 top 0.7
         2  0.10   | end e1 calm 0..1
         3  0.70   | new e2 detection from 2 top 0.7
        """,
        close_hold_s=0,
        merge_gap_s=0,
    )


def test_overlapping_windows_never_make_overlapping_events() -> None:
    play(
        """
         1.0  0.70   | new e1 detection from 0 top 0.7
         1.2  0.10   | end e1 calm 0..1
         1.4  0.70   | new e2 detection from 1 top 0.7
        """,
        close_hold_s=0,
        merge_gap_s=0,
    )


def test_a_rise_must_last_the_minimum_duration_and_the_event_starts_where_it_began() -> None:
    play(
        """
         1  0.90
         2  0.59
         3  0.85
         4  0.70
         5  0.70   | new e1 alert from 2 top 0.85
        """,
        min_duration_s=2,
    )


def test_severity_rises_at_once_never_falls_and_updates_are_spaced() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         2  0.75
         3  0.80   | update e1 alert from 0 top 0.8
         4  0.95
         7  0.70
         8  0.70   | update e1 alert from 0 top 0.95
        12  0.70
        13  0.70   | update e1 alert from 0 top 0.95
        14  finish shutdown | end e1 shutdown 0..13
    """)


def test_a_score_below_close_is_no_news_of_an_event() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         5  0.50
         6  0.10
         7  0.40   | update e1 detection from 0 top 0.7
    """)


def test_an_event_that_was_left_tells_no_more_until_it_rises_again() -> None:
    play(
        """
         1  0.70   | new e1 detection from 0 top 0.7
         2  0.10
         4  0.10
         7  0.10
         8  0.70   | update e1 detection from 0 top 0.7
        """,
        merge_gap_s=10,
    )


def test_cool_down_suppresses_and_counts_what_is_not_more_severe() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         2  delivered e1
         3  0.10
         5  0.10
         8  0.10   | end e1 calm 0..1
         9  0.70
       9.5  0.40
        10  0.70
      10.5  0.10
        11  0.70
      11.5  0.10
        12  0.70   | new e2 detection from 11 top 0.7 after 2
        13  0.10
        15  0.10
        18  0.10   | end e2 calm 11..12 after 2
        19  0.70   | new e3 detection from 18 top 0.7
    """)


def test_a_higher_severity_passes_the_cool_down() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         2  delivered e1
         3  0.10
         5  0.10
         8  0.10   | end e1 calm 0..1
        10  0.79
        11  0.80   | new e2 alert from 10 top 0.8
    """)


def test_after_an_alert_nothing_passes_the_cool_down() -> None:
    play("""
         1  0.90   | new e1 alert from 0 top 0.9
         2  delivered e1
         3  0.10
         5  0.10
         8  0.10   | end e1 calm 0..1
        10  1.00
        11  1.00
        12  1.00   | new e2 alert from 11 top 1
    """)


def test_a_rise_that_outlasts_the_cool_down_is_told_from_where_it_was_let_through_and_is_not_counted() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         2  delivered e1
         3  0.10
         5  0.10
         8  0.10   | end e1 calm 0..1
         9  0.79
        11  0.50
        12  0.50
        13  0.65   | new e2 detection from 12 top 0.65
    """)


def test_there_is_no_cool_down_before_anybody_was_told() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         3  0.10
         5  0.10
         8  0.10   | end e1 calm 0..1
         9  0.70   | new e2 detection from 8 top 0.7
    """)


def test_a_late_delivery_begins_the_cool_down_when_it_happens() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         3  0.10
         5  0.10
         8  0.10   | end e1 calm 0..1
        20  delivered e1
        22  delivered e1
        29  0.70
        30  0.70   | new e2 detection from 29 top 0.7
    """)


def test_delivery_of_an_unknown_or_long_gone_event_means_nothing() -> None:
    play(
        """
         1  0.70   | new e1 detection from 0 top 0.7
         2  0.10   | end e1 calm 0..1
         3  0.70   | new e2 detection from 2 top 0.7
         4  0.10   | end e2 calm 2..3
         5  delivered e1
         5  delivered e9
         6  0.70   | new e3 detection from 5 top 0.7
        """,
        close_hold_s=0,
        merge_gap_s=0,
    )


def test_an_event_ends_at_its_longest_and_a_score_that_stays_high_is_not_told_again() -> None:
    play(
        """
         1  0.70   | new e1 detection from 0 top 0.7
        10  0.70   | update e1 detection from 0 top 0.7
        20  0.70   | end e1 max_duration 0..10
        90  0.70
       110  0.40
       111  0.70
       112  0.30
       113  0.70   | new e2 detection from 112 top 0.7 after 1
        """,
        max_duration_s=20,
        no_data_after_s=1000,
    )


def test_after_the_longest_event_a_higher_severity_is_told_once_and_then_nothing_until_calm() -> None:
    play(
        """
         1  0.70   | new e1 detection from 0 top 0.7
        10  0.70   | end e1 max_duration 0..1
        15  0.90   | new e2 alert from 14 top 0.9
        23  0.90   | update e2 alert from 14 top 0.9
        24  0.90   | end e2 max_duration 14..23
        50  1.00
        75  1.00
        """,
        max_duration_s=10,
    )


def test_unknown_scores_neither_open_nor_hold_nor_close_an_event() -> None:
    play("""
         0  ?
         1  0.70   | new e1 detection from 0 top 0.7
         2  0.10
         3  ?
         6  ?
         7  0.40   | update e1 detection from 0 top 0.7
         8  ?
        36  ?
        37  ?      | end e1 no_data 0..7
        38  ?
    """)


def test_silence_ends_an_event_without_any_point() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
        30  tick
        31  tick   | end e1 no_data 0..1
        32  tick
    """)


def test_silence_is_noticed_by_the_next_point_too_and_the_cool_down_has_passed_meanwhile() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         1  delivered e1
        40  0.70   | end e1 no_data 0..1; new e2 detection from 39 top 0.7
    """)


def test_silence_forgets_a_rise_that_had_not_lasted_yet() -> None:
    play(
        """
         1  0.70
        40  0.70
        45  0.70   | new e1 detection from 39 top 0.7
        """,
        min_duration_s=5,
    )


def test_a_tick_between_late_points_does_not_end_what_they_may_continue() -> None:
    play("""
         1  0.70   | new e1 detection from 0 top 0.7
         2  0.10
         4  0.10
        20  tick
         6  0.70   | update e1 detection from 0 top 0.7
         7  finish camera_lost | end e1 camera_lost 0..6
        12  0.70   | new e2 detection from 11 top 0.7
    """)


def test_finish_ends_what_is_open_once() -> None:
    play("""
         0  finish shutdown
         1  0.70   | new e1 detection from 0 top 0.7
         2  finish source_ended | end e1 source_ended 0..1
         3  finish shutdown
    """)


def test_finish_forgets_a_rise_that_had_not_lasted_yet() -> None:
    play(
        """
         1  0.70
         2  finish camera_lost
         6  0.70
        11  0.70   | new e1 detection from 5 top 0.7
        """,
        min_duration_s=5,
    )


def test_a_clock_that_is_set_back_ends_the_event_and_its_cool_down() -> None:
    play("""
      5000  0.70   | new e1 detection from 4999 top 0.7
      5001  delivered e1
      1400  0.70   | end e1 clock_step 4999..5000; new e2 detection from 1399 top 0.7
      1401  0.10
      1403  0.10
      1406  0.10   | end e2 calm 1399..1400
    """)


def test_a_decision_carries_the_newest_and_the_first_highest_point_and_its_settings() -> None:
    machine = policy(PolicySettings(definition="climbing the gate"))
    points = [point(time_s, score) for time_s, score in [(1, 0.7), (2, 0.75), (3, 0.75), (6, 0.6)]]
    (update,) = [d for p in points for d in machine.push(p) if d.type is DecisionType.UPDATE]
    assert update == Decision(
        type=DecisionType.UPDATE,
        event_id="e1",
        camera="front",
        start_time_s=0.0,
        end_time_s=None,
        severity=Severity.DETECTION,
        score=0.6,
        top_score=0.75,
        point=points[3],
        top_point=points[1],
        threshold=0.6,
        definition="climbing the gate",
        suppressed_count=0,
        end_reason=None,
    )


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"close": 0.7}, "out of order"),
        ({"alert": 0.5}, "out of order"),
        ({"alert": 1.1}, "out of order"),
        ({"open": math.nan}, "out of order"),
        ({"cooldown_s": -1.0}, "cooldown_s is -1"),
        ({"merge_gap_s": math.inf}, "merge_gap_s is inf"),
        ({"max_duration_s": 0.0}, "max_duration_s is 0"),
        ({"min_duration_s": 400.0}, "max_duration_s is 300"),
        ({"no_data_after_s": math.nan}, "no_data_after_s is nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(overrides: dict[str, float], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        PolicySettings(**overrides)  # type: ignore[arg-type]


durations = st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0])
policies = st.builds(
    PolicySettings,
    min_duration_s=durations,
    close_hold_s=durations,
    merge_gap_s=durations,
    cooldown_s=durations,
    update_every_s=durations,
    max_duration_s=st.sampled_from([11.0, 30.0]),
    no_data_after_s=st.sampled_from([11.0, 30.0]),
)
# One step: seconds since the one before, and a score, None for unknown, or whether the newest event is delivered.
score_values = st.sampled_from([0.0, 0.2, 0.36, 0.5, 0.6, 0.7, 0.8, 1.0])
steps = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.0, 1.0, 5.0, 40.0]), st.none() | score_values | st.just("told")),
    max_size=80,
)
Step = tuple[float, float | str | None]
Ticks = Callable[[float, float], list[float]]


def run(
    settings: PolicySettings, sequence: list[Step], ticks: Ticks = lambda a, b: []
) -> tuple[list[tuple[float, Decision]], list[ScorePoint]]:
    """Every decision with the time it came at, and the points, of a whole life that ends with a shutdown."""
    machine, time_s, last = policy(settings), 100.0, None
    decisions: list[tuple[float, Decision]] = []
    points = []
    for step_s, what in sequence:
        for tick_s in ticks(time_s, time_s + step_s):
            decisions += [(tick_s, d) for d in machine.tick(tick_s)]
        time_s += step_s
        if isinstance(what, str):
            if decisions:
                machine.delivered(decisions[-1][1].event_id, time_s)
            continue
        last = what if what is not None else last
        points.append(point(time_s, last, held=what is None and last is not None))
        decisions += [(time_s, d) for d in machine.push(points[-1])]
    decisions += [(time_s, d) for d in machine.finish(EndReason.SHUTDOWN)]
    assert machine.finish(EndReason.SHUTDOWN) == []
    return decisions, points


@settings(max_examples=300, deadline=None)
@given(policies, steps)
def test_every_event_is_new_then_updates_then_exactly_one_end_and_never_two_at_once(
    chosen: PolicySettings, sequence: list[Step]
) -> None:
    decisions, _ = run(chosen, sequence)
    stories = [list(story) for _, story in itertools.groupby(decisions, key=lambda each: each[1].event_id)]
    assert len({story[0][1].event_id for story in stories}) == len(stories)  # an id never comes back
    ended_s = -math.inf
    for story in stories:
        types = [d.type for _, d in story]
        assert types == [DecisionType.NEW, *[DecisionType.UPDATE] * (len(types) - 2), DecisionType.END]
        assert len({d.start_time_s for _, d in story}) == 1
        end = story[-1][1]
        assert end.end_time_s is not None
        assert ended_s <= end.start_time_s <= end.end_time_s <= story[-1][0]
        ended_s = end.end_time_s


@settings(max_examples=300, deadline=None)
@given(policies, steps)
def test_severity_and_top_score_never_fall_and_updates_keep_their_distance(
    chosen: PolicySettings, sequence: list[Step]
) -> None:
    for _, story in itertools.groupby(run(chosen, sequence)[0], key=lambda each: each[1].event_id):
        for (before_s, before), (after_s, after) in itertools.pairwise(story):
            assert after.severity.rank >= before.severity.rank
            assert after.top_score >= before.top_score
            if after.type is DecisionType.UPDATE and after.severity is before.severity:
                assert after_s - before_s >= chosen.update_every_s


@settings(max_examples=300, deadline=None)
@given(policies, steps)
def test_scores_back_every_decision(chosen: PolicySettings, sequence: list[Step]) -> None:
    decisions, points = run(chosen, sequence)
    for at_s, decision in decisions:
        known = [p for p in points if p.raw is not None and p.time_s <= at_s]
        assert decision.point in known
        assert decision.top_point in known
        assert decision.top_score == decision.top_point.score
        assert decision.top_score >= chosen.open
        assert (decision.severity is Severity.ALERT) == (decision.top_score >= chosen.alert)
        if decision.type is DecisionType.NEW:
            assert decision.score >= chosen.open
            assert decision.point.time_s == at_s  # a known point opens it, not a tick and not an unknown one
        if decision.type is DecisionType.END:
            highs = [p.time_s for p in known if p.score is not None and p.score >= chosen.close]
            assert decision.end_time_s in highs


@settings(max_examples=300, deadline=None)
@given(policies, steps)
def test_no_event_outlives_its_bounds(chosen: PolicySettings, sequence: list[Step]) -> None:
    decisions, points = run(chosen, sequence)
    for _, story in itertools.groupby(decisions, key=lambda each: each[1].event_id):
        (new_s, new), *_, (end_s, end) = story
        heard_s = [p.time_s for p in points if new_s <= p.time_s < end_s]
        assert all(time_s < new.start_time_s + chosen.max_duration_s + chosen.merge_gap_s for time_s in heard_s[1:])
        assert end.end_time_s is not None
        assert all(time_s < end.point.time_s + chosen.no_data_after_s for time_s in heard_s)


@settings(max_examples=200, deadline=None)
@given(policies, steps)
def test_ticks_change_nothing_but_how_soon_an_end_is_told(chosen: PolicySettings, sequence: list[Step]) -> None:
    def often(from_s: float, to_s: float) -> list[float]:
        return [from_s + (to_s - from_s) * part / 4 for part in range(1, 5)]

    # Deliveries name the newest decision's event, which a tick may change: they would be another sequence.
    sequence = [step for step in sequence if not isinstance(step[1], str)]
    assert [d for _, d in run(chosen, sequence, often)[0]] == [d for _, d in run(chosen, sequence)[0]]


@settings(max_examples=200, deadline=None)
@given(policies, steps, st.integers(0, 80))
def test_decisions_do_not_depend_on_what_comes_later(chosen: PolicySettings, sequence: list[Step], cut: int) -> None:
    early, _ = run(chosen, sequence[:cut])
    early = [each for each in early if each[1].end_reason is not EndReason.SHUTDOWN]
    assert run(chosen, sequence)[0][: len(early)] == early
