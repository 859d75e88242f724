"""All figures of one run, with intervals, and two runs against each other. Knows no method and no data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import UsageError
from offline_eval.metrics.alerts import Alerted
from offline_eval.metrics.events import event_figures
from offline_eval.metrics.frames import frame_figures
from offline_eval.metrics.intervals import RESAMPLES, Difference, Figure, compare, intervals, resamples
from offline_eval.metrics.operating import Curve, Operating
from offline_eval.metrics.tracks import Figures, Track, same_videos


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One run's figures. Those of every resample are kept, so that runs on the same videos can be compared."""

    videos: tuple[str, ...]
    seed: int
    resampled: Figures
    curve: Curve

    def figures(self) -> dict[str, Figure]:
        return intervals(self.resampled)


def evaluate(
    tracks: Sequence[Track],
    alerted: Sequence[Alerted],
    fps: float,
    *,
    merge_gap_s: float = 30.0,
    count: int = RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Every figure of a run: over frames from `tracks`, over events from `alerted`, which are the same videos."""
    videos = tuple(track.video.name for track in tracks)
    same_videos(videos, (video.video.name for video in alerted))
    if not videos:
        raise UsageError("there is no video to evaluate", advice="check the annotations and what they are matched with")
    weights = resamples(len(videos), count=count, seed=seed)
    operating = Operating(tracks, fps, merge_gap_s)
    resampled = frame_figures(tracks, weights) | event_figures(alerted, fps, weights) | operating.figures(weights)
    return Evaluation(videos, seed, resampled, operating.curve())


def compare_runs(first: Evaluation, second: Evaluation) -> dict[str, Difference]:
    """The second run against the first, figure by figure. Raises UsageError unless both saw the same videos."""
    same_videos(first.videos, second.videos)
    if first.seed != second.seed:
        raise UsageError("the two runs were resampled with different seeds", advice="use the same seed for both")
    return compare(first.resampled, second.resampled)
