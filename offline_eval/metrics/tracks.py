"""One video's scores as runs of equal value, beside its annotation. Knows no method and no figure.

Scores change once per segment or window, not per frame, so figures are computed over runs weighted by their
length; that is exact. A score of NaN is unknown: figures over frames leave it out and say how much was known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError
from offline_eval.datasets.base import Video

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Figures = dict[str, Floats]
"""Figures by name. Each is [B]: one value per row of the weights [B, V] that say how often each video counts.

Undefined is NaN, such as a recall without events. See `intervals.resamples` for the weights.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """The scores of one measured video: run i is `lengths[i]` frames long and scores `values[i]`."""

    video: Video
    values: Floats  # [K], NaN where unknown
    lengths: Ints  # [K], each above 0; they sum to the frame count

    def __post_init__(self) -> None:
        frames = self.video.known_frame_count()
        if self.lengths.sum() != frames or (self.lengths <= 0).any():
            raise UsageError(
                f"{self.video.name}: scores for {self.lengths.sum()} of its {frames} frames",
                advice="check that scores and annotations belong to the same video",
            )

    @classmethod
    def of_frames(cls, video: Video, scores: Floats) -> Track:
        """From a score per frame [N]; neighbours that are equal become one run."""
        if not len(scores):
            return cls(video, scores, np.zeros(0, np.int64))
        unknown = np.isnan(scores)
        changed = (scores[1:] != scores[:-1]) & ~(unknown[1:] & unknown[:-1])
        starts = np.concatenate(([0], np.flatnonzero(changed) + 1))
        return cls(video, scores[starts], np.diff(starts, append=len(scores)))

    def frames(self) -> Floats:
        """The score of each frame [N]."""
        return np.repeat(self.values, self.lengths)

    def labelled(self) -> tuple[Floats, Bools, Ints]:
        """Values, whether abnormal, and lengths [K'], with runs split where spans begin and end."""
        ends = np.cumsum(self.lengths)
        edges = np.array(self.video.spans, np.int64).ravel()  # start, end, start, end, ...: increasing
        cuts = np.unique(np.concatenate((ends, edges[edges > 0])))
        values = self.values[np.searchsorted(ends, cuts)]
        abnormal = np.searchsorted(edges, cuts - 1, side="right") % 2 == 1
        return values, abnormal, np.diff(cuts, prepend=0)


def same_videos(first: Iterable[str], second: Iterable[str]) -> None:
    """Raise UsageError unless both name the same videos in the same order: figures pair them by position."""
    one, other = tuple(first), tuple(second)
    if one != other:
        differ = sorted(set(one) ^ set(other))
        what = f"{len(differ)} videos are in one only, such as {differ[0]}" if differ else "their order differs"
        raise UsageError(f"these cannot be compared video by video: {what}", advice="evaluate both on the same videos")


def ratio(above: Floats, below: Floats) -> Floats:
    """Element by element; NaN where `below` is 0."""
    result = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result
