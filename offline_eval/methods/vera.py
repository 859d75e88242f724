"""VERA (arXiv 2412.01095) as published, from what its model answered: each step a function, each method their chain.

The authors have three scripts: for the ROC-AUC of UCF-Crime, and for the ROC-AUC and the average precision of
XD-Violence. They differ, so each is a method here, quirks kept. What is called `offline_...` needs the whole video and
cannot run live. Knows no data set, no figure and no file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError
from offline_eval.datasets.base import Video
from offline_eval.methods import corevad
from offline_eval.metrics.tracks import Bools, Floats, Ints
from offline_eval.said import Said

CENTRE_FRAMES = 16  # from one centre to the next
REACH_FRAMES = 150  # 5 s to each side at 30 frames per second, whatever the true frame rate
PICTURES = 8
PRIOR, SIGMOID = "gaussian_15_10_position_prior", "gaussian_15_10_sigmoid"  # the last stages
SHARE = 0.15  # of a video's centres that are a centre's context
SHARPNESS = 10.0
GAUSSIAN_SIZE, GAUSSIAN_SIGMA = 15, 10.0
_BLOCK = 1 << 22  # similarities at a time: some 100 MB with what is made of them

Features = NDArray[np.floating]  # [H, D]
Stages = dict[str, Floats]
"""A score per frame [N] by name, from the first step to the last: the rows of the paper's ablation."""


@dataclass(frozen=True, slots=True, eq=False)
class Initial:
    """One video's windows, by centre: what the model answered, and what the window looks like.

    ImageBind's features in the paper; any will do whose cosine says how alike two windows look.
    """

    scores: Floats  # [H], 0 or 1 in the paper
    features: Features  # [H, D], no row of them zero

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) != len(self.scores):
            raise UsageError(f"{len(self.scores)} initial scores and features {self.features.shape} do not fit")


Method = Callable[[Initial, int], Stages]
"""What is made of a video with so many frames. The last stage is the method's own."""


def centres(frame_count: int) -> range:
    """The frames around which windows lie."""
    return range(0, frame_count, CENTRE_FRAMES)


def offline_windows(frame_count: int) -> Ints:
    """The eight frames of each centre's window that the model sees [H, 8].

    They are even steps from the window's first frame on, where the next step would end it; a window is cut at the
    video's ends. Half of it lies in its centre's future.
    """
    around = np.array(centres(frame_count))
    start = np.maximum(around - REACH_FRAMES, 0)
    step = (np.minimum(around + REACH_FRAMES, frame_count) - start) / PICTURES
    pictures: Ints = (start[:, None] + np.arange(PICTURES) * step[:, None]).astype(np.int64)
    return pictures


def initial_of(video: Video, said: Said) -> Initial:
    """What was said of VERA's windows. A centre without a score or vector counts as the known one before it.

    Raises UsageError where the windows are others, or none has both.
    """
    if [each.window.index for each in said.windows] != list(range(len(centres(video.known_frame_count())))):
        raise UsageError(
            f"what was said of {video.name} is not about windows around every {CENTRE_FRAMES}th frame",
            advice="judge the videos for this method, or give its initial scores and features",
        )
    judged = [(each.judgement.score, each.judgement.vector) for each in said.windows]
    known = [index for index, (score, vector) in enumerate(judged) if score is not None and vector is not None]
    if not known:
        raise UsageError(
            f"no window of {video.name} has both a score and a vector", advice="take a scorer that gives vectors"
        )
    held = [judged[known[max(bisect_right(known, index) - 1, 0)]] for index in range(len(judged))]
    return Initial(np.array([score for score, _ in held], float), np.array([vector for _, vector in held]))


