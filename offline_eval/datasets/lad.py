"""LAD: 560 test videos of surveillance cameras in 14 categories. https://github.com/wanboyang/anomaly_detection_LAD2000

Annotations are the JSON form with spans in fractions of the length.
"""

from __future__ import annotations

from pathlib import Path

from offline_eval.datasets.base import Dataset, LabelEnds
from offline_eval.datasets.parsing import fraction_labels

FPS = 25.0


def read(annotations: Path, ends: LabelEnds = LabelEnds.EXCLUSIVE) -> Dataset:
    return Dataset("lad", FPS, fraction_labels(annotations, ends))
