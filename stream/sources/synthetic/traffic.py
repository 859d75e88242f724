"""The calm life of the street: who walks and drives where at a given time.

Every lane sends somebody every so often, the k-th at a time and with looks that depend on (seed, lane, k)
alone, so any moment can be asked for in any order.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from stream.sources.synthetic.actors import Actor
from stream.sources.synthetic.people import STRIDE_M, Look, Person, gait
from stream.sources.synthetic.vehicles import HATCHBACK, Car

_TOPS = (
    (58, 74, 104),
    (124, 46, 44),
    (66, 92, 70),
    (172, 160, 138),
    (52, 52, 58),
    (148, 116, 64),
    (96, 82, 116),
    (180, 178, 176),
)
_TROUSERS = ((42, 46, 60), (58, 54, 50), (34, 34, 38), (82, 84, 92), (96, 82, 62))
_SKINS = ((206, 164, 138), (172, 126, 98), (118, 82, 62), (224, 186, 160))
_HAIRS = ((42, 32, 28), (88, 64, 42), (28, 26, 26), (150, 138, 122), (120, 84, 44))
_PAINTS = ((150, 154, 160), (44, 48, 56), (120, 34, 34), (42, 66, 106), (206, 206, 204), (84, 92, 84), (176, 150, 96))

_FIRST_K = 1000  # the scene is already in full swing at its start: negative k count from here


@dataclass(frozen=True, slots=True)
class Lane:
    z: float
    direction: int
    speed_m_s: float
    every_s: float
    drives: bool = False


# On the forecourt and the one-way street everybody goes to the right, and nobody comes near the camera: somebody
# who runs to the left, or scuffles in the foreground, stands out.
LANES = (
    Lane(z=9.2, direction=1, speed_m_s=1.3, every_s=8.0),
    Lane(z=8.2, direction=1, speed_m_s=1.35, every_s=13.0),
    Lane(z=18.3, direction=1, speed_m_s=1.25, every_s=11.0),
    Lane(z=19.4, direction=-1, speed_m_s=1.3, every_s=10.0),
    Lane(z=12.9, direction=1, speed_m_s=4.0, every_s=8.0, drives=True),
)


@dataclass(frozen=True, slots=True)
class _Passer:
    starts: float  # in units of the lane's interval
    speed: float  # in units of the lane's speed
    aside_m: float
    look: Look
    colour: tuple[int, int, int]


@functools.lru_cache(maxsize=1024)
def make_look(*key: int) -> Look:
    """A person's looks, the same for equal keys."""
    rng = np.random.default_rng(key)
    return Look(
        height_m=float(rng.uniform(1.6, 1.88)),
        girth=float(rng.uniform(0.9, 1.18)),
        top=_TOPS[rng.integers(len(_TOPS))],
        trousers=_TROUSERS[rng.integers(len(_TROUSERS))],
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.integers(len(_HAIRS))],
    )


@functools.lru_cache(maxsize=1024)
def _passer(seed: int, lane: int, k: int) -> _Passer:
    rng = np.random.default_rng((seed, lane, k + _FIRST_K))
    return _Passer(
        starts=k + float(rng.uniform(0, 0.65)),
        speed=float(rng.uniform(0.88, 1.12)),
        aside_m=float(rng.uniform(-0.3, 0.3)),
        look=make_look(seed, lane, k + _FIRST_K),
        colour=_PAINTS[rng.integers(len(_PAINTS))],
    )


def edge_m(z: float, margin_m: float) -> float:
    """How far to the side one is out of sight at this depth."""
    return 0.80 * z + 1.2 + margin_m


def passers_by(seed: int, time_s: float, density: float) -> list[Actor]:
    """Everybody in the calm scene at `time_s`; `density` 1 is usual, 0 is nobody."""
    if density == 0:
        return []
    actors: list[Actor] = []
    for index, lane in enumerate(LANES):
        every_s = lane.every_s / density
        half_m = edge_m(lane.z, 2.5 if lane.drives else 0.4)
        slowest_s = 2 * half_m / (lane.speed_m_s * 0.88)
        for k in range(math.floor((time_s - slowest_s) / every_s) - 1, math.floor(time_s / every_s) + 1):
            passer = _passer(seed, index, k)
            # Cars of a lane keep one speed, so none drives through another.
            speed = lane.speed_m_s * (1.0 if lane.drives else passer.speed)
            gone_m = (time_s - passer.starts * every_s) * speed
            if not 0 <= gone_m <= 2 * half_m:
                continue
            x, heading = lane.direction * (gone_m - half_m), 0.0 if lane.direction > 0 else math.pi
            if lane.drives:
                actors.append(Car(HATCHBACK, passer.colour, x, lane.z, heading, gone_m))
            else:
                pose = gait(2 * math.pi * gone_m / STRIDE_M[False] + 6 * passer.aside_m, run=False)
                actors.append(Person(passer.look, x, lane.z + passer.aside_m, heading, pose))
    return actors
