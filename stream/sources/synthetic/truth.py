"""What is really going on in a scene, for tests and benchmarks: its abnormal events, in time and place."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.types import Box
from stream.sources.synthetic.camera import Camera
from stream.sources.synthetic.events import play, spans_between
from stream.sources.synthetic.options import EventSpan, SceneOptions


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The truth of the scene with these options; needs no rendering."""

    options: SceneOptions

    def events(self, until_s: float) -> list[EventSpan]:
        """Every event that starts before `until_s` and before the scene's end, by start."""
        return spans_between(self.options.events, self.options.seed, 0.0, min(until_s, self.options.duration_s))

    def boxes(self, index: int) -> list[Box]:
        """A box, labelled with its kind, around each event that is going on and in sight in frame `index`."""
        options, time_s = self.options, index / self.options.fps
        camera = Camera(options.width, options.height)
        boxes = []
        for span in spans_between(options.events, options.seed, time_s, math.nextafter(time_s, math.inf)):
            parts = [actor.box(camera) for actor in play(span, options.seed, time_s)]
            seen = [box for box in parts if box is not None]
            if seen:
                low = min(box.x1 for box in seen), min(box.y1 for box in seen)
                high = max(box.x2 for box in seen), max(box.y2 for box in seen)
                boxes.append(Box(*low, *high, label=span.kind))
        return boxes
