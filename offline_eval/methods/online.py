"""The live engine on recorded judgements: the objects of `vigil watch`, in its order, nothing that looks ahead.

A judgement exists from the last frame on that its window shows: that is when the timeline gets it, and from when its
score counts, until the next one. Frames before the first score are unknown. Alerts are the policy's own decisions,
each told at the frame whose score made it. Times are the video's own; which frame a time is follows from the windows,
whose frames are known. Knows no data set and no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from engine.cleaning import Cleaner, Identity
from engine.encoder import TextEncoder
from engine.meaning import Meaning, MeaningSettings, Scenes
from engine.policy import AlertPolicy, Decision, DecisionType, EndReason, PolicySettings
from engine.smoothing import Ewma, Smoother
from engine.timeline import CameraTimeline
from engine.types import ScorePoint
from offline_eval.datasets.base import Video
from offline_eval.metrics.alerts import Alert, Alerted
from offline_eval.metrics.tracks import Track
from offline_eval.said import JudgedWindow

MakeCleaner = Callable[[], Cleaner]
MakeSmoother = Callable[[], Smoother]


@dataclass(frozen=True, slots=True)
class OnlineSettings:
    """What a camera's configuration says. Without `meaning` a judgement is its verdict, 0 or 1."""

    meaning: MeaningSettings | None
    smoother: MakeSmoother
    smoothing: str  # the smoother in words
    policy: PolicySettings


def ewma_settings(meaning: MeaningSettings | None, time_constant_s: float, policy: PolicySettings) -> OnlineSettings:
    return OnlineSettings(meaning, partial(Ewma, time_constant_s), f"ewma, {time_constant_s:g} s", policy)


# Chosen by `vigil replay tune` on the published responses for 145 videos of UCF-Crime: see docs/evaluation.md.
WITH_MEANING = ewma_settings(
    MeaningSettings(),
    2.0,
    PolicySettings(
        open=0.13, close=0.013, alert=0.195, min_duration_s=2.0, close_hold_s=15.0, merge_gap_s=30.0, cooldown_s=120.0
    ),
)
VERDICTS_ONLY = ewma_settings(
    None,
    1.4,
    PolicySettings(
        open=0.54, close=0.378, alert=1.0, min_duration_s=4.0, close_hold_s=10.0, merge_gap_s=30.0, cooldown_s=10.0
    ),
)


def make_cleaners(meaning: MeaningSettings | None, encoder: TextEncoder | None) -> MakeCleaner:
    """How each camera gets its cleaner. The scenes are embedded once, for all cameras."""
    if meaning is None or encoder is None:
        return Identity
    scenes = Scenes.of(encoder)
    return lambda: Meaning(encoder, scenes, meaning)


def score_points(
    video: Video, windows: Iterable[JudgedWindow], cleaner: Cleaner, smoother: Smoother
) -> list[ScorePoint]:
    """One per window, as the live timeline makes them."""
    timeline = CameraTimeline(video.name, cleaner, smoother, history=1)
    return [timeline.push(each.window, each.judgement) for each in windows]


def decide_alerts(
    video: Video, windows: Sequence[JudgedWindow], points: Iterable[ScorePoint], settings: PolicySettings
) -> Alerted:
    """The alerts that the live policy makes of the windows' points, each delivered as soon as it is decided."""
    policy = AlertPolicy(video.name, settings, lambda time_s: f"{time_s:.3f}")
    times_s, frames = [0.0, *(each.window.time_s for each in windows)], [0, *(each.frame for each in windows)]
    alerts: list[Alert] = []
    told = 0

    def frame(time_s: float) -> int:
        return round(float(np.interp(time_s, times_s, frames)))

    def take(decisions: Iterable[Decision]) -> None:
        nonlocal told
        for decision in decisions:
            if decision.type is DecisionType.NEW:
                told = frame(decision.point.time_s)
                policy.delivered(decision.event_id, decision.point.time_s)
            elif decision.type is DecisionType.END and decision.end_time_s is not None:
                # The first window of an event may reach back into the event before.
                start = max(frame(decision.start_time_s), alerts[-1].end if alerts else 0)
                end = max(frame(decision.end_time_s), start) + 1
                alerts.append(Alert(start, end, max(told, start), decision.top_score))

    for point in points:
        take(policy.push(point))
    take(policy.finish(EndReason.SOURCE_ENDED))
    return Alerted(video, tuple(alerts))


def track(video: Video, windows: Iterable[JudgedWindow], scores: Iterable[float | None]) -> Track:
    """A score per window, from the window's last frame until the next score; unknown before the first."""
    known_from = [0, *(each.frame for each in windows)]
    return _track(video, [None, *scores], known_from)


def track_of_own_windows(video: Video, windows: Iterable[JudgedWindow], scores: Iterable[float | None]) -> Track:
    """A score per window for the frames since the window before, as papers count it: live, most of them come before
    their score. Frames after the last window are unknown."""
    begins = [0, *(each.frame + 1 for each in windows)]
    return _track(video, [*scores, None], begins)


def _track(video: Video, scores: Iterable[float | None], begins: Sequence[int]) -> Track:
    values = np.array([np.nan if score is None else score for score in scores], float)
    lengths = np.diff(begins, append=video.known_frame_count()).astype(np.int64)
    there = lengths > 0  # a first window of one frame has nothing before it
    return Track(video, values[there], lengths[there])
