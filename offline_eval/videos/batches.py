"""Batches of a replay: what is in one never depends on timing, so that neither do the last digits of a score.

Each batch holds consecutive windows of one video, always as many until the video's end. Knows no scorer.
"""

from __future__ import annotations

import math
import time

from engine.batcher import MicroBatcher, Overflow
from engine.types import Window

MOST_WINDOWS = 8  # of a batch, as it and the one after are held as pixels for each video under way


class VideoBatcher(MicroBatcher):
    """Windows wait here with pixels of their own, so that a video is decoded a whole batch ahead and not further."""

    def __init__(self, size: int) -> None:
        super().__init__(max_batch=size, staleness_s=math.inf, monotonic=time.monotonic, block_depth=size)

    def offer(self, window: Window, overflow: Overflow = Overflow.KEEP_LATEST) -> bool:
        copied = window.copy()
        window.release()
        return super().offer(copied, overflow)
