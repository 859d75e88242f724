"""What a camera usually sees, in a form that light hardly changes: where its edges are, and how sharp.

`look_at` measures one picture. A `View` learns from looks and says how well another one agrees with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Image

FINE_SIZE = (320, 180)  # width, height in pixels at which detail and sharpness are measured
COARSE_SIZE = (80, 48)  # ... and edges: a step of one pixel is 1.25 % of the width
LEARN_S = 30.0  # looked at for this long, a view is known
MEMORY_S = 600.0  # the time constant at which a known view follows slow changes, such as the sun's
DISTINCT = 0.25  # a usual likeness below this: everything moves, or there are no edges

Grey = NDArray[np.number[Any]]  # [H, W]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture, measured.

    `edges` [2, H, W] is how strong each place's edge is and which way it runs, without its sign: light from
    the other side turns an edge around. `detail` is how far places differ from their surroundings, in grey levels.
    `sharpness` is how much of that is fine, the same in bright and in dim light. `colour` is by how much the
    strongest of red, green and blue exceeds the weakest, in grey levels: about zero for a camera at night.
    """

    edges: NDArray[np.float32]
    detail: float
    sharpness: float
    colour: float


def look_at(image: Image) -> Look:
    """Measure an RGB picture of any size."""
    small = cv2.resize(image, COARSE_SIZE, interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), FINE_SIZE, interpolation=cv2.INTER_AREA))
    by_1, by_2, by_8 = (_blurred(grey, by_px) for by_px in (1.0, 2.0, 8.0))
    detail = _difference(by_2, by_8)
    return Look(
        edges=_edges(cv2.resize(grey, COARSE_SIZE, interpolation=cv2.INTER_AREA)),
        detail=detail,
        sharpness=_difference(by_1, by_2) / (detail + 0.05),
        colour=float((small.max(axis=2) - small.min(axis=2)).mean()),
    )


class View:
    """Learns one view. Its figures are running means, from the first look on."""

    def __init__(self) -> None:
        self._edges: NDArray[np.float32] | None = None
        self._likeness = 1.0  # of a look to the mean, usually: low where much moves
        self.seen_s = 0.0
        self.detail = 0.0
        self.sharpness = 0.0

    @property
    def is_known(self) -> bool:
        return self.seen_s >= LEARN_S

    @property
    def is_distinct(self) -> bool:
        """Whether it has lasting edges at all, by which it can be told from another view."""
        return self._likeness >= DISTINCT

    def agreement(self, look: Look) -> float:
        """How well a look agrees with the view: about 1 is as usual, 0 is not at all."""
        return self._like(look) / max(self._likeness, 0.05)

    def learn(self, look: Look, step_s: float) -> None:
        """Take in a look that stands for the last `step_s` seconds."""
        if self._edges is None:
            self._edges, self.detail, self.sharpness = look.edges.copy(), look.detail, look.sharpness
            return
        self.seen_s += step_s
        share = step_s / min(self.seen_s + 1.0, MEMORY_S)
        self._likeness += share * (self._like(look) - self._likeness)
        self._edges += share * (look.edges - self._edges)
        self.detail += share * (look.detail - self.detail)
        self.sharpness += share * (look.sharpness - self.sharpness)

    def _like(self, look: Look) -> float:
        """The cosine between the look's edges and the mean ones."""
        if self._edges is None:
            return 1.0
        lengths = cv2.norm(look.edges) * cv2.norm(self._edges)
        return float(np.vdot(look.edges, self._edges)) / max(lengths, 1e-6)


def _blurred(grey: Grey, by_px: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), by_px), np.float32)


def _difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).mean())


def _edges(grey: Grey) -> NDArray[np.float32]:
    soft = _blurred(grey, 1.0)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8)
    square = across * across + down * down
    strength = np.sqrt(square)
    # Half of the usual strength counts half, and many times it counts one: no bright lamp outweighs the rest.
    weight = strength / (strength + np.median(strength) + 0.5) / (square + 1e-6)
    return np.stack([(across * across - down * down) * weight, 2 * across * down * weight])  # twice the angle
