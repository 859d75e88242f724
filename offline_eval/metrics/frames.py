"""Figures over frames: ROC-AUC pooled, within videos and per category, average precision, trapezoid PR-AUC.

Every figure is a function of how often each video counts, so that one pass over the scores gives the point
estimate and all bootstrap replicates, exactly. All of them follow from two counts: for each abnormal score, how
many normal frames of each video score at least as much, and how many score more. Knows no alert and no time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from offline_eval.metrics.tracks import Figures, Floats, Ints, Track, ratio

_BLOCK = 1024  # abnormal scores at a time: bounds memory to a few [_BLOCK, B] arrays


def frame_figures(tracks: Sequence[Track], weights: Floats) -> Figures:
    """Figures by name, each [B], for weights [B, V].

    - `roc_auc`, `average_precision`, `trapezoid_pr_auc`: over the frames of all videos concatenated. The last is
      the area under the straight lines between points of the precision-recall curve, as some papers print; it is
      not average precision and often far larger.
    - `within_video_auc`: the mean of each video's own ROC-AUC, over videos with normal and abnormal frames.
    - `anomalous_videos_auc`: ROC-AUC over the frames of anomalous videos only.
    - `roc_auc/CATEGORY`: over the frames of that category's videos and of all normal videos.
    - `known_frames`: the share of frames whose score is known. The others are left out of all of the above.
    """
    known = [_Known(track) for track in tracks]
    positives = np.array([sum(video.positive_weights) for video in known], float)
    negatives = np.array([sum(video.negative_weights) for video in known], float)
    frames = np.array([track.lengths.sum() for track in tracks], float)
    positive = weights @ positives  # [B]

    pairs = np.zeros((len(tracks), len(tracks)))  # [i, j]: pairs that i's abnormal frames win from j's normal ones
    precisions = _Precisions(len(weights))
    for count, above, not_below in _blocks(known):
        pairs += count.T @ (negatives - (above + not_below) / 2)
        precisions.add(count @ weights.T, above @ weights.T, not_below @ weights.T)

    figures = {
        "roc_auc": _auc(pairs, positives, negatives, weights, weights),
        "average_precision": ratio(precisions.steps, positive),
        "trapezoid_pr_auc": ratio(precisions.trapezoids, positive),
    }
    own = ratio(np.diag(pairs), positives * negatives)
    both = ~np.isnan(own)
    figures["within_video_auc"] = ratio(weights[:, both] @ own[both], weights[:, both].sum(1))
    normal = np.array([track.video.normal for track in tracks], bool)
    anomalous = weights * ~normal
    figures["anomalous_videos_auc"] = _auc(pairs, positives, negatives, anomalous, anomalous)
    for category in sorted({name for track in tracks for name in track.video.categories}):
        shown = np.array([category in track.video.categories for track in tracks], bool)
        figures[f"roc_auc/{category}"] = _auc(pairs, positives, negatives, weights * shown, weights * (shown | normal))
    figures["known_frames"] = ratio(weights @ (positives + negatives), weights @ frames)
    return figures


class _Known:
    """One video's known scores, normal and abnormal, as distinct values in rising order with their frames."""

    def __init__(self, track: Track) -> None:
        values, abnormal, lengths = track.labelled()
        known = ~np.isnan(values)
        self.positives, self.positive_weights = _distinct(values[known & abnormal], lengths[known & abnormal])
        self.negatives, self.negative_weights = _distinct(values[known & ~abnormal], lengths[known & ~abnormal])
        self._at_least = np.append(np.cumsum(self.negative_weights[::-1])[::-1], 0.0)

    def negatives_from(self, thresholds: Floats) -> tuple[Floats, Floats]:
        """Normal frames that score more than each threshold, and at least as much."""
        above = self._at_least[np.searchsorted(self.negatives, thresholds, side="right")]
        return above, self._at_least[np.searchsorted(self.negatives, thresholds, side="left")]


def _distinct(values: Floats, lengths: Ints) -> tuple[Floats, Floats]:
    distinct, where = np.unique(values, return_inverse=True)
    return distinct, np.bincount(where, lengths, len(distinct)).astype(float)


def _blocks(known: Sequence[_Known]) -> Iterator[tuple[sparse.csr_array, Floats, Floats]]:
    """The distinct abnormal scores from high to low, some at a time, as three [U, V] arrays per block.

    For each score and video: abnormal frames of that score, normal frames above it, normal frames not below it.
    """
    values = np.concatenate([video.positives for video in known])
    videos = np.repeat(np.arange(len(known)), [len(video.positives) for video in known])
    distinct, where = np.unique(-values, return_inverse=True)
    counts = sparse.csr_array(
        (np.concatenate([video.positive_weights for video in known]), (where, videos)),
        shape=(len(distinct), len(known)),
    )
    for start in range(0, len(distinct), _BLOCK):
        thresholds = -distinct[start : start + _BLOCK]
        sides = [video.negatives_from(thresholds) for video in known]
        above = np.stack([side[0] for side in sides], axis=1)
        not_below = np.stack([side[1] for side in sides], axis=1)
        yield counts[start : start + _BLOCK], above, not_below


class _Precisions:
    """Sums precision over rising recall, by steps and by trapezoids, from high scores to low."""

    def __init__(self, replicates: int) -> None:
        self.steps = np.zeros(replicates)
        self.trapezoids = np.zeros(replicates)
        self._found = np.zeros(replicates)  # abnormal frames so far

    def add(self, gained: Floats, false_before: Floats, false_after: Floats) -> None:
        """Each [U, B]: abnormal frames gained at a score, and normal frames above it and not below it."""
        after = np.cumsum(gained, axis=0)
        after += self._found
        before = after - gained
        self._found = after[-1].copy()
        false_before += before  # now all frames above the score
        false_after += after  # now all frames not below it
        np.divide(after, false_after, out=after, where=false_after > 0)
        # Where nothing scores more, the curve begins: at recall 0, with precision 1.
        np.divide(before, false_before, out=before, where=false_before > 0)
        before[false_before == 0] = 1
        steps = np.einsum("ub,ub->b", gained, after)
        self.steps += steps
        self.trapezoids += (steps + np.einsum("ub,ub->b", gained, before)) / 2


def _auc(pairs: Floats, positives: Floats, negatives: Floats, abnormal: Floats, normal: Floats) -> Floats:
    """ROC-AUC [B] when each video's abnormal frames count `abnormal` [B, V] times and its normal ones `normal`."""
    return ratio(np.einsum("bi,bi->b", abnormal @ pairs, normal), (abnormal @ positives) * (normal @ negatives))
