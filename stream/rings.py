"""The two rings of a camera: pictures on their way to a scorer, and packets on their way to a clip.

Both are bounded and owned by one camera; its thread is their only writer. Neither knows sources, clocks,
scorers or files.

`FrameRing` hands out memory, so a reader must say what it reads: a pinned frame is never written over.
`PacketRing` hands out immutable packets, so a reader simply keeps what it got.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from engine.types import Frame, Image
from stream.sources.base import EncodedPacket, StreamInfo


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A place in the ring that its writer may fill: `image` is its memory, [H, W, 3] RGB."""

    index: int
    image: Image


class FrameRing:
    """`capacity` pictures of one size, in memory that is allocated once.

    The newest `span` frames are kept for windows still to come; the other `capacity - span` places are
    for frames that windows under way have pinned. `claim`, `commit` and `pin` belong to the writer's
    thread; what `pin` returns may be called from any.
    """

    def __init__(self, capacity: int, width: int, height: int, *, span: int) -> None:
        if not 0 <= span < capacity:
            raise ValueError(f"a ring of {capacity} frames can't keep the last {span} and take another")
        pixels = np.zeros((capacity, height, width, 3), np.uint8)
        views = pixels.view()
        views.flags.writeable = False
        self._slots = [Slot(index, pixels[index]) for index in range(capacity)]
        self._views: list[Image] = [views[index] for index in range(capacity)]
        self._span = span
        self._lock = threading.Condition()
        self._pins = [0] * capacity
        self._frames: list[Frame | None] = [None] * capacity
        self._order = deque(range(capacity))  # slots by age, oldest first; the never used ones are the oldest

    def claim(self, timeout_s: float = 0.0) -> Slot | None:
        """The oldest slot that nobody needs, to be filled; None when all are still needed after `timeout_s`.

        A claim that is not committed is given up by the next one.
        """
        with self._lock:
            index = self._free()
            if index is None and timeout_s > 0:
                self._lock.wait_for(lambda: self._free() is not None, timeout_s)
                index = self._free()
            if index is None:
                return None
            self._frames[index] = None  # from here on its old frame can't be pinned
            return self._slots[index]

    def commit(
        self, slot: Slot, *, camera: str, segment: int, number: int, pts_s: float, time_s: float, arrival_s: float
    ) -> Frame:
        """The frame in a claimed and filled slot; `number` is its place on the sampling grid (`Frame.slot`)."""
        frame = Frame(camera, segment, number, pts_s, time_s, arrival_s, self._views[slot.index])
        with self._lock:
            self._frames[slot.index] = frame
            self._order.remove(slot.index)
            self._order.append(slot.index)
        return frame

    def pin(self, frames: Iterable[Frame]) -> Callable[[], None]:
        """Keep these frames as they are until the returned function is called; calling it again does nothing.

        Raises ValueError for a frame that was written over: one older than the last `span`, and not pinned.
        """
        with self._lock:
            pinned = [self._index(frame) for frame in frames]
            for index in pinned:
                self._pins[index] += 1

        def release() -> None:
            with self._lock:
                for index in pinned:
                    self._pins[index] -= 1
                pinned.clear()
                self._lock.notify_all()

        return release

    def newest(self) -> Frame | None:
        """A copy of the newest frame, for any thread; None before the first."""
        with self._lock:
            frame = self._frames[self._order[-1]]  # within the span, so nobody writes over it meanwhile
            return None if frame is None else replace(frame, image=frame.image.copy())

    def _free(self) -> int | None:
        takable = islice(self._order, len(self._order) - self._span)
        return next((index for index in takable if not self._pins[index]), None)

    def _index(self, frame: Frame) -> int:
        for index, kept in enumerate(self._frames):
            if kept is frame:
                return index
        raise ValueError(f"frame {frame.slot} of {frame.camera} is no longer in the ring")


@dataclass(frozen=True, slots=True)
class StoredPacket:
    """A packet in its camera's ring. `position` counts every packet the ring was ever given."""

    position: int
    segment: int
    info: StreamInfo
    packet: EncodedPacket
    pts_s: float
    time_s: float


