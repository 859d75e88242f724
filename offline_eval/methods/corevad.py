"""CoReVAD (arXiv 2605.23116) as published, from recorded responses: each stage a function, each method a composition.

This is the offline method, quirks kept, so that its printed figures come out. What is called `offline_...` needs
the whole video and cannot run live; the live forms are in `engine`. Knows no data set and no figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from engine.errors import UsageError
from offline_eval.methods.base import Recorded, Vectors
from offline_eval.metrics.tracks import Floats, Ints

SEGMENT_FRAMES = 30  # whatever the frame rate
SEGMENT_PICTURES = 8
TAU = 0.05
GAUSSIAN_SIZE, GAUSSIAN_SIGMA = 9, 5.0
EWMA_ALPHA = 0.2
_ABNORMAL = "anomalous scenes"


def segments(frame_count: int) -> list[tuple[int, int]]:
    """Step 1: [start, end) of each segment; the last one may be short."""
    return [(start, min(start + SEGMENT_FRAMES, frame_count)) for start in range(0, frame_count, SEGMENT_FRAMES)]


def segment_pictures(start: int, end: int) -> Ints:
    """Step 1: the frames of a segment that the model sees: eight, or all where there are no more."""
    if end - start <= SEGMENT_PICTURES:
        return np.arange(start, end)
    return np.linspace(start, end - 1, SEGMENT_PICTURES).astype(np.int64)


def labels(responses: Sequence[str]) -> Floats:
    """1 where the verdict is anomalous, else 0. Anything that is no such verdict is 0 too: a quirk."""
    return np.array([response.casefold().startswith(_ABNORMAL) for response in responses], float)


def offline_cleaning(vectors: Vectors) -> Ints:
    """Step 4: for each segment, which of the responses before, at and after it describes it best [S]."""
    count = len(vectors.segments)
    # At the ends the neighbour that is not there is the segment itself.
    around = (np.arange(count)[:, None] + (-1, 0, 1)).clip(0, count - 1)
    fits = np.einsum("sd,snd->sn", vectors.segments, vectors.responses[around])
    best: Ints = around[np.arange(count), fits.argmax(1)]
    return best


def offline_refinement(sentences: Floats, segment_vectors: Floats, verdicts: Floats) -> Floats:
    """Step 5: each segment's score is the mean verdict of all segments, by how well their sentences fit it."""
    weights: Floats = softmax(segment_vectors @ sentences.T / TAU, axis=1)
    scores: Floats = weights @ verdicts
    return scores


def gaussian_kernel(size: int = GAUSSIAN_SIZE, sigma: float = GAUSSIAN_SIGMA) -> Floats:
    """Sampled from -size // 2: for an odd size that is lopsided, -5 to 4 for 9. A quirk."""
    bell: Floats = np.exp(-((np.linspace(-size // 2, size // 2, size) / sigma) ** 2) / 2)
    bell /= bell.sum()
    return bell


def offline_gaussian(values: Floats, kernel: Floats | None = None) -> Floats:
    """Step 6: smooth over segments, zeros outside. Fewer values than the kernel come back as many as it: a quirk."""
    return np.convolve(values, gaussian_kernel() if kernel is None else kernel, mode="same")


def causal_ewma(values: Floats, alpha: float = EWMA_ALPHA) -> Floats:
    """Plain exponentially weighted mean that starts from 0."""
    result, mean = np.empty(len(values)), 0.0
    for index, value in enumerate(values):
        mean += alpha * (value - mean)
        result[index] = mean
    return result


def to_frames(values: Floats, frame_count: int) -> Floats:
    """Step 7: each segment's value for each of its frames, cut at the video's end."""
    return np.repeat(values, SEGMENT_FRAMES)[:frame_count]


def offline_position_prior(frame_count: int) -> Floats:
    """Step 7: a bell over the video's length [N], highest in its middle."""
    width = max(int(0.5 * frame_count), 1)  # a single frame has no width
    return np.exp(-(((np.arange(frame_count) - frame_count // 2) / width) ** 2) / 2)


def raw_labels(video: Recorded) -> Floats:
    return to_frames(labels(video.responses), video.frame_count)


def gaussian(video: Recorded) -> Floats:
    return to_frames(offline_gaussian(labels(video.responses)), video.frame_count)


def gaussian_and_prior(video: Recorded) -> Floats:
    """The published procedure without CLIP: 82.515 AUC on UCF-Crime from the authors' cleaned responses."""
    return gaussian(video) * offline_position_prior(video.frame_count)


def ewma(video: Recorded) -> Floats:
    return to_frames(causal_ewma(labels(video.responses)), video.frame_count)


def refined(video: Recorded) -> Floats:
    """The whole procedure, from cleaned responses and their vectors."""
    vectors = _vectors(video)
    scores = offline_refinement(vectors.sentences, vectors.segments, labels(video.responses))
    return to_frames(offline_gaussian(scores), video.frame_count) * offline_position_prior(video.frame_count)


def cleaned_and_refined(video: Recorded) -> Floats:
    """The whole procedure, from the model's own responses and their vectors."""
    vectors = _vectors(video)
    best = offline_cleaning(vectors)
    clean = Vectors(vectors.segments, vectors.responses[best], vectors.sentences[best])
    return refined(Recorded(video.name, tuple(video.responses[i] for i in best), video.frame_count, clean))


def _vectors(video: Recorded) -> Vectors:
    if video.vectors is None:
        raise UsageError(f"{video.name}: this method needs CLIP vectors", advice="choose one without refinement")
    count = len(video.responses)
    shapes = {video.vectors.segments.shape, video.vectors.responses.shape, video.vectors.sentences.shape}
    if len(shapes) != 1 or video.vectors.segments.ndim != 2 or len(video.vectors.segments) != count:
        raise UsageError(
            f"{video.name}: vectors of shapes {', '.join(map(str, sorted(shapes)))} for {count} responses",
            advice="give one vector of each kind per segment",
        )
    return video.vectors
