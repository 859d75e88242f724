"""A run's figures as JSON, and back as far as two runs can be compared. Knows no method.

`metrics` is flat where people look: how much was evaluated, `figures` of the method's alerts and final scores with
their intervals, and the frame figures of each stage under the stage's own name. `metrics.json` adds the operating
curve and `per_video`: annotation, scores as runs of equal value, and alerts. What is undefined or unknown is null.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from engine.errors import ConfigError, RuntimeFault, UsageError
from offline_eval.datasets import Span, Video
from offline_eval.datasets.parsing import read_json
from offline_eval.metrics import Alert, Alerted, Difference, Evaluation, Track, compare_runs, evaluate
from offline_eval.metrics.frames import frame_figures
from offline_eval.replay import Run
from offline_eval.report import VideoReport, write_report

log = logging.getLogger(__name__)

FORMAT = "vigil.replay/1"
FILE = "metrics.json"


def metrics(run: Run) -> dict[str, Any]:
    """Everything but what is told per video."""
    report = run.report
    coverage = report.coverage
    stages = {**run.stages, run.stage: [each.track for each in report.videos]}
    found = {
        "format": FORMAT,
        "dataset": report.dataset,
        "split": report.split,
        "method": report.method,
        "created": report.created.isoformat(timespec="seconds"),
        "fps": report.fps,
        "videos": len(report.videos),
        "frames": sum(each.video.known_frame_count() for each in report.videos),
        "segments": run.segments,
        "unknown_segments": run.unknown,
        "coverage": {
            "annotated": coverage.annotated,
            **{
                name: list(getattr(coverage, name))
                for name in ("missing", "unreadable", "wrong_length", "extra", "damaged")
            },
        },
        "merge_gap_s": run.merge_gap_s,
        "resamples": run.resamples,
        "seed": report.evaluation.seed,
        "settings": dict(report.settings),
        "versions": dict(report.versions),
        "quirks": list(report.quirks),
        "final_stage": run.stage,
        **{name: _frame_figures(tracks) for name, tracks in stages.items()},
        "figures": {name: asdict(figure) for name, figure in report.evaluation.figures().items()},
    }
    cleaned: dict[str, Any] = _without_nan(found)
    return cleaned


def check_writable(out: Path) -> None:
    """Makes the folder, and raises RuntimeFault where nothing can be written into it: before hours of measuring."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise RuntimeFault(f"cannot write into {out}: {error.strerror}", advice="check the folder") from error


def save(run: Run, out: Path, found: Mapping[str, Any] | None = None) -> None:
    """Writes metrics.json, report.md and report.html into `out`. A metrics.json is there whole or not at all."""
    write_report(out, run.report)
    curve = run.report.evaluation.curve
    content = {
        **(found or metrics(run)),
        "curve": {
            name: _numbers(getattr(curve, name))
            for name in ("thresholds", "recalls", "false_alarms_per_hour", "alerted_share")
        },
        "per_video": [_video(each) for each in run.report.videos],
    }
    path = out / FILE
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise RuntimeFault(f"cannot write {path}: {error.strerror}", advice="check the folder") from error


def compare_folders(first: Path, second: Path) -> dict[str, Difference]:
    """The run in folder `second` minus the one in `first`, video by video.

    Raises ConfigError for what is no run, UsageError for two that were not measured on the same.
    """
    one, other = _content(first), _content(second)
    if one.get("dataset") != other.get("dataset"):
        raise UsageError(
            f"these cannot be compared: one is of {one.get('dataset')}, the other of {other.get('dataset')}",
            advice="evaluate both on the same data set",
        )
    runs = _evaluation(first, one), _evaluation(second, other)
    gaps = [run.merge_gap_s for run in runs]
    if gaps[0] != gaps[1]:
        log.warning(
            "alerts that are %g s apart are one in %s, %g s in %s: false alarms at a recall are not compared",
            gaps[0],
            first,
            gaps[1],
            second,
        )
    return compare_runs(*runs)


def _content(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ConfigError(f"{path} is no result of a replay", advice="name two folders given to --out")
    return content


def _evaluation(folder: Path, content: Mapping[str, Any]) -> Evaluation:
    try:
        videos = [_read_video(each) for each in content["per_video"]]
        return evaluate(
            [track for track, _ in videos],
            [alerted for _, alerted in videos],
            content["fps"],
            merge_gap_s=content["merge_gap_s"],
            count=content["resamples"],
            seed=content["seed"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{folder / FILE} does not hold ({type(error).__name__})", advice="replay it again"
        ) from error


def _frame_figures(tracks: Sequence[Track]) -> dict[str, float]:
    figures = frame_figures(tracks, np.ones((1, len(tracks))))
    return {name: float(values[0]) for name, values in figures.items() if "/" not in name}


def _video(report: VideoReport) -> dict[str, Any]:
    video, track = report.video, report.track
    return {
        "name": video.name,
        "categories": list(video.categories),
        "frame_count": video.frame_count,
        "spans": [list(span) for span in video.spans],
        "values": _numbers(track.values),
        "lengths": track.lengths.tolist(),
        "alerts": [asdict(alert) for alert in report.alerted.alerts],
    }


def _read_video(each: Mapping[str, Any]) -> tuple[Track, Alerted]:
    spans = tuple(Span(*span) for span in each["spans"])
    video = Video(each["name"], tuple(each["categories"]), spans, frame_count=each["frame_count"])
    values = np.array([math.nan if value is None else value for value in each["values"]], float)
    track = Track(video, values, np.array(each["lengths"], np.int64))
    return track, Alerted(video, tuple(Alert(**alert) for alert in each["alerts"]))


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [None if math.isnan(value) else float(value) for value in values]


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
