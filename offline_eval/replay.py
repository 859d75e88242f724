"""Replays recorded responses of a benchmark with a method and measures what comes out. Knows no method's details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from engine.errors import ConfigError
from offline_eval.datasets import Coverage, Dataset, LabelEnds, load_dataset
from offline_eval.metrics import Track, evaluate
from offline_eval.metrics.intervals import RESAMPLES
from offline_eval.procedures import About, Procedure, Replayed
from offline_eval.recorded import Responses, match_responses
from offline_eval.report import ReportInput
from offline_eval.responses import read_responses


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What is replayed: the videos that can be, with their responses, and where both come from."""

    dataset: Dataset
    coverage: Coverage
    responses: Responses
    sources: Mapping[str, str]  # in words


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One measured replay. `stages` are other ways of scoring the same videos, one track per video, by name."""

    report: ReportInput
    stage: str  # what the report's own scores are called
    stages: Mapping[str, Sequence[Track]]
    segments: int
    merge_gap_s: float
    resamples: int


def read_material(
    dataset: str,
    annotations: Path,
    responses: Path,
    *,
    ends: LabelEnds = LabelEnds.EXCLUSIVE,
    fps: float | None = None,
    allow_missing: bool = False,
) -> Material:
    """Raises ConfigError for files that do not hold, and for videos without responses unless they are allowed.

    `fps` takes the place of the data set's own.
    """
    benchmark = load_dataset(dataset, annotations, ends)
    if fps is not None:
        benchmark = replace(benchmark, fps=fps)
    said = read_responses(responses)
    unmeasured = [video.name for video in benchmark.videos() if video.frame_count is None]
    if unmeasured:
        raise ConfigError(
            f"{annotations} gives no length for {len(unmeasured)} videos, such as {unmeasured[0]}",
            advice="give the JSON annotations, which have lengths",
        )
    coverage = match_responses(benchmark.videos(), said).required(allow_missing=allow_missing)
    sources = {
        "annotations": f"{_identity(annotations)}, label ends {ends.value}",
        "responses": _identity(responses),
    }
    return Material(benchmark, coverage, said, sources)


def replay(material: Material, procedure: Procedure, *, resamples: int = RESAMPLES) -> Run:
    """Every video through the method, then every figure."""
    replayed = [procedure.replay(video, material.responses[video.name]) for video in material.coverage.videos]
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
        quirks=about.quirks,
    )
    segments = sum(len(material.responses[each.video.name]) for each in reports)
    return Run(report, about.stage, stages, segments, about.merge_gap_s, resamples)


def _identity(path: Path) -> str:
    """A file's name and the beginning of its hash: enough to tell whether two runs read the same."""
    return f"{path.name} (sha256 {sha256(path.read_bytes()).hexdigest()[:12]})"
