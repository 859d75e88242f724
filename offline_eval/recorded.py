"""Scores recorded responses with a published method: no video is opened. Knows no figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from offline_eval.datasets.base import Video
from offline_eval.datasets.matching import Coverage, match
from offline_eval.methods.base import Method, Recorded, Vectors
from offline_eval.methods.corevad import segments
from offline_eval.metrics.tracks import Track

Responses = Mapping[str, tuple[str, ...]]  # by video name, one per segment


def match_responses(videos: Iterable[Video], responses: Responses) -> Coverage:
    """Which videos have responses for all of their segments. Too few are a wrong length; more are cut off later."""
    found = match(videos, responses)
    short = {video.name: text for video in found.videos if (text := _short(video, len(responses[video.name])))}
    return replace(
        found,
        videos=tuple(video for video in found.videos if video.name not in short),
        wrong_length=tuple(short.values()),
    )


def score_responses(
    videos: Iterable[Video], responses: Responses, method: Method, vectors: Mapping[str, Vectors] | None = None
) -> list[Track]:
    """One track per measured video. Raises UsageError where a frame count is unknown or responses run out."""
    return [
        Track.of_frames(video, method(_recorded(video, responses[video.name], (vectors or {}).get(video.name))))
        for video in videos
    ]


def _recorded(video: Video, responses: tuple[str, ...], vectors: Vectors | None) -> Recorded:
    return Recorded(video.name, responses, video.known_frame_count(), vectors)


def _short(video: Video, count: int) -> str:
    needed = len(segments(video.frame_count or 0))
    return f"{video.name} has {count} responses for {needed} segments" if count < needed else ""
