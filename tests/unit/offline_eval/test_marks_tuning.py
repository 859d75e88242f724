"""Tuning by marks, on cases worked by hand: no smoothing, one window a second, calm is 0.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import UsageError
from engine.policy import PolicySettings
from offline_eval.marks import MarkedEvent, MarkedScores, read_marked_scores
from offline_eval.marks_tuned import configuration, figures, lines_of, own_values
from offline_eval.marks_tuning import (
    Tally,
    TunedByMarks,
    choose,
    events_of,
    fold_of_marks,
    score_points,
    tune_by_marks,
    ways,
)
from stream.config import WatchConfig, from_mapping, load
from tests.unit.offline_eval.marked import Rise, write_marks, write_recording

PLAIN: Mapping[str, Any] = {"defaults": {"smoothing": {"kind": "none"}}}
RISES = [
    Rise(100, 0.9, verdict="true"),
    Rise(200, 0.7, verdict="false"),
    Rise(300, 0.9, verdict="true"),
    Rise(400, 0.65, verdict="false"),
    Rise(500, 0.62),
]


def scored(tmp_path: Path, rises: Sequence[Rise]) -> MarkedScores:
    return read_marked_scores(
        write_marks(tmp_path / "marks.jsonl", rises), [write_recording(tmp_path / "scores.jsonl", rises)]
    )


def tuned(scores: MarkedScores, config: WatchConfig | None = None, folds: int = 5) -> TunedByMarks:
    return tune_by_marks(scores, config or from_mapping(PLAIN), folds, 0, progress=lambda _text: None)


def test_an_event_of_the_replay_is_one_of_the_live_policy(tmp_path: Path) -> None:
    (course,) = scored(tmp_path, RISES).courses
    config = from_mapping(PLAIN).defaults
    points = score_points(course, config.smoothing)
    assert events_of(points, PolicySettings()) == [(99, 102), (199, 202), (299, 302), (399, 402), (499, 502)]
    assert events_of(points, PolicySettings(open=0.8)) == [(99, 102), (299, 302)]
    assert events_of(points, PolicySettings(cooldown_s=150.0)) == [(99, 102), (299, 302), (499, 502)]


def test_a_threshold_between_right_and_wrong_is_found_in_the_middle(tmp_path: Path) -> None:
    """0.75, 0.8, 0.85 and 0.9 tell both that were right and nothing else; of an even number it is the lower middle."""
    found = tuned(scored(tmp_path, RISES))
    assert found.now.told.tolist() == [True] * 4
    assert found.now.unmarked == 1
    assert found.chosen.told.tolist() == [True, False, True, False]
    assert (found.chosen.unmarked, found.better) == (0, True)
    alerts = found.way.alerts
    assert (alerts.open, alerts.close, alerts.alert) == (0.8, 0.48, 0.9)  # the others keep their places beside it
    assert alerts.min_duration_s == 0
    assert found.way.smoothing.kind == "none"


def test_short_alarms_that_were_wrong_ask_for_a_duration_and_nothing_else_changes(tmp_path: Path) -> None:
    rises = [Rise(at_s, 0.7, 5, "true") for at_s in (100, 200)] + [Rise(at_s, 0.9, 1, "false") for at_s in (300, 400)]
    found = tuned(scored(tmp_path, rises))
    assert found.chosen.told.tolist() == [True, True, False, False]
    assert (found.way.alerts.open, found.way.alerts.min_duration_s) == (0.6, 1.0)
    assert found.way.smoothing.kind == "none"


def test_what_was_right_is_kept_though_it_costs_every_wrong_one(tmp_path: Path) -> None:
    rises = [Rise(100, 0.62, verdict="true"), Rise(200, 0.9, verdict="true")]
    rises += [Rise(at_s, 0.7, verdict="false") for at_s in (300, 400, 500)]
    found = tuned(scored(tmp_path, rises))
    assert found.chosen.told.all()
    assert not found.better
    assert found.way.alerts == from_mapping(PLAIN).defaults.alerts
    told = "\n".join(lines_of(figures(scored(tmp_path, rises), found)))
    assert "Nothing that was tried is better" in told


def test_news_that_nobody_marked_must_not_become_more() -> None:
    """The second way tells what nobody has seen, and the third one for longer; the fourth spares less, but no more."""
    grid = ways(from_mapping(PLAIN).defaults)[:4]
    right = np.array([True, False, False])
    tallies = [
        Tally(np.array([True, True, True]), 4, 60.0),
        Tally(np.array([True, False, False]), 5, 50.0),
        Tally(np.array([True, False, False]), 4, 61.0),
        Tally(np.array([True, True, False]), 4, 60.0),
    ]
    assert choose(grid, tallies, right, np.ones(3, bool)) == 3


def test_a_choice_does_not_know_the_marks_it_is_made_without() -> None:
    grid = ways(from_mapping(PLAIN).defaults)
    rng = np.random.default_rng(3)
    tallies = [Tally(rng.random(12) < 0.6, int(rng.integers(5)), rng.random()) for _ in grid]
    right, counted = rng.random(12) < 0.5, np.arange(12) % 3 > 0
    assert choose(grid, tallies, right, counted) == choose(grid, tallies, right ^ ~counted, counted)


def test_out_of_fold_marks_are_told_by_what_the_others_chose(tmp_path: Path) -> None:
    """Ten right at 0.9 and one at 0.7, ten wrong at 0.72 to 0.81: the one is lost by the choice without it."""
    rises = [Rise(20 + 30 * place, 0.9, verdict="true") for place in range(10)]
    rises += [Rise(330 + 30 * place, 0.72 + place / 100, verdict="false") for place in range(10)]
    rises.append(Rise(640, 0.7, verdict="true"))
    scores = scored(tmp_path, rises)
    found = tuned(scores)
    assert found.out_of_fold is not None
    odd = [mark.event for mark in scores.marks].index("front 640")
    assert found.chosen.told[odd]
    assert not found.out_of_fold[odd]
    told = figures(scores, found)
    assert (told["chosen"]["true"]["told"], told["out_of_fold"]["true"]["told"]) == (11, 10)
    assert told["out_of_fold"]["true"]["low"] < 10 / 11 < told["out_of_fold"]["true"]["high"]
    assert "5 over single events" in found.folds


def marks_on(days: Sequence[int], each: int) -> list[MarkedEvent]:
    return [
        MarkedEvent(
            event=f"{day}/{number}/{verdict}",
            camera="front",
            definition="default",
            verdict=verdict,
            start_time=day * 86_400.0 + number,
            end_time=day * 86_400.0 + number + 1,
            newest_time=0.0,
        )
        for day in days
        for number in range(each)
        for verdict in ("true", "false")
    ]  # fmt: skip


def test_a_day_of_a_camera_is_in_one_fold_where_there_are_days_enough() -> None:
    marks = marks_on(range(10), 2)
    place, words = fold_of_marks(marks, 5, 0)
    assert place is not None
    by_day = [
        {int(each) for each, mark in zip(place, marks, strict=True) if mark.start_time // 86_400 == day}
        for day in range(10)
    ]
    assert [len(folds) for folds in by_day] == [1] * 10
    assert np.bincount(place).tolist() == [8] * 5
    assert words == "5 over 10 days of a camera, seed 0"


def test_of_too_few_days_the_folds_are_of_events_and_share_out_both_kinds() -> None:
    marks = marks_on(range(2), 10)
    place, words = fold_of_marks(marks, 5, 0)
    assert place is not None
    right = np.array([mark.right for mark in marks])
    assert np.bincount(place[right]).tolist() == np.bincount(place[~right]).tolist() == [4] * 5
    assert "which flatters" in words


def test_of_too_few_marks_nothing_is_said_out_of_fold(tmp_path: Path) -> None:
    assert fold_of_marks(marks_on(range(9), 1), 5, 0)[0] is None
    scores = scored(tmp_path, RISES)
    told = figures(scores, tuned(scores))
    assert told["out_of_fold"] is None
    assert "too few marks to tell how it does on other events (folds: none: 5 folds take 10 events of either kind)" in (
        "\n".join(lines_of(told))
    )


@pytest.mark.parametrize(("kept", "missing"), [("true", "false"), ("false", "true")])
def test_marks_of_one_kind_only_are_refused(tmp_path: Path, kept: str, missing: str) -> None:
    rises = [rise for rise in RISES if rise.verdict == kept]
    with pytest.raises(UsageError, match=f"none of the 2 marked events with recorded scores is marked {missing}"):
        tuned(scored(tmp_path, rises))


def test_as_configured_each_camera_and_definition_has_its_own_values(tmp_path: Path) -> None:
    cameras = {
        "front": {"source": "0", "definitions": [{"text": "a fire", "open": 0.68}]},
        "yard": {"source": "1", "alerts": {"cooldown": 0}},
        "gate": {"source": "2"},
    }
    config = from_mapping({**PLAIN, "scorer": {"kind": "recorded", "responses": "x"}, "cameras": cameras})
    found = tuned(scored(tmp_path, RISES), config)
    assert found.now.told.tolist() == [True, True, True, False]
    assert own_values(config) == ["front", "yard"]


def test_a_recording_given_in_pieces_that_overlap_is_refused(tmp_path: Path) -> None:
    scores, twice = tmp_path / "scores.jsonl", tmp_path / "twice.jsonl"
    text = write_recording(scores, RISES).read_text()
    twice.write_text(text + text)
    with pytest.raises(UsageError, match="give each recording as it was written, once"):
        tuned(read_marked_scores(write_marks(tmp_path / "marks.jsonl", RISES), [twice]))


def test_what_was_chosen_is_a_file_that_watch_takes_and_says_what_it_is_worth(tmp_path: Path) -> None:
    scores = scored(tmp_path, RISES)
    found = tuned(scores, from_mapping({}))
    path = tmp_path / "tuned.yaml"
    path.write_text(configuration(scores, found, {"marks": "marks.jsonl (sha256 ab)"}, figures(scores, found)))
    defaults = load(path).defaults
    assert (defaults.alerts, defaults.smoothing) == (found.way.alerts, found.way.smoothing)
    assert (defaults.cleaning.memory, defaults.cleaning.meaning) == ("off", False)
    text = path.read_text()
    text = " ".join(text.replace("\n#", " ").split())
    for told in ("marks.jsonl (sha256 ab)", "objective: keep", "nobody marked what was missed", "too few marks"):
        assert told in text
