"""The seam between what is in the scene and how a frame is put together."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from engine.types import Box, Image
from stream.sources.synthetic.camera import Camera


class Actor(Protocol):
    """Something at one place in one pose; it knows nothing of time, traffic or events."""

    @property
    def depth_m(self) -> float:
        """Distance from the camera's foot; farther actors are drawn first."""
        ...

    def draw(self, canvas: Image, camera: Camera) -> None:
        """Draw it as by day."""
        ...

    def box(self, camera: Camera) -> Box | None:
        """The box around it in the picture, None when outside."""
        ...


@runtime_checkable
class Shining(Protocol):
    """An actor with a light of its own."""

    def draw_glow(self, canvas: Image, camera: Camera) -> None:
        """Draw what shines at night, after the night has fallen on the canvas."""
        ...
