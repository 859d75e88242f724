"""Methods as a replay runs them: one video's responses in, its scores, alerts and remarks out. Opens no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from engine.errors import UsageError
from engine.meaning import TextEncoder
from engine.types import ScorePoint
from offline_eval.datasets.base import Video
from offline_eval.methods import METHODS, Recorded, corevad
from offline_eval.methods.online import (
    OnlineSettings,
    decide_alerts,
    make_cleaners,
    score_points,
    track,
    track_of_own_segments,
)
from offline_eval.metrics import Alerted, Thresholds, Track, draw_alerts
from offline_eval.report import Remark, VideoReport

ONLINE = "online"
NAMES = (ONLINE, *METHODS)


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """One video's report, and other ways of scoring the same video: their figures stand beside, by name."""

    report: VideoReport
    beside: Mapping[str, Track]


@dataclass(frozen=True, slots=True)
class About:
    """What a reader of a method's figures has to know."""

    method: str
    stage: str  # what its final scores are called among the stages
    settings: Mapping[str, str]
    quirks: tuple[str, ...]
    merge_gap_s: float  # within which stretches of high scores are one alert in the operating curve
    open_threshold: float | None = None  # where alerts open, when one threshold says it


@dataclass(frozen=True, slots=True)
class Procedure:
    """A method: what it does with one video's responses."""

    about: About
    replay: Callable[[Video, Sequence[str]], Replayed]


_STAGES = {
    "raw_labels": corevad.raw_labels,
    "gaussian_9_5": corevad.gaussian,
    "gaussian_9_5_position_prior": corevad.gaussian_and_prior,
}
_STAGE_OF = {
    "corevad-raw": "raw_labels",
    "corevad-gaussian": "gaussian_9_5",
    "corevad": "gaussian_9_5_position_prior",
    "corevad-ewma": f"causal_ewma_{corevad.EWMA_ALPHA:g}",
}
_PUBLISHED_QUIRKS = (
    "Offline: the Gaussian looks some seconds ahead and the position prior needs the video's length, so these scores "
    "cannot be had live; delays are those of alerts drawn afterwards.",
    "The smoothing kernel is lopsided (-5 to 4 segments) and zero padded, and a video of fewer than 9 segments is "
    "smoothed as if it had 9.",
    "The position prior alone, on a constant score, already ranks frames better than chance.",
    "Segments are 30 frames whatever the frame rate, and a response without a verdict counts as normal.",
    "The published responses were cleaned with CLIP before; refinement with CLIP is part of -refined and -full only.",
)


def published(name: str, fps: float) -> Procedure:
    """A published method, with all stages of it beside. Raises UsageError for an unknown one."""
    if name not in METHODS:
        raise UsageError(f"no method is called {name!r}", advice=f"there are {', '.join(NAMES)}")
    thresholds = Thresholds(told_after=corevad.SEGMENT_FRAMES)
    others = {**_STAGES, _STAGE_OF["corevad-ewma"]: corevad.ewma} if name == "corevad" else {}
    stage = _STAGE_OF.get(name, name)

    def replay(video: Video, responses: Sequence[str]) -> Replayed:
        recorded = Recorded(video.name, tuple(responses), video.known_frame_count())
        final = Track.of_frames(video, METHODS[name](recorded))
        beside = {key: Track.of_frames(video, scores(recorded)) for key, scores in others.items() if key != stage}
        stages = {key: each for key, each in beside.items() if key in _STAGES}
        return Replayed(
            VideoReport(final, draw_alerts(final, fps, thresholds), stages, _remarks(video, responses)), beside
        )

    settings = {
        "scores": f"{name}, as published",
        "alerts": f"open {thresholds.open:g}, close {thresholds.close:g}, merged within {thresholds.merge_gap_s:g} s, "
        f"told {thresholds.told_after} frames after a segment begins",
        "parameters": "the published ones; alert thresholds are customary values, chosen on nothing",
    }
    about = About(name, stage, settings, _PUBLISHED_QUIRKS, thresholds.merge_gap_s, thresholds.open)
    return Procedure(about, replay)


def online(settings: OnlineSettings, encoder: TextEncoder | None, fps: float, chosen: str) -> Procedure:
    """The live engine. `chosen` says how its parameters were."""
    new_cleaner = make_cleaners(settings.meaning, encoder)

    def replay(video: Video, responses: Sequence[str]) -> Replayed:
        points = score_points(video, responses, new_cleaner(), settings.smoother(), fps)
        return online_replayed(video, responses, points, decide_alerts(video, points, settings.policy, fps))

    words = describe(settings) | {"parameters": chosen}
    about = online_about(words, settings.policy.merge_gap_s, open_threshold=settings.policy.open)
    return Procedure(about, replay)


def online_about(
    settings: Mapping[str, str], merge_gap_s: float, *, name: str = ONLINE, open_threshold: float | None = None
) -> About:
    return About(name, "smoothed", settings, ONLINE_QUIRKS, merge_gap_s, open_threshold)


ONLINE_QUIRKS = (
    "A score counts from the last frame of its segment until the next score: a second's delay that papers do not "
    "count. The stage smoothed_on_own_segments counts as they do.",
    "Frames before a video's first score are unknown and left out of the frame figures.",
    "The published responses were cleaned over a segment's neighbours, the next one included, before they were "
    "recorded: everything after that is causal, that step was not.",
    "An alert that is open when an event begins has no delay, so read the delays beside the share of normal time "
    "that is under alert.",
)


def online_replayed(video: Video, responses: Sequence[str], points: Sequence[ScorePoint], alerted: Alerted) -> Replayed:
    """The report of one video, from what the engine made of it."""
    scores = [point.score for point in points]
    beside = {
        "verdicts": track(video, [point.raw for point in points]),
        "weighed": track(video, [point.cleaned for point in points]),
        "smoothed_on_own_segments": track_of_own_segments(video, scores),
    }
    changed = any(point.raw != point.cleaned for point in points)
    stages = {name: beside[name] for name in (("verdicts", "weighed") if changed else ("verdicts",))}
    return Replayed(VideoReport(track(video, scores), alerted, stages, _remarks(video, responses)), beside)


def describe(settings: OnlineSettings) -> dict[str, str]:
    """The settings in words."""
    return {
        "scores": "verdicts weighed by meaning" if settings.meaning else "verdicts, 0 or 1",
        "meaning": _words(settings.meaning) if settings.meaning else "none",
        "smoothing": settings.smoothing,
        "alerts": _words(settings.policy),
    }


def _words(settings: object) -> str:
    names = getattr(type(settings), "__slots__", ())
    return ", ".join(f"{name} {getattr(settings, name)}" for name in names)


def _remarks(video: Video, responses: Sequence[str]) -> tuple[Remark, ...]:
    """Responses with their frames; the same thing said again and again is one remark."""
    said = zip(corevad.segments(video.known_frame_count()), responses, strict=False)
    remarks = []
    for text, group in groupby(said, key=lambda each: each[1]):
        spans = [span for span, _ in group]
        remarks.append(Remark(spans[0][0], spans[-1][1], text))
    return tuple(remarks)
