"""Chooses thresholds and smoothing by people's marks: of the settings that keep what was right, who tells least wrong.

The recorded scores are pushed through the live timeline and policy again, under each combination of a coarse grid. A
marked event counts as told when an event of the replay overlaps it. Marks are of events that were told: nobody marked
what was missed, so recall is not known, and what other settings tell beyond the marks is neither right nor wrong. Such
events must not become more than they are as configured, nor the time under alert longer: else the search could buy
peace with news of its own, or with a single alert that never ends.

Where there are marks enough, the choice is made once more without each fold's marks, to tell how it does on those it
was not made on: folds of whole days of a camera if there are enough of them, else of single events. Knows no file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.cleaning import Identity
from engine.errors import RuntimeFault, UsageError
from engine.policy import AlertPolicy, Decision, DecisionType, EndReason, PolicySettings
from engine.timeline import CameraTimeline
from engine.types import ScorePoint
from offline_eval.marks import Course, MarkedEvent, MarkedScores
from stream.config import CameraDefaults, WatchConfig
from stream.config.models import AlertsConfig, DefinitionConfig, EwmaConfig
from stream.config.models.timeline import SmoothingConfig

OBJECTIVE = (
    "keep the events that were marked true; of what keeps most of them, tell the fewest that were marked false, with "
    "no more unmarked ones and no more time under alert than as configured; of equals, change least, and take the "
    "middle threshold"
)
ENOUGH_PER_FOLD = 2  # marks of either kind
_TIME_CONSTANTS_S = (1.4, 2.0, 2.8, 4.0)
_OPEN = tuple(round(0.05 * step, 2) for step in range(1, 20))
_MIN_DURATIONS_S = (0.0, 1.0, 2.0, 3.0, 5.0)
_DAY_S = 86_400.0

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Way:
    """One combination: what all cameras would be watched with."""

    smoothing: SmoothingConfig
    alerts: AlertsConfig

    def changes(self, other: Way) -> int:
        """In how many respects it is another."""
        return sum(one != two for one, two in zip(self._respects(), other._respects(), strict=True))

    def alike(self, other: Way) -> bool:
        """Whether they differ by thresholds at most."""
        return self._respects()[1:] == other._respects()[1:]

    def _respects(self) -> tuple[float, SmoothingConfig, float]:
        return self.alerts.open, self.smoothing, self.alerts.min_duration_s


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What a way would have told: which of the marks [M], how many events that nobody marked, and for how long."""

    told: Bools
    unmarked: int
    alerted_s: float  # of all events

    def no_louder(self, other: Tally) -> bool:
        return self.unmarked <= other.unmarked and self.alerted_s <= other.alerted_s


@dataclass(frozen=True, slots=True, eq=False)
class TunedByMarks:
    """`now` is as configured. `out_of_fold` says of each mark whether it is told by what was chosen without it; None
    where there are too few marks."""

    right: Bools  # [M]
    now: Tally
    way: Way  # for use
    chosen: Tally
    better: bool  # whether that is another way than now
    tried: int
    folds: str  # of what, in words
    out_of_fold: Bools | None


def tune_by_marks(
    scores: MarkedScores, config: WatchConfig, folds: int, seed: int, progress: Callable[[str], None]
) -> TunedByMarks:
    """Choose. Raises UsageError where no event, or only ones of one kind, can be learnt from."""
    right = np.array([mark.right for mark in scores.marks], bool)
    for kind, count in (("true", int(right.sum())), ("false", int((~right).sum()))):
        if not count:
            raise UsageError(
                f"none of the {len(right)} marked events with recorded scores is marked {kind}",
                advice="both are needed, with the scores of their time: record with `vigil watch --record`, then mark",
            )
    grid = ways(config.defaults)
    tallies = _tallies(scores, config, grid, progress)
    everything = np.ones(len(right), bool)
    best = choose(grid, tallies, right, everything)
    place, of_what = fold_of_marks(scores.marks, folds, seed)
    held_out = None
    if place is not None:
        held_out = np.zeros(len(right), bool)
        for fold in range(folds):
            own = place == fold
            held_out[own] = tallies[choose(grid, tallies, right, ~own)].told[own]
    return TunedByMarks(right, tallies[0], grid[best], tallies[best], best != 0, len(grid), of_what, held_out)


def ways(defaults: CameraDefaults) -> list[Way]:
    """As configured, and then everything that is tried."""
    now = Way(defaults.smoothing, defaults.alerts)
    smoothings = dict.fromkeys(
        [now.smoothing, *(EwmaConfig.model_validate({"time_constant": each}) for each in _TIME_CONSTANTS_S)]
    )
    durations_s = sorted({now.alerts.min_duration_s, *_MIN_DURATIONS_S})
    opens = sorted({now.alerts.open, *_OPEN})
    others = [
        Way(smoothing, _alerts(now.alerts, opens_at, duration_s))
        for smoothing in smoothings
        for duration_s in durations_s
        if duration_s < now.alerts.max_duration_s
        for opens_at in opens
    ]
    return [now, *(way for way in others if way != now)]


