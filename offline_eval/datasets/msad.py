"""MSAD: 240 test videos of surveillance cameras in 14 scenes, 11 categories. https://msad-dataset.github.io

Annotations are the JSON form with spans in fractions of the length.
"""

from __future__ import annotations

from pathlib import Path

from offline_eval.datasets.base import Dataset, LabelEnds
from offline_eval.datasets.parsing import fraction_labels

FPS = 30.0


def read(annotations: Path, ends: LabelEnds = LabelEnds.EXCLUSIVE) -> Dataset:
    return Dataset("msad", FPS, fraction_labels(annotations, ends))
