"""A small run to report on, with texts that no page should believe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from offline_eval.datasets import Coverage, Span, Video
from offline_eval.metrics import Alert, Alerted, Track, evaluate
from offline_eval.report import Remark, ReportInput, VideoReport

FPS = 10.0
HOSTILE = "</script><script>alert('x')</script> \"quoted\" & <img src=x onerror=alert(1)>"


def video_report(
    name: str,
    scores: Sequence[float],
    spans: Sequence[tuple[int, int]] = (),
    alerts: Sequence[tuple[int, int]] = (),
    *,
    category: str = "Fighting",
    said: Mapping[int, str] | None = None,
    stages: Mapping[str, Sequence[float]] | None = None,
) -> VideoReport:
    """One score per frame. Alerts are told at their second frame; `said` is by frame, each for ten frames."""
    categories = (category,) if spans else ()
    video = Video(name, categories, tuple(Span(*span) for span in spans), frame_count=len(scores))
    drawn = tuple(Alert(start, end, start + 1, max(scores[start:end])) for start, end in alerts)
    return VideoReport(
        Track.of_frames(video, np.array(scores, float)),
        Alerted(video, drawn),
        {stage: Track.of_frames(video, np.array(values, float)) for stage, values in (stages or {}).items()},
        tuple(Remark(start, min(start + 10, len(scores)), text) for start, text in sorted((said or {}).items())),
    )


def run(videos: Sequence[VideoReport]) -> ReportInput:
    return ReportInput(
        dataset="ucf-crime",
        fps=FPS,
        method="online",
        evaluation=evaluate([each.track for each in videos], [each.alerted for each in videos], FPS, count=20),
        coverage=Coverage(len(videos), tuple(each.video for each in videos)),
        videos=tuple(videos),
        created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        settings={"smoothing": HOSTILE},
    )


def four_videos() -> list[VideoReport]:
    """One event reported, one missed, one false alarm, one quiet."""
    low, high = [0.1] * 20, [0.9] * 20
    return [
        video_report("reported", low + high + low, [(20, 40)], [(22, 40)], said={0: "All calm.", 20: HOSTILE}),
        video_report("missed", low + [0.2] * 20 + low, [(20, 40)], category='Odd "kind" <b>'),
        video_report("alarmed", low + high + low, alerts=[(20, 38)], said={20: "A man waves."}),
        video_report("quiet", low * 3, stages={"raw": [0.0] * 30 + [1.0] * 30}),
    ]