def choose(grid: Sequence[Way], tallies: Sequence[Tally], right: Bools, counted: Bools) -> int:
    """The best way by the marks that count. The first is as configured, and stays unless another one is better."""
    told = np.array([tally.told for tally in tallies]) & counted  # [W, M]
    kept, wrong = told[:, right].sum(1), told[:, ~right].sum(1)
    worst = counted.sum() + 1
    loss = np.where([tally.no_louder(tallies[0]) for tally in tallies], wrong - kept * worst, worst)
    equals = np.flatnonzero(loss == loss.min()).tolist()
    changes = {index: grid[index].changes(grid[0]) for index in equals}
    least = [index for index in equals if changes[index] == min(changes.values())]
    alike = [index for index in least if grid[index].alike(grid[least[0]])]
    return alike[(len(alike) - 1) // 2]


def fold_of_marks(marks: Sequence[MarkedEvent], folds: int, seed: int) -> tuple[Ints | None, str]:
    """Which fold each mark is in, and in words what the folds are of; None where there are too few."""
    right = np.array([mark.right for mark in marks], bool)
    fewest = ENOUGH_PER_FOLD * folds
    if min(right.sum(), (~right).sum()) < fewest:
        return None, f"none: {folds} folds take {fewest} events of either kind"
    rng = np.random.default_rng(seed)
    days = [(mark.camera, mark.start_time // _DAY_S) for mark in marks]
    if min(len({day for day, own in zip(days, kind, strict=True) if own}) for kind in (right, ~right)) >= folds:
        names = sorted(set(days))
        places = dict(zip(names, (rng.permutation(len(names)) % folds).tolist(), strict=True))
        return np.array([places[day] for day in days]), f"{folds} over {len(names)} days of a camera, seed {seed}"
    place = np.zeros(len(marks), np.int64)
    for kind in (right, ~right):
        place[kind] = rng.permutation(int(kind.sum())) % folds
    return (
        place,
        f"{folds} over single events, of too few days, seed {seed}: those of one day are alike, which flatters",
    )


def _alerts(now: AlertsConfig, opens_at: float, min_duration_s: float) -> AlertsConfig:
    """With another threshold, which the two others follow as they do for a definition's own."""
    policy = DefinitionConfig(open=opens_at).policy(now)
    changed = {"open": opens_at, "close": round(policy.close, 3), "alert": round(policy.alert, 3)}
    return AlertsConfig.model_validate(now.model_dump(by_alias=True) | changed | {"min_duration": min_duration_s})


def _tallies(
    scores: MarkedScores, config: WatchConfig, grid: Sequence[Way], progress: Callable[[str], None]
) -> list[Tally]:
    found = {0: _tally(scores.courses, [_points_now(course, config) for course in scores.courses])}
    smoothings = dict.fromkeys(way.smoothing for way in grid)
    for number, smoothing in enumerate(smoothings, start=1):
        progress(f"trying {len(grid)} ways to smooth and alert, part {number} of {len(smoothings)}")
        points = [score_points(course, smoothing) for course in scores.courses]
        for index, way in enumerate(grid[1:], start=1):
            if way.smoothing == smoothing:
                policy = way.alerts.policy()
                found[index] = _tally(scores.courses, [(each, policy) for each in points])
    return [found[index] for index in range(len(grid))]


def _points_now(course: Course, config: WatchConfig) -> tuple[list[ScorePoint], PolicySettings]:
    """With what the course's own camera and definition have."""
    camera = config.cameras.get(course.camera, config.defaults)
    policies = {definition.name: policy for definition, policy in camera.policies().items()}
    first = next(iter(policies.values()))
    policy = first if course.definition is None else policies.get(course.definition, camera.alerts.policy())
    return score_points(course, camera.smoothing), policy


def score_points(course: Course, smoothing: SmoothingConfig) -> list[ScorePoint]:
    """As the live timeline makes them."""
    timeline = CameraTimeline(course.camera, Identity(), smoothing.smoother(), history=1)
    try:
        return [timeline.push(window, judgement) for window, judgement in course.windows]
    except RuntimeFault as error:
        raise UsageError(error.message, advice="give each recording as it was written, once") from error


def events_of(points: Sequence[ScorePoint], settings: PolicySettings) -> list[tuple[float, float]]:
    """From when to when each event lasts that the live policy makes of these."""
    policy = AlertPolicy("", settings, str)
    events: list[tuple[float, float]] = []

    def take(decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if decision.type is DecisionType.NEW:
                policy.delivered(decision.event_id, decision.point.time_s)
            elif decision.type is DecisionType.END and decision.end_time_s is not None:
                events.append((decision.start_time_s, decision.end_time_s))

    for point in points:
        take(policy.push(point))
    take(policy.finish(EndReason.SOURCE_ENDED))
    return events


def _tally(courses: Sequence[Course], watched: Sequence[tuple[Sequence[ScorePoint], PolicySettings]]) -> Tally:
    told: list[Bools] = [np.zeros(0, bool)]
    unmarked, alerted_s = 0, 0.0
    for course, (points, policy) in zip(courses, watched, strict=True):
        starts, ends = np.array(events_of(points, policy)).reshape(-1, 2).T  # each [E]
        marks = np.array([(mark.start_time, mark.until) for mark in course.marks]).reshape(-1, 2)
        overlaps: Bools = (starts < marks[:, 1:]) & (ends > marks[:, :1])  # [M, E]
        told.append(overlaps.max(axis=1, initial=False))
        unmarked += int((~overlaps.max(axis=0, initial=False)).sum())
        alerted_s += float((ends - starts).sum())
    return Tally(np.concatenate(told), unmarked, alerted_s)