def offline_scene_context(scores: Floats, features: Features, *, all_up_to: int = 6) -> Floats:
    """Each centre's score is the mean score of the centres that look most like it, itself among them [H].

    They are int(0.15 H) and weigh exp(10 * cosine). Up to `all_up_to` centres all are taken: int(0.15 * 6) is 0, and
    the published slice `[-0:]` takes everything, so it is never less than 6. Of those that look exactly as much alike
    the later ones are taken, where the published sort leaves it to chance.
    """
    count = len(scores)
    top = count if count <= all_up_to else int(SHARE * count)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    mixed = np.empty(count)
    rows = max(1, _BLOCK // count)
    for start in range(0, count, rows):
        alike = unit[start : start + rows] @ unit.T  # [R, H]
        weights = np.where(_highest(alike, top), np.exp(SHARPNESS * (alike - alike.max(1, keepdims=True))), 0)
        mixed[start : start + rows] = weights @ scores / weights.sum(1, dtype=np.float64)
    return mixed


def _highest(values: Features, top: int) -> Bools:
    """Which are the `top` highest of each row, the later of equal ones."""
    least = np.partition(values, -top, axis=1)[:, [-top]]
    chosen: Bools = values >= least
    for row in np.flatnonzero(chosen.sum(1) > top):
        equal = np.flatnonzero(values[row] == least[row])
        chosen[row, equal[: chosen[row].sum() - top]] = False
    return chosen


def offline_gaussian(values: Floats) -> Floats:
    """Smoothed over centres, zeros outside, with CoReVAD's lopsided kernel: -8 to 7 centres for 15."""
    kernel = corevad.gaussian_kernel(GAUSSIAN_SIZE, GAUSSIAN_SIGMA)
    return corevad.offline_gaussian(values, kernel)[: len(values)]


def rounded(values: Floats) -> Floats:
    """To 0.1 as NumPy does, also in the published code: 0.15 and 0.25 both become 0.2."""
    return np.round(values, 1)


def sigmoid(values: Floats) -> Floats:
    return 1 / (1 + np.exp(-values))


def to_frames(values: Floats, frame_count: int) -> Floats:
    """Each centre's value for its frame and those until the next centre."""
    return np.repeat(values, CENTRE_FRAMES)[:frame_count]


def roc_auc_protocol(initial: Initial, frame_count: int, *, all_up_to: int = 6) -> Stages:
    """For ROC-AUC: rounded, and weighed by the place in the video.

    UCF-Crime: 76.10 (answers), 84.53 (context), 85.48 (smoothing), 86.55 (prior); the paper does not say which of the
    first three were rounded.
    """
    stages = _up_to_gaussian(initial, frame_count, all_up_to)
    stages["gaussian_15_10"] = rounded(stages["gaussian_15_10"])
    prior = corevad.offline_position_prior(frame_count)
    return stages | {PRIOR: stages["gaussian_15_10"] * prior}


def average_precision_protocol(initial: Initial, frame_count: int) -> Stages:
    """For average precision: through a sigmoid and rounded only then, so that 0.5, 0.6 and 0.7 are all there is.

    No prior, and fewer frames than the video has: all stages are cut to `average_precision_frames`.
    """
    stages = _up_to_gaussian(initial, frame_count, all_up_to=6)
    stages[SIGMOID] = rounded(sigmoid(stages["gaussian_15_10"]))
    return {name: scores[: average_precision_frames(frame_count)] for name, scores in stages.items()}


def average_precision_frames(frame_count: int) -> int:
    """Without the last frame, and of the others without those beyond a multiple of 16: 81 frames become 80."""
    return (frame_count - 1) // CENTRE_FRAMES * CENTRE_FRAMES


def _up_to_gaussian(initial: Initial, frame_count: int, all_up_to: int) -> Stages:
    needed = len(centres(frame_count))
    if len(initial.scores) != needed:
        raise UsageError(f"{len(initial.scores)} initial scores for the {needed} centres of {frame_count} frames")
    context = offline_scene_context(initial.scores, initial.features, all_up_to=all_up_to)
    steps = {"initial": initial.scores, "scene_context": context, "gaussian_15_10": offline_gaussian(context)}
    return {name: to_frames(values, frame_count) for name, values in steps.items()}


METHODS: Mapping[str, Method] = {
    "vera": roc_auc_protocol,
    "vera-xd-auc": partial(roc_auc_protocol, all_up_to=10),
    "vera-xd-ap": average_precision_protocol,
}
"""The published scripts: UCF-Crime's, and the two of XD-Violence."""
