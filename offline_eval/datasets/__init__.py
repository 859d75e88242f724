"""Benchmarks by name. A new one is a file with a `read`, and a line here and in the contract test."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from engine.errors import UsageError
from offline_eval.datasets import dota, lad, msad, tad, ubnormal, ucf_crime, xd_violence
from offline_eval.datasets.base import Dataset, LabelEnds, Reader, Span, Video, video_name
from offline_eval.datasets.matching import Coverage, count_frames, match, match_lengths

__all__ = [
    "DATASETS",
    "Coverage",
    "Dataset",
    "LabelEnds",
    "Reader",
    "Span",
    "Video",
    "count_frames",
    "load_dataset",
    "match",
    "match_lengths",
    "video_name",
]

DATASETS: dict[str, Reader] = {
    "ucf-crime": ucf_crime.read,
    "xd-violence": xd_violence.read,
    "msad": msad.read,
    "ubnormal": ubnormal.read,
    "dota": dota.read,
    "tad": tad.read,
    "lad": lad.read,
}


def load_dataset(name: str, annotations: Path, ends: LabelEnds = LabelEnds.EXCLUSIVE) -> Dataset:
    """Read a data set's annotations. Raises UsageError for an unknown name, ConfigError for a file that fails."""
    if name not in DATASETS:
        near = get_close_matches(name, DATASETS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(DATASETS)}"
        raise UsageError(f"no data set is called {name!r}", advice=advice)
    return DATASETS[name](annotations, ends)
