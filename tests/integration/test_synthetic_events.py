"""The simulated camera's events are abnormal to the default scorer, and its calm is not: the demo depends on it."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from engine.motion import MotionScorer
from engine.types import Frame, Window
from stream.sources.base import EncodedPacket, StreamInfo
from stream.sources.synthetic import SyntheticSource

FPS = 8
SETTLED_S = 24  # by then the scorer has seen what is usual


def scores(url: str) -> list[float | None]:
    """The motion scorer's score of every second of the scene."""
    source, scorer = SyntheticSource(url), MotionScorer()
    width, height = scorer.frame_size
    source.open()
    judged: list[float | None] = []
    frames: list[Frame] = []
    for item in source:
        if isinstance(item, StreamInfo | EncodedPacket):
            continue
        image = np.empty((height, width, 3), np.uint8)
        item.write_rgb(image)
        slot, pts_s = len(judged) * FPS + len(frames), item.pts_s or 0.0
        frames.append(Frame("front", 0, slot, pts_s, 1_700_000_000.0 + pts_s, pts_s, image))
        if len(frames) == FPS:
            window = Window("front", 0, len(judged), tuple(frames), 1.0)
            judged.append(scorer.score([window])[0].score)
            frames = []
    source.close()
    scorer.close()
    return judged


def known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


@pytest.mark.parametrize(
    ("seed", "kind", "night"),
    [(7, "fight", 0), (2, "fight", 1), (3, "vehicle", 0), (4, "smoke", 0), (5, "run", 0)],
)
def test_an_event_scores_far_above_the_calm_around_it(seed: int, kind: str, night: int) -> None:
    judged = scores(f"synthetic://?seed={seed}&fps={FPS}&night={night}&duration=52&events={kind}@36")
    calm = known(judged[SETTLED_S:31])
    during = known(judged[36:46])
    assert len(calm) == 31 - SETTLED_S
    assert statistics.median(calm) < 0.3
    assert max(during) > 0.5
    assert max(during) > 2 * statistics.median(calm)
