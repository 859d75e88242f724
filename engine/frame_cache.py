"""Remembers what was made of frames, so that windows that share frames share the work. Knows not what was made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from engine.types import Frame, Window

Value = TypeVar("Value")
_Key = tuple[str, int, int]


class FrameCache(Generic[Value]):
    """The values of at most `limit` frames, of each camera only those that a coming window can hold."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # camera -> (segment, slot) -> value; the camera that was seen longest ago is first
        self._cameras: OrderedDict[str, dict[tuple[int, int], Value]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._cameras.values()))

    def of(
        self, windows: Sequence[Window], make: Callable[[Sequence[Frame]], Sequence[Value]], *, keep: bool = True
    ) -> list[list[Value]]:
        """The values of each window's frames. `make` is given all frames without one together, or is not called.

        Without `keep`, for windows that came before, what is remembered serves them and stays as it is.
        """
        frames = {_key(frame): frame for window in windows for frame in window.frames}
        found = {key: value for key in frames if (value := self._known(key)) is not None}
        missing = [key for key in frames if key not in found]
        if missing:
            found |= zip(missing, make([frames[key] for key in missing]), strict=True)
        if keep:
            self._keep(found, windows)
        return [[found[_key(frame)] for frame in window.frames] for window in windows]

    def forget(self, camera: str) -> None:
        self._cameras.pop(camera, None)

    def clear(self) -> None:
        self._cameras.clear()

    def _known(self, key: _Key) -> Value | None:
        camera, segment, slot = key
        return self._cameras.get(camera, {}).get((segment, slot))

    def _keep(self, found: dict[_Key, Value], windows: Sequence[Window]) -> None:
        for (camera, segment, slot), value in found.items():
            self._cameras.setdefault(camera, {})[segment, slot] = value
        for window in windows:  # in time order for each camera: no coming one begins before it
            first = (window.frames[0].segment, window.frames[0].slot)
            kept = self._cameras[window.camera]
            self._cameras[window.camera] = {place: value for place, value in kept.items() if place >= first}
            self._cameras.move_to_end(window.camera)
        excess = len(self) - self._limit
        while excess > 0:
            camera, kept = next(iter(self._cameras.items()))
            for place in sorted(kept)[:excess]:
                del kept[place]
                excess -= 1
            if not kept:
                del self._cameras[camera]


def _key(frame: Frame) -> _Key:
    return frame.camera, frame.segment, frame.slot