class Followed(NamedTuple):
    """What `PacketRing.since` found: the packets, where to go on, and whether some in between are gone."""

    packets: list[StoredPacket]
    position: int
    lost: bool


@dataclass(slots=True)
class _Group:
    """A group of pictures: a key frame and what follows it, which can't be decoded without it."""

    packets: list[StoredPacket] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def start_s(self) -> float:
        return self.packets[0].time_s


_OVERHEAD_BYTES = 400  # of a stored packet's objects, so that many empty packets are bounded too


class PacketRing:
    """The last packets of one camera, in whole groups of pictures, from a key frame at least `max_s` ago.

    `max_bytes` is a hard bound: the oldest groups go first, and a group that is larger by itself is dropped
    whole, its rest included, until the next key frame. `append` belongs to the camera's thread; the others
    may be called from any.
    """

    def __init__(self, max_s: float, max_bytes: int) -> None:
        self._max_s = max_s
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._groups: deque[_Group] = deque()
        self._size_bytes = 0
        self._next_position = 0
        self._awaits_key = True
        self._oversized_groups = 0
        self._is_full = False
        self._ended = False

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def oversized_groups(self) -> int:
        """Groups dropped because one alone is larger than the ring: no clip of them is possible."""
        return self._oversized_groups

    @property
    def max_s(self) -> float:
        return self._max_s

    @property
    def max_bytes(self) -> int:
        return self._max_bytes

    @property
    def is_full(self) -> bool:
        """Whether it is `max_bytes`, and not `max_s`, that the last packets had to go for."""
        return self._is_full

    @property
    def ended(self) -> bool:
        """Whether no more packets will come."""
        return self._ended

    def end(self) -> None:
        """Say that no more packets will come, to who follows."""
        self._ended = True

    def resume(self) -> None:
        """Take that back."""
        self._ended = False

    def append(self, info: StreamInfo, segment: int, packet: EncodedPacket, pts_s: float, time_s: float) -> None:
        """Keep one packet, in decoding order.

        Each stretch of a stream has its own `info` object, and its packets before its first key frame are left
        out. A new segment within a stretch is a matter of time only: its packets go on as they were.
        """
        with self._lock:
            stored = StoredPacket(self._next_position, segment, info, packet, pts_s, time_s)
            self._next_position += 1
            if self._groups and self._groups[-1].packets[-1].info is not info:
                self._awaits_key = True
            if packet.is_key:
                self._groups.append(_Group())
                self._awaits_key = False
            if self._awaits_key:
                return
            size_bytes = len(packet.data) + _OVERHEAD_BYTES
            self._groups[-1].packets.append(stored)
            self._groups[-1].size_bytes += size_bytes
            self._size_bytes += size_bytes
            while len(self._groups) > 1 and (
                self._size_bytes > self._max_bytes or self._groups[1].start_s <= time_s - self._max_s
            ):
                self._is_full = self._size_bytes > self._max_bytes
                self._drop_oldest()
            if self._size_bytes > self._max_bytes:
                self._is_full = True
                self._drop_oldest()
                self._oversized_groups += 1
                self._awaits_key = True

    def since(self, position: int) -> Followed:
        """The packets from `position` on, for a reader that follows along."""
        with self._lock:
            packets = [
                stored
                for group in self._groups
                if group.packets[-1].position >= position
                for stored in group.packets
                if stored.position >= position
            ]
        if not packets:
            return Followed(packets, position, lost=False)
        return Followed(packets, packets[-1].position + 1, lost=packets[0].position > position)

    def key_before(self, time_s: float) -> int:
        """The position of the last key frame at or before `time_s`; the oldest kept if that is later."""
        with self._lock:
            if not self._groups:
                return self._next_position
            return self._group_at(time_s).packets[0].position

    def around(self, time_s: float) -> list[StoredPacket]:
        """The group of pictures that holds `time_s`, from its key frame on; the nearest one, or none at all."""
        with self._lock:
            return list(self._group_at(time_s).packets) if self._groups else []

    def _group_at(self, time_s: float) -> _Group:
        return self._groups[max(0, bisect_right(self._groups, time_s, key=lambda group: group.start_s) - 1)]

    def _drop_oldest(self) -> None:
        self._size_bytes -= self._groups.popleft().size_bytes
