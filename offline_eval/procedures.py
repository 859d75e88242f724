"""Methods as a replay runs them: what was said of a video in, its scores, alerts and remarks out. Opens no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from engine.encoder import TextEncoder
from engine.errors import UsageError
from engine.types import ScorePoint
from offline_eval.datasets.base import Video
from offline_eval.methods import METHODS, Recorded, Vectors, corevad, vera
from offline_eval.methods.online import (
    MakeCleaner,
    OnlineSettings,
    decide_alerts,
    make_cleaners,
    score_points,
    track,
    track_of_own_windows,
)
from offline_eval.metrics import Alerted, Thresholds, Track, draw_alerts
from offline_eval.report import Remark, VideoReport
from offline_eval.said import JudgedWindow, Said

ONLINE = "online"
VERA = tuple(vera.METHODS)


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
    """A method: what it does with what was said of one video. Raises UsageError for what it can do nothing with."""

    about: About
    replay: Callable[[Video, Said], Replayed]


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
    "corevad-refined": "refined_gaussian_9_5_position_prior",
    "corevad-full": "cleaned_refined_gaussian_9_5_position_prior",
}
_BY_LOOKS = ("corevad-refined", "corevad-full")  # these compare pictures with sentences
COREVAD = tuple(_STAGE_OF)
METHOD_NAMES = (ONLINE, *COREVAD, *VERA)
_PUBLISHED_QUIRKS = (
    "Offline: the Gaussian looks some seconds ahead and the position prior needs the video's length, so these scores "
    "cannot be had live; delays are those of alerts drawn afterwards.",
    "The smoothing kernel is lopsided (-5 to 4 segments) and zero padded, and a video of fewer than 9 segments is "
    "smoothed as if it had 9.",
    "The position prior alone, on a constant score, already ranks frames better than chance.",
    "Segments are 30 frames whatever the frame rate, and a response without a verdict counts as normal.",
)
_NO_CLIP = "Cleaning and refinement with CLIP are left out."
_CLIP = {
    "corevad-refined": "Responses are taken as cleaned already: they are refined, and cleaned no more.",
    "corevad-full": "Responses are taken as the model's own: those that were cleaned already would be cleaned twice. "
    "The refinement looks at the whole video.",
}


def check_method(name: str) -> None:
    """Raise UsageError for one that is unknown."""
    if name not in METHOD_NAMES:
        raise UsageError(f"no method is called {name!r}", advice=f"there are {', '.join(METHOD_NAMES)}")


def published(name: str, fps: float, looks: Mapping[str, Vectors] | None = None) -> Procedure:
    """A published method, with all stages of it beside. With vectors by video, `corevad` cleans and refines as well.

    Raises UsageError for an unknown one, and for one that needs vectors or has no use for them.
    """
    check_method(name)
    thresholds = Thresholds(told_after=corevad.SEGMENT_FRAMES)
    runs = "corevad-full" if name == "corevad" and looks else name
    if (runs in _BY_LOOKS) != bool(looks):
        raise UsageError(
            f"{name} {'has no use for' if looks else 'needs'} CLIP's features",
            advice="leave --features out" if looks else "give --features and --vectors, or choose corevad",
        )
    others = (
        {**_STAGES, _STAGE_OF["corevad-ewma"]: corevad.ewma} if name == "corevad" else dict(_STAGES) if looks else {}
    )
    stage = _STAGE_OF[runs]

    def replay(video: Video, said: Said) -> Replayed:
        if not said.texts:
            raise UsageError(
                f"{name} needs a verdict on every segment of 30 frames, which was not recorded of {video.name}",
                advice=f"judge the videos with --method {name}, or evaluate with --method {ONLINE}",
            )
        vectors = looks[video.name] if looks else None
        recorded = Recorded(video.name, said.texts, video.known_frame_count(), vectors)
        final = Track.of_frames(video, METHODS[runs](recorded))
        beside = {key: Track.of_frames(video, scores(recorded)) for key, scores in others.items() if key != stage}
        stages = {key: each for key, each in beside.items() if key in _STAGES}
        return Replayed(VideoReport(final, draw_alerts(final, fps, thresholds), stages, _remarks(video, said)), beside)

    settings = _published_settings(name, thresholds)
    quirks = (*_PUBLISHED_QUIRKS, _CLIP.get(runs, _NO_CLIP))
    about = About(name, stage, settings, quirks, thresholds.merge_gap_s, thresholds.open)
    return Procedure(about, replay)


_VERA_QUIRKS = (
    "Offline: a window shows 150 frames of its centre's future, the context is looked for in the whole video, the "
    "Gaussian looks ahead and the position prior needs the video's length, so these scores cannot be had live; delays "
    "are those of alerts drawn afterwards.",
    "Windows are 300 frames around every 16th, which is 10 s only at 30 frames per second.",
    "Up to 6 centres (10 for vera-xd-auc) all of a video is a centre's context, from there to 13 only the centre.",
    "The smoothing kernel is lopsided (-8 to 7 centres) and zero padded, and a video of fewer than 15 centres is "
    "smoothed as if it had 15.",
    "An unknown centre counts as the one before it; the published answers have none, as whatever held no 0 was a 1.",
    "VERA's authors print the trapezoid PR-AUC for average precision: theirs compares with trapezoid_pr_auc.",
)
_PRIOR_QUIRK = "The position prior alone, on a constant score, already ranks frames better than chance."
_SIGMOID_QUIRK = (
    "Scores end as 0.5, 0.6 or 0.7: they pass a sigmoid and are rounded to 0.1. A video's last frame, and those beyond "
    "a multiple of 16, are left out of all figures."
)


def offline_vera(name: str, fps: float) -> Procedure:
    """VERA in one of its published protocols, with the rows of its ablation beside."""
    usual = Thresholds(told_after=vera.REACH_FRAMES)
    if name == "vera-xd-ap":
        stage, quirk = vera.SIGMOID, _SIGMOID_QUIRK
        opened, closed = vera.rounded(vera.sigmoid(np.array([usual.open, usual.close]))).tolist()
        thresholds = replace(usual, open=opened, close=closed)
    else:
        stage, quirk, thresholds = vera.PRIOR, _PRIOR_QUIRK, usual

    def replay(video: Video, said: Said) -> Replayed:
        scores = vera.METHODS[name](vera.initial_of(video, said), video.known_frame_count())
        kept = video.measured(len(scores[stage]))
        beside = {key: Track.of_frames(kept, each) for key, each in scores.items()}
        final = beside.pop(stage)
        alerted = draw_alerts(final, fps, thresholds)
        return Replayed(VideoReport(final, alerted, beside, _remarks(kept, said)), beside)

    about = About(
        name,
        stage,
        _published_settings(name, thresholds),
        (*_VERA_QUIRKS, quirk),
        thresholds.merge_gap_s,
        thresholds.open,
    )
    return Procedure(about, replay)


def _published_settings(name: str, thresholds: Thresholds) -> dict[str, str]:
    return {
        "scores": f"{name}, as published",
        "alerts": f"open {thresholds.open:g}, close {thresholds.close:g}, merged within {thresholds.merge_gap_s:g} s, "
        f"told {thresholds.told_after} frames after a score begins",
        "parameters": "the published ones; alert thresholds are customary values, chosen on nothing",
    }


def online(
    settings: OnlineSettings, encoder: TextEncoder | None, chosen: str, new_cleaner: MakeCleaner | None = None
) -> Procedure:
    """The live engine. `chosen` says how its parameters were. A cleaner of one's own takes the place of meaning's."""
    new_cleaner = new_cleaner or make_cleaners(settings.meaning, encoder)

    def replay(video: Video, said: Said) -> Replayed:
        points = score_points(video, said.windows, new_cleaner(), settings.smoother())
        return online_replayed(video, said, points, decide_alerts(video, said.windows, points, settings.policy))

    words = describe(settings) | {"parameters": chosen}
    about = online_about(words, settings.policy.merge_gap_s, open_threshold=settings.policy.open)
    return Procedure(about, replay)


def online_about(
    settings: Mapping[str, str], merge_gap_s: float, *, name: str = ONLINE, open_threshold: float | None = None
) -> About:
    return About(name, "smoothed", settings, ONLINE_QUIRKS, merge_gap_s, open_threshold)


ONLINE_QUIRKS = (
    "A score counts from the last frame of its window until the next score: papers do not count that delay. The stage "
    "smoothed_on_own_windows counts as they do.",
    "Frames before a video's first score are unknown and left out of the frame figures.",
    "An alert that is open when an event begins has no delay, so read the delays beside the share of normal time "
    "that is under alert.",
)


def online_replayed(video: Video, said: Said, points: Sequence[ScorePoint], alerted: Alerted) -> Replayed:
    """The report of one video, from what the engine made of it."""
    windows, scores = said.windows, [point.score for point in points]
    beside = {
        "raw": track(video, windows, [point.raw for point in points]),
        "weighed": track(video, windows, [point.cleaned for point in points]),
        "smoothed_on_own_windows": track_of_own_windows(video, windows, scores),
    }
    changed = any(point.raw != point.cleaned for point in points)
    stages = {name: beside[name] for name in (("raw", "weighed") if changed else ("raw",))}
    return Replayed(VideoReport(track(video, windows, scores), alerted, stages, _remarks(video, said)), beside)


def describe(settings: OnlineSettings) -> dict[str, str]:
    """The settings in words."""
    return {
        "scores": "weighed by meaning" if settings.meaning else "as judged",
        "meaning": _words(settings.meaning) if settings.meaning else "none",
        "smoothing": settings.smoothing,
        "alerts": _words(settings.policy),
    }


def _words(settings: object) -> str:
    names = getattr(type(settings), "__slots__", ())
    return ", ".join(f"{name} {getattr(settings, name)}" for name in names)


def _remarks(video: Video, said: Said) -> tuple[Remark, ...]:
    """What was said of which frames; the same thing said again and again is one remark."""
    if said.texts:
        spoken = list(zip(corevad.segments(video.known_frame_count()), said.texts, strict=False))
    else:
        begins = [0, *(each.frame + 1 for each in said.windows)]
        spoken = list(zip(pairwise(begins), map(_words_of, said.windows), strict=True))
    remarks = []
    for text, group in groupby((each for each in spoken if each[0][0] < each[0][1]), key=lambda each: each[1]):
        spans = [span for span, _ in group]
        if text:
            remarks.append(Remark(spans[0][0], spans[-1][1], text))
    return tuple(remarks)


def _words_of(judged: JudgedWindow) -> str:
    if judged.judgement.score is None:
        return f"Unknown: {judged.judgement.reason}"
    return judged.judgement.text or ""
