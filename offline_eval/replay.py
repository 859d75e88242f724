"""Replays what was said of a benchmark's videos with a method and measures it. Knows no method's details."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from engine.errors import RuntimeFault
from offline_eval.material import Material
from offline_eval.metrics import Track, evaluate
from offline_eval.metrics.intervals import RESAMPLES
from offline_eval.procedures import About, Procedure, Replayed
from offline_eval.report import ReportInput, VideoReport
from offline_eval.report.thumbnails import read_thumbnails, telling_frames

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One measured replay. `stages` are other ways of scoring the same videos, one track per video, by name.

    `segments` counts what was judged, and `unknown` how much of it has no score.
    """

    report: ReportInput
    stage: str  # what the report's own scores are called
    stages: Mapping[str, Sequence[Track]]
    segments: int
    unknown: int
    merge_gap_s: float
    resamples: int


def replay(material: Material, procedure: Procedure, *, resamples: int = RESAMPLES) -> Run:
    """Every video through the method, then every figure."""
    replayed = [procedure.replay(video, material.said[video.name]) for video in material.coverage.videos]
    return measure(material, procedure.about, replayed, resamples=resamples)


def measure(material: Material, about: About, replayed: Sequence[Replayed], *, resamples: int) -> Run:
    """The figures of what was replayed."""
    dataset, reports = material.dataset, tuple(each.report for each in replayed)
    evaluation = evaluate(
        [each.track for each in reports],
        [each.alerted for each in reports],
        dataset.fps,
        merge_gap_s=about.merge_gap_s,
        count=resamples,
    )
    scores = [each.judgement.score for report in reports for each in material.said[report.video.name].windows]
    unknown = [f"{scores.count(None)} of {len(scores)} windows have no known score."] if None in scores else []
    stages = {name: [each.beside[name] for each in replayed] for name in replayed[0].beside}
    report = ReportInput(
        dataset=dataset.name,
        fps=dataset.fps,
        method=about.method,
        evaluation=evaluation,
        coverage=material.coverage,
        videos=reports,
        created=datetime.now(UTC),
        open_threshold=about.open_threshold,
        settings={**material.sources, **about.settings},
        versions={name: version(name) for name in ("vigil-vad", "numpy", "scipy")},
        quirks=(*about.quirks, *material.quirks, *unknown),
    )
    return Run(report, about.stage, stages, len(scores), scores.count(None), about.merge_gap_s, resamples)


def illustrated(run: Run, files: Mapping[str, Path]) -> Run:
    """With pictures of the videos at these paths, by name. One that can't be read goes without."""
    return replace(run, report=replace(run.report, videos=tuple(_pictured(each, files) for each in run.report.videos)))


def _pictured(each: VideoReport, files: Mapping[str, Path]) -> VideoReport:
    if each.video.name not in files:
        return each
    try:
        return replace(each, thumbnails=read_thumbnails(files[each.video.name], telling_frames(each.alerted)))
    except RuntimeFault as error:
        log.warning("%s", error)
        return each
