"""A replay of a data set's videos from what a command line says, to its exit code. Knows no option parser."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

from engine.errors import UsageError
from engine.windows import WindowPlan
from offline_eval.datasets import LabelEnds, load_dataset, match
from offline_eval.videos.plan import Plan, Shard
from offline_eval.videos.progress import in_words, progress_on
from offline_eval.videos.run import LocalReplayer, Replayer, Summary, replay_videos
from offline_eval.videos.scorers import Recipe

log = logging.getLogger(__name__)


def replay_from_videos(
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
) -> int:
    """Replay the videos found in folder `videos` into the store in folder `out`, or go on with it.

    Returns 0 when every annotated video (of this shard) has its responses, or when some may be missing; else 1.
    Raises VigilError when nothing can be replayed.
    """
    import cv2

    cv2.setNumThreads(1)  # several videos share the cores already
    if workers < 1:
        raise UsageError(f"{workers} workers can replay nothing", advice="give --workers 1 or more")
    part = Shard.parse(shard) if shard else Shard()
    coverage = match(load_dataset(dataset, annotations, ends).videos(), videos)
    if not coverage.videos:
        coverage.required(allow_missing=True)
    plan = plan or WindowPlan()
    with closing(_replayer(recipe, plan, workers, ray)) as replayer:
        summary = replay_videos(dataset, coverage, replayer, out=out, shard=part, progress=progress_on())
    _tell(summary, out)
    return 0 if summary.complete or allow_missing else 1


def _replayer(recipe: Recipe, plan: Plan, workers: int, ray: str | None) -> Replayer:
    if ray is None:
        return LocalReplayer(recipe, plan, workers=workers)
    from offline_eval.videos.ray_pool import RayReplayer

    return RayReplayer(ray, recipe, plan, workers=workers)


def _tell(summary: Summary, out: Path) -> None:
    for problem in summary.problems:
        log.warning("%s", problem)
    log.info(
        "%d videos replayed in %s, %d were done before, %d have problems; %d windows, %d of them unknown; %s",
        len(summary.replayed),
        in_words(summary.took_s),
        summary.resumed,
        len(summary.problems),
        summary.windows,
        summary.unknown,
        out,
    )
