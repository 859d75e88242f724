"""Has a data set's videos judged, from what a command line says to a store. Knows no option parser and no figure."""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from pathlib import Path

from engine.errors import RuntimeFault, UsageError
from engine.windows import WindowPlan
from offline_eval.datasets import LabelEnds, load_dataset, match
from offline_eval.videos.plan import Plan, Shard
from offline_eval.videos.progress import in_words, progress_on
from offline_eval.videos.run import LocalReplayer, Replayer, Summary, replay_videos
from offline_eval.videos.scorers import Recipe
from offline_eval.videos.store import StorePart

log = logging.getLogger(__name__)


def judge_videos(
    dataset: str,
    annotations: Path,
    videos: Path,
    recipe: Recipe,
    *,
    out: Path,
    ends: LabelEnds = LabelEnds.EXCLUSIVE,
    plan: Plan | None = None,
    workers: int = 2,
    shard: str | None = None,
    ray: str | None = None,
    allow_missing: bool = False,
) -> Summary:
    """Have the videos found in folder `videos` judged into the store in folder `out`, or go on with it.

    Raises VigilError when nothing can be judged, and RuntimeFault in the end when annotated videos (of this shard) have
    no responses, unless some may be missing.
    """
    import cv2

    cv2.setNumThreads(1)  # several videos share the cores already
    if workers < 1:
        raise UsageError(f"{workers} workers can replay nothing", advice="give --workers 1 or more")
    part = Shard.parse(shard) if shard else Shard()
    coverage = match(load_dataset(dataset, annotations, ends).videos(), videos)
    if not coverage.videos:
        coverage.required(allow_missing=True)
    if not coverage.complete:
        log.warning("only %s can be judged", coverage)
    with (
        closing(StorePart(out, part.name)) as locked,  # before a model is loaded
        closing(_replayer(recipe, plan or WindowPlan(), workers, ray)) as replayer,
    ):
        progress = progress_on(sys.stderr)
        summary = replay_videos(dataset, coverage, replayer, out=out, shard=part, progress=progress, part=locked)
    _tell(summary, out)
    if not (summary.complete or allow_missing):
        count = len(summary.problems)
        raise RuntimeFault(
            f"{count} annotated {'video has' if count == 1 else 'videos have'} no responses, see above",
            advice="mend that and run it again, which judges what is left, or leave them out with --allow-missing",
        )
    return summary


def _replayer(recipe: Recipe, plan: Plan, workers: int, ray: str | None) -> Replayer:
    if ray is None:
        return LocalReplayer(recipe, plan, workers=workers)
    from offline_eval.videos.ray_pool import RayReplayer

    return RayReplayer(ray, recipe, plan, workers=workers)


def _tell(summary: Summary, out: Path) -> None:
    for problem in summary.problems:
        log.warning("%s", problem)
    log.info(
        "%d videos judged in %s and %d before: %d new windows, %d of them unknown, in %s",
        len(summary.replayed),
        in_words(summary.took_s),
        summary.resumed,
        summary.windows,
        summary.unknown,
        out,
    )
