"""Chooses the online method's parameters and says honestly how good they are: on videos they were not chosen on.

k-fold over videos. For each fold, what the other folds like best scores the fold's videos; the figures of all videos
scored so are out of fold. Then the choice is made once more on all videos: those values are for use, and their own
figures on these videos would flatter them. Two searches follow one another, each over random combinations of a coarse
grid: how scores are made, by frame figures; then when they alert, by event figures. Nothing is fitted to labels but
the choice itself. What is compared is the mean over resamples of the videos that choose, so that a combination which
happens to suit these very videos, or only just keeps the budget, is worth less than one that does so dependably.

Each fold's choice has a scale of its own, so out of fold a score stands for its rank among the scores that the same
choice gives the videos it was made on. That changes no order within a fold, and takes no label. Knows no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from engine.encoder import TextEncoder
from engine.errors import UsageError
from engine.meaning import MeaningSettings
from engine.policy import PolicySettings
from engine.types import ScorePoint
from offline_eval.datasets import Video
from offline_eval.methods.online import (
    OnlineSettings,
    decide_alerts,
    ewma_settings,
    make_cleaners,
    score_points,
    track,
)
from offline_eval.metrics import Alerted
from offline_eval.metrics.events import event_figures
from offline_eval.metrics.frames import frame_figures
from offline_eval.metrics.tracks import Figures, Floats, Ints
from offline_eval.said import SaidOf

FALSE_ALARMS_PER_HOUR = 7.0  # the budget of the search: on videos that did not choose there are more
DELAY_S = 2.5
RESAMPLES = 40
OBJECTIVE = (
    "scores: roc_auc + within_video_auc / 4; alerts: event_recall_in_time - normal_time_alerted / 2, less 0.05 for "
    f"each false alarm per hour above {FALSE_ALARMS_PER_HOUR:g} and 0.1 for each second of median delay above "
    f"{DELAY_S:g}; each the mean over {RESAMPLES} resamples of the videos that choose"
)

_SMOOTHING: Mapping[str, Sequence[float]] = {"time_constant_s": (1.4, 2.0, 2.8, 3.5)}
PARTS: Mapping[str, Mapping[str, Sequence[float]]] = {
    "meaning": {"slope": (2.5, 4.0), "offset": (0.5, 1.0)},
    "change": {"change_weight": (0.25, 0.4, 0.55, 0.7)},
    "scene": {"scene_weight": (0.03, 0.06, 0.1)},
    "memory": {"temperature": (0.1, 0.14), "memory_windows": (60,)},
}
"""What meaning is made of: each part can be left out to see what it is worth."""

_WITHOUT = MeaningSettings(slope=0.0, offset=5.0, change_weight=0.0, scene_weight=0.0, memory_windows=1)
_POLICY: Mapping[str, Sequence[float]] = {
    "min_duration_s": (0.0, 1.0, 2.0, 3.0, 4.0, 6.0),
    "close_hold_s": (2.0, 5.0, 10.0, 15.0, 30.0),
    "merge_gap_s": (3.0, 10.0, 20.0, 30.0),
    "cooldown_s": (0.0, 10.0, 30.0, 60.0, 120.0),
}
_OPEN = (0.05, 0.7)  # drawn evenly on a logarithmic scale
_CLOSE_SHARES = (0.1, 0.2, 0.3, 0.5, 0.7)
_ALERT_FACTORS = (1.2, 1.5, 2.0, 3.0)
SEARCHED = ("open", "close", "alert", *_POLICY)
"""What of a policy is searched; the rest stays at its defaults."""

_Tried = TypeVar("_Tried")
Points = Sequence[ScorePoint]


@dataclass(frozen=True, slots=True)
class Search:
    """How the search is done: `parts` are those of `PARTS` to use; with none a score is the smoothed verdict."""

    parts: tuple[str, ...] = tuple(PARTS)
    folds: int = 5
    scorings: int = 80  # combinations tried
    policies: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown:
            raise UsageError(f"no part is called {unknown[0]!r}", advice=f"there are {', '.join(PARTS)}")
        if self.folds < 2 or self.scorings < 1 or self.policies < 1:
            raise UsageError("a search needs two folds or more, and something to try")


@dataclass(frozen=True, slots=True)
class _Scoring:
    """One combination of how scores are made."""

    meaning: MeaningSettings | None
    time_constant_s: float

    def settings(self, policy: PolicySettings) -> OnlineSettings:
        return ewma_settings(self.meaning, self.time_constant_s, policy)


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """One video as scored by what was chosen without it. Scores are ranks, 0 to 1, of points and of alerts alike."""

    video: Video
    points: Points
    alerted: Alerted


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """`chosen` is for use. `out_of_fold` is in the order of the videos; `folds` says which fold each was in."""

    chosen: OnlineSettings
    time_constant_s: float  # of `chosen`
    per_fold: tuple[OnlineSettings, ...]
    out_of_fold: tuple[OutOfFold, ...]
    folds: Ints
    spread: Figures  # each [k]: the figures of every fold's own videos, out of fold


def tune(
    videos: Sequence[Video],
    said: SaidOf,
    encoder: TextEncoder | None,
    fps: float,
    search: Search,
    progress: Callable[[str], None] = lambda _text: None,
) -> Tuned:
    """Choose. Raises UsageError for parts without an encoder, and for fewer videos than folds."""
    if search.parts and encoder is None:
        raise UsageError("meaning needs sentence vectors", advice="give --vectors, or tune without parts")
    if len(videos) < search.folds:
        raise UsageError(f"{len(videos)} videos make no {search.folds} folds", advice="choose fewer folds")
    rng = np.random.default_rng(search.seed)
    folds = stratified_folds(videos, search.folds, rng)
    choosers = [folds != fold for fold in range(search.folds)] + [np.ones(len(videos), bool)]
    resampled = [rng.multinomial(each.sum(), each / each.sum(), RESAMPLES) for each in choosers]
    bench = _Bench(videos, said, encoder, fps, np.vstack(resampled).astype(float))

    scorings = list(dict.fromkeys(_draw_scoring(rng, search.parts) for _ in range(search.scorings)))
    policies = [_draw_policy(rng) for _ in range(search.policies)]
    progress(f"trying {len(scorings)} ways to score")
    best = _best(scorings, bench.worth_of_scoring)
    points: dict[_Scoring, list[Points]] = {}
    picked: dict[_Scoring, list[PolicySettings]] = {}
    for scoring in dict.fromkeys(best):
        progress(f"trying {len(policies)} ways to alert on choice {len(points) + 1} of {len(set(best))}")
        points[scoring] = bench.points(scoring)
        picked[scoring] = _best(policies, partial(bench.worth_of_policy, points[scoring]))
    chosen = [(scoring, picked[scoring][row]) for row, scoring in enumerate(best)]

    held_out: dict[int, OutOfFold] = {}
    for fold, (scoring, policy) in enumerate(chosen[:-1]):
        scale = _Scale(point for index in np.flatnonzero(folds != fold) for point in points[scoring][index])
        for index in np.flatnonzero(folds == fold).tolist():
            video, found = videos[index], points[scoring][index]
            alerted = decide_alerts(video, said[video.name].windows, found, policy)
            held_out[index] = scale.ranked(video, found, alerted)
    out_of_fold = tuple(held_out[index] for index in range(len(videos)))
    settings = tuple(scoring.settings(policy) for scoring, policy in chosen)
    spread = _spread(out_of_fold, said, folds, fps)
    return Tuned(settings[-1], best[-1].time_constant_s, settings[:-1], out_of_fold, folds, spread)


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """Tries things on all videos and says what each is worth to everyone who chooses.

    `chooses` [(k + 1) * RESAMPLES, V] is how often each video counts: resamples of the videos outside of each fold,
    then of all.
    """

    videos: Sequence[Video]
    said: SaidOf
    encoder: TextEncoder | None
    fps: float
    chooses: Floats

    def points(self, scoring: _Scoring) -> list[Points]:
        cleaner = make_cleaners(scoring.meaning, self.encoder)
        smoother = scoring.settings(PolicySettings()).smoother
        return [score_points(video, self.said[video.name].windows, cleaner(), smoother()) for video in self.videos]

    def worth_of_scoring(self, scoring: _Scoring) -> Floats:
        pairs = zip(self.videos, self.points(scoring), strict=True)
        tracks = [
            track(video, self.said[video.name].windows, [point.score for point in points]) for video, points in pairs
        ]
        figures = frame_figures(tracks, self.chooses)
        return figures["roc_auc"] + figures["within_video_auc"] / 4

    def worth_of_policy(self, points: Sequence[Points], policy: PolicySettings) -> Floats:
        pairs = zip(self.videos, points, strict=True)
        alerted = [decide_alerts(video, self.said[video.name].windows, each, policy) for video, each in pairs]
        found = {name: np.nan_to_num(values) for name, values in event_figures(alerted, self.fps, self.chooses).items()}
        return (
            found["event_recall_in_time"]
            - found["normal_time_alerted"] / 2
            - 0.05 * (found["false_alarms_per_hour"] - FALSE_ALARMS_PER_HOUR).clip(min=0)
            - 0.1 * (found["delay_median_s"] - DELAY_S).clip(min=0)
        )


class _Scale:
    """The rank of a score among the known ones of some points."""

    def __init__(self, points: Iterable[ScorePoint]) -> None:
        self._scores = np.sort([point.score for point in points if point.score is not None])
        self._ranks = np.linspace(0, 1, len(self._scores))

    def ranked(self, video: Video, points: Points, alerted: Alerted) -> OutOfFold:
        on_scale = [point if point.score is None else replace(point, score=self._rank(point.score)) for point in points]
        alerts = tuple(replace(alert, score=self._rank(alert.score)) for alert in alerted.alerts)
        return OutOfFold(video, on_scale, Alerted(video, alerts))

    def _rank(self, score: float) -> float:
        return float(np.interp(score, self._scores, self._ranks))


def stratified_folds(videos: Sequence[Video], folds: int, rng: np.random.Generator) -> Ints:
    """Which fold each video is in [V]: shuffled within its category, then dealt out one by one."""
    place = np.zeros(len(videos), np.int64)
    by_category = sorted(rng.permutation(len(videos)), key=lambda index: videos[index].categories)
    for turn, index in enumerate(by_category):
        place[index] = turn % folds
    return place


def _draw_scoring(rng: np.random.Generator, parts: Sequence[str]) -> _Scoring:
    grids = [PARTS[part] for part in PARTS if part in parts] + [_SMOOTHING]
    values: dict[str, Any] = {name: each[int(rng.integers(len(each)))] for grid in grids for name, each in grid.items()}
    time_constant_s = values.pop("time_constant_s")
    return _Scoring(replace(_WITHOUT, **values) if parts else None, time_constant_s)


def _draw_policy(rng: np.random.Generator) -> PolicySettings:
    low, high = np.log(_OPEN)
    opens = round(float(np.exp(rng.uniform(low, high))), 3)
    close = round(opens * float(rng.choice(_CLOSE_SHARES)), 3)
    alert = min(1.0, round(opens * float(rng.choice(_ALERT_FACTORS)), 3))
    times: dict[str, Any] = {name: float(rng.choice(values)) for name, values in _POLICY.items()}
    return PolicySettings(open=opens, close=close, alert=alert, **times)


def _best(tried: Sequence[_Tried], worth: Callable[[_Tried], Floats]) -> list[_Tried]:
    """For each who chooses, what is worth most to them; the earlier one among equals. Undefined is worth nothing."""
    worths = np.array([np.nan_to_num(worth(each)).reshape(-1, RESAMPLES).mean(1) for each in tried])  # [T, k + 1]
    return [tried[index] for index in worths.argmax(0)]


def _spread(held_out: Sequence[OutOfFold], said: SaidOf, folds: Ints, fps: float) -> Figures:
    own = np.vstack([folds == fold for fold in range(int(folds.max()) + 1)]).astype(float)
    tracks = [
        track(each.video, said[each.video.name].windows, [point.score for point in each.points]) for each in held_out
    ]
    return frame_figures(tracks, own) | event_figures([each.alerted for each in held_out], fps, own)
