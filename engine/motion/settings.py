"""What a user may set about the motion scorer, per camera. Knows nothing of configuration files."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.errors import UsageError
from engine.regions import Polygon, Regions


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """How one camera's motion is judged; the defaults suit a fixed camera indoors or outdoors.

    zones, masks    where to look; without zones everywhere, and masks win
    warm_up_s       how long a new camera is only learnt from; its judgements are unknown meanwhile
    background_s    time constant with which the empty picture follows slow change (daylight, sensor)
    settle_s        how long a thing must stay still to become part of the empty picture
    memory_s        time constant with which earlier motion stops counting as usual
    sensitivity     factor on how unusual motion counts: above 1 alarms sooner, below 1 later
    """

    zones: tuple[Polygon, ...] = ()
    masks: tuple[Polygon, ...] = ()
    warm_up_s: float = 8.0
    background_s: float = 20.0
    settle_s: float = 10.0
    memory_s: float = 600.0
    sensitivity: float = 1.0

    def __post_init__(self) -> None:
        for name in ("warm_up_s", "background_s", "settle_s", "memory_s", "sensitivity"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"motion: {name} is {value:g}", advice="set it above 0")
        Regions(self.zones, self.masks)

    @property
    def regions(self) -> Regions:
        return Regions(self.zones, self.masks)
