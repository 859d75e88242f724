"""Rectangles around patches of pixels. Knows nothing of what the pixels mean."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Box

REACH_PX = 2  # patches nearer than twice this are one
SPECK = 0.001  # share of the picture below which a patch gets no box
MOST_BOXES = 5


def find_boxes(pixels: NDArray[np.bool_], weight: NDArray[np.float32]) -> tuple[Box, ...]:
    """Rectangles around the patches of `pixels`, near ones merged, the heaviest `MOST_BOXES` first."""
    if not pixels.any():
        return ()
    height, width = pixels.shape
    reach = np.ones((2 * REACH_PX + 1, 2 * REACH_PX + 1), np.uint8)
    _, patches = cv2.connectedComponents(cv2.dilate(pixels.astype(np.uint8), reach))
    y, x = np.nonzero(pixels)
    patch = patches[y, x]
    sizes = np.bincount(patch)
    weights = np.bincount(patch, weights=weight[y, x])
    boxes = []
    for index in np.argsort(-weights, kind="stable")[:MOST_BOXES]:
        if sizes[index] >= SPECK * pixels.size:
            xs, ys = x[patch == index], y[patch == index]
            left, upper, right, lower = int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1
            boxes.append(Box(left / width, upper / height, right / width, lower / height))
    return tuple(boxes)
