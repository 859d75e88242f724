"""DoTA: 1402 test videos of dashboard cameras, one category. https://github.com/MoonBlvd/Detection-of-Traffic-Anomaly

Annotations are the JSON form with spans in fractions of the length.
All are anomalous, so there is no normal hour to count false alarms in.
"""

from __future__ import annotations

from pathlib import Path

from offline_eval.datasets.base import Dataset, LabelEnds
from offline_eval.datasets.parsing import fraction_labels

FPS = 10.0


def read(annotations: Path, ends: LabelEnds = LabelEnds.EXCLUSIVE) -> Dataset:
    return Dataset("dota", FPS, fraction_labels(annotations, ends))
