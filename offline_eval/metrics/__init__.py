"""Figures of merit for scores and alerts, with intervals. Exact on runs of frames; only videos are resampled."""

from __future__ import annotations

from offline_eval.metrics.alerts import Alert, Alerted, Thresholds, draw_alerts
from offline_eval.metrics.evaluation import Evaluation, compare_runs, evaluate
from offline_eval.metrics.intervals import Difference, Figure
from offline_eval.metrics.operating import Curve
from offline_eval.metrics.tracks import Track

__all__ = [
    "Alert",
    "Alerted",
    "Curve",
    "Difference",
    "Evaluation",
    "Figure",
    "Thresholds",
    "Track",
    "compare_runs",
    "draw_alerts",
    "evaluate",
]
