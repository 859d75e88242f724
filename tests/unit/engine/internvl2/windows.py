"""Windows of noise, whose frames can be told apart, for tests of what looks at pixels."""

from __future__ import annotations

import numpy as np

from engine.types import Frame, Window


def window(
    side: int, first: int = 0, *, frames: int = 4, camera: str = "front", segment: int = 0, index: int = 0
) -> Window:
    """The frames of so many slots from `first` on; a frame's picture depends on camera, segment and slot alone."""
    return Window(
        camera,
        segment,
        index,
        tuple(frame(side, slot, camera=camera, segment=segment) for slot in range(first, first + frames)),
        frames / 8,
    )


def frame(side: int, slot: int, *, camera: str = "front", segment: int = 0) -> Frame:
    noise = np.random.default_rng([slot, segment, *camera.encode()])
    # A few large blocks rather than fine noise, which a model sees as grey.
    image = noise.integers(0, 256, (4, 4, 3), np.uint8).repeat(side // 4, axis=0).repeat(side // 4, axis=1)
    image.setflags(write=False)
    pts_s = slot / 8
    return Frame(camera, segment, slot, pts_s, 1_700_000_000.0 + pts_s, 100.0 + pts_s, image)
