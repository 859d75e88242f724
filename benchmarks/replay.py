"""Measures a recorded replay against the straightforward way: `python -m benchmarks.replay ANNOTATIONS RESPONSES`.

Straightforward is scikit-learn on the frames of all videos concatenated, once per bootstrap resample. It is timed on
a few resamples, as the rest would take as long each; both give the same figures, which is checked.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.measures import Measure, table
from offline_eval.material import read_material
from offline_eval.metrics import Track
from offline_eval.metrics.frames import frame_figures
from offline_eval.metrics.intervals import RESAMPLES, resamples
from offline_eval.metrics.tracks import Floats
from offline_eval.procedures import published
from offline_eval.replay import replay

TIMED_RESAMPLES = 3


def main(annotations: Path, responses: Path) -> None:
    start = time.perf_counter()
    run = replay(read_material("ucf-crime", annotations, responses), published("corevad", 30.0))
    took_s = time.perf_counter() - start
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    tracks = [each.track for each in run.report.videos]
    weights = resamples(len(tracks))
    start = time.perf_counter()
    ours = frame_figures(tracks, weights)
    ours_s = (time.perf_counter() - start) / len(weights)
    frames = [(_labels(track), track.frames()) for track in tracks]
    start = time.perf_counter()
    for row in range(TIMED_RESAMPLES):
        for name, value in _plain(frames, weights[row]).items():
            assert abs(value - ours[name][row]) < 1e-9, name
    plain_s = (time.perf_counter() - start) / TIMED_RESAMPLES

    measures = [
        Measure(f"{len(tracks)} videos, every figure, {RESAMPLES} resamples", took_s, "s", 5.0),
        Measure("peak memory", peak_mib, "MiB", 500.0),
        Measure("frame figures of one resample", 1e3 * ours_s, "ms"),
        Measure("the same with scikit-learn, frame by frame", 1e3 * plain_s, "ms"),
        Measure("ratio", plain_s / ours_s),
    ]
    print(table(measures))


def _labels(track: Track) -> Floats:
    labels = np.zeros(track.video.known_frame_count())
    for start, end in track.video.spans:
        labels[start:end] = 1
    return labels


def _plain(frames: list[tuple[Floats, Floats]], weights: Floats) -> dict[str, float]:
    """Pooled AUC and average precision, and the mean of each video's own AUC."""
    drawn = [frames[index] for index in np.repeat(np.arange(len(frames)), weights.astype(int))]
    labels, scores = (np.concatenate(each) for each in zip(*drawn, strict=True))
    own = [roc_auc_score(*each) for each in drawn if 0 < each[0].sum() < len(each[0])]
    return {
        "roc_auc": roc_auc_score(labels, scores),
        "average_precision": average_precision_score(labels, scores),
        "within_video_auc": float(np.mean(own)),
    }


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]))
