"""TAD: 100 test videos of traffic cameras, one category. https://github.com/ktr-hubrt/WSAL

Annotations are the JSON form with spans in fractions of the length.
"""

from __future__ import annotations

from pathlib import Path

from offline_eval.datasets.base import Dataset, LabelEnds
from offline_eval.datasets.parsing import fraction_labels

FPS = 25.0


def read(annotations: Path, ends: LabelEnds = LabelEnds.EXCLUSIVE) -> Dataset:
    return Dataset("tad", FPS, fraction_labels(annotations, ends))
