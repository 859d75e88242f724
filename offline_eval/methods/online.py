"""The live engine on recorded responses: the objects of `vigil watch`, in its order, nothing that looks ahead.

Each segment is a window whose judgement exists from its last frame on: that is when the timeline gets it, and from
when its score counts, until the next one. Frames before the first score are unknown. Alerts are the policy's own
decisions, each told at the frame whose score made it. Knows no data set and no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from engine.cleaning import Cleaner, Identity
from engine.meaning import Meaning, MeaningSettings, Scenes, TextEncoder
from engine.policy import AlertPolicy, Decision, DecisionType, EndReason, PolicySettings
from engine.smoothing import Ewma, Smoother
from engine.timeline import CameraTimeline, WindowMeta
from engine.types import ScorePoint
from offline_eval.datasets.base import Video
from offline_eval.methods.corevad import segments
from offline_eval.metrics.alerts import Alert, Alerted
from offline_eval.metrics.tracks import Floats, Track
from offline_eval.responses import judgement_of

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
        open=0.171, close=0.051, alert=0.342, min_duration_s=3.0, close_hold_s=15.0, merge_gap_s=10.0, cooldown_s=60.0
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
    video: Video, responses: Sequence[str], cleaner: Cleaner, smoother: Smoother, fps: float
) -> list[ScorePoint]:
    """One per segment, as the live timeline makes them."""
    timeline = CameraTimeline(video.name, cleaner, smoother, history=1)
    points = []
    for index, (start, end) in enumerate(segments(video.known_frame_count())):
        time_s = (end - 1) / fps  # of its last frame
        window = WindowMeta(video.name, 0, index, pts_s=time_s, time_s=time_s, length_s=time_s - start / fps)
        points.append(timeline.push(window, judgement_of(responses[index])))
    return points


def decide_alerts(video: Video, points: Iterable[ScorePoint], settings: PolicySettings, fps: float) -> Alerted:
    """The alerts that the live policy makes of the points, each delivered as soon as it is decided."""
    policy = AlertPolicy(video.name, settings, lambda time_s: f"{time_s:.3f}")
    alerts: list[Alert] = []
    told = 0

    def take(decisions: Iterable[Decision]) -> None:
        nonlocal told
        for decision in decisions:
            if decision.type is DecisionType.NEW:
                told = _frame(decision.point.time_s, fps)
                policy.delivered(decision.event_id, decision.point.time_s)
            elif decision.type is DecisionType.END and decision.end_time_s is not None:
                start, end = _frame(decision.start_time_s, fps), _frame(decision.end_time_s, fps) + 1
                alerts.append(Alert(start, end, told, decision.top_score))

    for point in points:
        take(policy.push(point))
    take(policy.finish(EndReason.SOURCE_ENDED))
    return Alerted(video, tuple(alerts))


def track(video: Video, scores: Iterable[float | None]) -> Track:
    """A score per segment, from the segment's last frame until the next score; unknown before the first."""
    frames = video.known_frame_count()
    known_from = [0, *(end - 1 for _, end in segments(frames))]
    return _track(video, [None, *scores], np.diff(known_from, append=frames))


def track_of_own_segments(video: Video, scores: Iterable[float | None]) -> Track:
    """A score per segment for the segment's own frames, as papers count it: live, most come before their score."""
    return _track(video, scores, np.array([end - start for start, end in segments(video.known_frame_count())]))


def _track(video: Video, scores: Iterable[float | None], lengths: Floats | np.ndarray) -> Track:
    values = np.array([np.nan if score is None else score for score in scores], float)
    there = np.asarray(lengths) > 0  # a first segment of one frame has nothing before it
    return Track(video, values[there], np.asarray(lengths)[there].astype(np.int64))


def _frame(time_s: float, fps: float) -> int:
    return round(time_s * fps)
