"""What is wrong with a camera that is live: with its picture, or for a moment with its stream.

Knows the faults and how long each is told. Knows nothing of sources, nor of who is told.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.picture import HealthSettings, PictureHealth
from engine.types import Frame
from stream.sources.base import StreamInfo

TOLD_S = 30.0  # a jump of the stream is told for this long, and a further one within it is no other one

CLOCK_JUMP = "clock_jump"
RESIZED = "resized"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A live camera's fault: its code, what it is, and what to try."""

    fault: str
    message: str
    advice: str


class CameraHealth:
    """One camera's, over all its connections. `trouble` is what is to be told now."""

    def __init__(self, settings: HealthSettings) -> None:
        self._picture = PictureHealth(settings)
        self._size: tuple[int, int] | None = None
        self._jump: Trouble | None = None
        self._jump_until_s = 0.0
        self.trouble: Trouble | None = None

    def opened(self, info: StreamInfo, now_s: float) -> None:
        """A stream begins, or goes on with another codec or resolution. `now_s` is monotonic, here and below."""
        before, self._size = self._size, (info.width, info.height)
        if before in (None, self._size):
            return
        self._picture.forget()
        self._tell(
            RESIZED,
            f"the picture is {info.width}x{info.height} now, and was {before[0]}x{before[1]}",
            "if nobody changed the camera's settings, look there; zones and masks follow the picture's proportions",
            now_s,
        )

    def clock_jumped(self, how: str, now_s: float) -> None:
        """The stream's time did not go on as time does."""
        self._tell(CLOCK_JUMP, f"the stream's clock jumped: {how}", "set the camera to a time server (NTP)", now_s)

    def push(self, frame: Frame, keys: int, now_s: float) -> None:
        """A sampled frame; `keys` counts the camera's key pictures so far, sampled or not."""
        fault = self._picture.push(frame, keys)
        if self._jump and now_s >= self._jump_until_s:
            self._jump = None
        self.trouble = self._jump or (Trouble(fault.value, fault.message, fault.advice) if fault else None)

    def _tell(self, fault: str, message: str, advice: str, now_s: float) -> None:
        if self._jump is None or self._jump.fault != fault:
            self._jump = Trouble(fault, message, advice)
        self._jump_until_s = now_s + TOLD_S
        self.trouble = self._jump
