"""Plain references for the figures, frame by frame and replicate by replicate, and tracks to try them on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from offline_eval.datasets.base import Span, Video, joined
from offline_eval.metrics.tracks import Floats, Track


def track(name: str, scores: Sequence[float], spans: Sequence[tuple[int, int]] = (), *categories: str) -> Track:
    kinds = categories or (("Fire",) if spans else ())
    video = Video(name, kinds, tuple(Span(*span) for span in spans), frame_count=len(scores))
    return Track.of_frames(video, np.array(scores, float))


@st.composite
def tracks(draw: st.DrawFn, unknown: bool = True) -> list[Track]:
    """A few short videos whose scores tie often."""
    values = st.sampled_from([0.0, 0.1, 0.5, 0.5000001, 0.9, 1.0, *([np.nan] if unknown else [])])
    made = []
    for index in range(draw(st.integers(1, 5))):
        runs = draw(st.lists(st.tuples(values, st.integers(1, 5)), min_size=1, max_size=8))
        scores = np.concatenate([np.full(length, value) for value, length in runs])
        starts = draw(st.lists(st.tuples(st.integers(0, len(scores) - 1), st.integers(1, 6)), max_size=3))
        spans = joined(Span(start, min(start + length, len(scores))) for start, length in starts)
        made.append(track(f"v{index}", scores.tolist(), spans, *([draw(st.sampled_from("AB"))] if spans else [])))
    return made


@st.composite
def weights_for(draw: st.DrawFn, count: int) -> Floats:
    """A row of ones, as in `resamples`, and a row drawn."""
    drawn = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    return np.array([[1] * count, drawn], float)


def frame_labels(video: Video) -> Floats:
    labels = np.zeros(video.known_frame_count())
    for start, end in video.spans:
        labels[start:end] = 1
    return labels


def plain_frame_figures(of: Sequence[Track], counts: Sequence[float]) -> dict[str, float]:
    """What scikit-learn says of all frames concatenated, where each video comes `counts` times."""
    drawn = [track for track, count in zip(of, counts, strict=True) for _ in range(int(count))]
    normal = [track for track in drawn if track.video.normal]
    figures = {
        "roc_auc": _pooled(drawn, _roc),
        "average_precision": _pooled(drawn, _average_precision),
        "trapezoid_pr_auc": _pooled(drawn, _trapezoid),
        "anomalous_videos_auc": _pooled([track for track in drawn if not track.video.normal], _roc),
    }
    for category in {name for track in of for name in track.video.categories}:
        shown = [track for track in drawn if category in track.video.categories]
        figures[f"roc_auc/{category}"] = _pooled(shown + normal, _roc)
    own = [_pooled([track], _roc) for track in drawn]
    own = [value for value in own if not np.isnan(value)]
    figures["within_video_auc"] = float(np.mean(own)) if own else np.nan
    scores = np.concatenate([track.frames() for track in drawn]) if drawn else np.zeros(0)
    figures["known_frames"] = float((~np.isnan(scores)).mean()) if drawn else np.nan
    return figures


def _pooled(of: Sequence[Track], figure: object) -> float:
    if not of:
        return np.nan
    scores = np.concatenate([track.frames() for track in of])
    labels = np.concatenate([frame_labels(track.video) for track in of])
    known = ~np.isnan(scores)
    assert callable(figure)
    return float(figure(labels[known], scores[known]))


def _roc(labels: Floats, scores: Floats) -> float:
    return float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else np.nan


def _average_precision(labels: Floats, scores: Floats) -> float:
    return float(average_precision_score(labels, scores)) if labels.sum() else np.nan


def _trapezoid(labels: Floats, scores: Floats) -> float:
    if not labels.sum():
        return np.nan
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float(auc(recall, precision))
