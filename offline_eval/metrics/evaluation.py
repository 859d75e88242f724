"""All figures of one run, with intervals, and two runs against each other. Knows no method and no data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import UsageError
from offline_eval.datasets.base import Video
from offline_eval.metrics.alerts import Alerted
from offline_eval.metrics.events import event_figures
from offline_eval.metrics.frames import frame_figures
from offline_eval.metrics.intervals import RESAMPLES, Difference, Figure, compare, intervals, resamples
from offline_eval.metrics.operating import RECALL_FIGURES, Curve, Operating
from offline_eval.metrics.tracks import Figures, Track, same_videos


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One run's figures. Those of every resample are kept, so that runs on the same videos can be compared."""

    videos: tuple[Video, ...]  # as they were annotated
    fps: float
    merge_gap_s: float
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
    videos = tuple(track.video for track in tracks)
    same_videos((video.name for video in videos), (video.video.name for video in alerted))
    if not videos:
        raise UsageError("there is no video to evaluate", advice="check the annotations and what they are matched with")
    weights = resamples(len(videos), count=count, seed=seed)
    operating = Operating(tracks, fps, merge_gap_s)
    resampled = frame_figures(tracks, weights) | event_figures(alerted, fps, weights) | operating.figures(weights)
    return Evaluation(videos, fps, merge_gap_s, seed, resampled, operating.curve())


def compare_runs(first: Evaluation, second: Evaluation) -> dict[str, Difference]:
    """The second run against the first, figure by figure: those that both have, and that mean the same in both.

    Raises UsageError unless both saw the same videos with the same annotations. Where alerts of the operating curve
    were merged within different gaps, its figures are left out.
    """
    same_videos((video.name for video in first.videos), (video.name for video in second.videos))
    for one, other in zip(first.videos, second.videos, strict=True):
        for what in ("spans", "frame_count", "categories"):
            mine, theirs = getattr(one, what), getattr(other, what)
            if mine != theirs:
                raise UsageError(
                    f"these cannot be compared: {one.name} has {what.replace('_', ' ')} {_written(mine)} in one and "
                    f"{_written(theirs)} in the other",
                    advice="evaluate both with the same annotations",
                )
    if first.fps != second.fps:
        raise UsageError(
            f"these cannot be compared: {first.fps:g} frames are a second in one and {second.fps:g} in the other",
            advice="give both the same --fps",
        )
    if first.seed != second.seed:
        raise UsageError("the two runs were resampled with different seeds", advice="use the same seed for both")
    left_out = RECALL_FIGURES if first.merge_gap_s != second.merge_gap_s else ()
    return compare({name: values for name, values in first.resampled.items() if name not in left_out}, second.resampled)


def _written(value: object) -> str:
    return ", ".join(map(_written, value)) or "none" if isinstance(value, tuple) else str(value)
