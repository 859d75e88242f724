"""Watches one source for a few seconds and measures what it sends. Judges nothing: `stream.doctor.camera` does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from engine.errors import SourceError
from stream.sources.base import EncodedPacket, Picture, Source, StreamInfo

LOOK_S = 5.0
LONGEST_LOOK_S = 15.0  # when no second key frame has come by then
SETTLED_S = 1.0  # a server may send what it has kept at once; from then on the pace is the camera's
KEPT_PACKETS = 64  # from the first key frame on: what a clip could begin with


@dataclass(slots=True)
class Seen:
    """What came. Times of arrival count from the call of `open`; stamps are the packets' own, in seconds."""

    live: bool
    info: StreamInfo | None = None
    error: SourceError | None = None
    first_picture_s: float | None = None
    lasted_s: float = 0.0  # from when it was open
    changes: int = 0  # of codec or size, in mid-stream
    bytes: int = 0
    arrivals_s: list[float] = field(default_factory=list)  # of packets
    stamps_s: list[float | None] = field(default_factory=list)  # of the same packets
    first_stamp_s: float = math.inf
    last_stamp_s: float = -math.inf
    keys_s: list[float] = field(default_factory=list)  # when key frames came, by the stamps where there are any
    kept: list[EncodedPacket] = field(default_factory=list)
    pictures: int = 0
    unstamped: int = 0  # pictures without a time stamp, after the first that had one
    backward: int = 0  # pictures that are not newer than the one before
    cpu_s: float = 0.0  # of the thread that reads, from the first packet on
    _newest_s: float | None = None  # stamp of a picture

    @property
    def packets(self) -> int:
        return len(self.arrivals_s)

    @property
    def arrival_span_s(self) -> float:
        return self.arrivals_s[-1] - self.arrivals_s[0] if self.arrivals_s else 0.0

    @property
    def stamp_span_s(self) -> float:
        return max(0.0, self.last_stamp_s - self.first_stamp_s)

    @property
    def pace(self) -> float | None:
        """Seconds of stamps per second of arrival; 1 for an honest camera, None when it can't be told."""
        known = [
            (arrival_s, stamp_s)
            for arrival_s, stamp_s in zip(self.arrivals_s, self.stamps_s, strict=True)
            if stamp_s is not None and arrival_s - self.arrivals_s[0] >= SETTLED_S
        ]
        if not self.live or not known or known[-1][0] - known[0][0] < SETTLED_S:
            return None
        return (known[-1][1] - known[0][1]) / (known[-1][0] - known[0][0])

    @property
    def key_intervals_s(self) -> list[float]:
        return [later_s - earlier_s for earlier_s, later_s in pairwise(self.keys_s) if later_s > earlier_s]

    @property
    def enough(self) -> bool:
        seen_s = self.lasted_s if self.live else self.stamp_span_s or self.lasted_s
        return self.lasted_s >= LONGEST_LOOK_S or seen_s >= (LOOK_S if len(self.keys_s) > 1 else LONGEST_LOOK_S)


def watch(
    source: Source,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    cpu_time: Callable[[], float] = time.thread_time,
) -> Seen:
    """Open, watch and close. Never raises SourceError: it is in what was seen, with what came before it."""
    started_s = monotonic()
    seen = Seen(source.live)
    try:
        seen.info = source.open()
        opened_s, cpu_s = monotonic(), cpu_time()
        for item in source:
            now_s = monotonic() - started_s
            seen.lasted_s, seen.cpu_s = monotonic() - opened_s, cpu_time() - cpu_s
            match item:
                case StreamInfo():
                    seen.changes += item != seen.info
                    seen.info = item
                case EncodedPacket():
                    _take_packet(seen, seen.info, item, now_s)
                case _:
                    _take_picture(seen, item, now_s)
            if seen.enough:
                break
    except SourceError as error:
        seen.error = error
    finally:
        source.close()
    return seen


def _take_packet(seen: Seen, info: StreamInfo, packet: EncodedPacket, now_s: float) -> None:
    ticks = packet.dts if packet.pts is None else packet.pts  # files often lack the first dts
    stamp_s = None if ticks is None else float(ticks * info.time_base)
    seen.arrivals_s.append(now_s)
    seen.stamps_s.append(stamp_s)
    if stamp_s is not None:
        seen.first_stamp_s = min(seen.first_stamp_s, stamp_s)
        seen.last_stamp_s = max(seen.last_stamp_s, stamp_s)
    seen.bytes += len(packet.data)
    if packet.is_key:
        seen.keys_s.append(now_s if stamp_s is None else stamp_s)
    if seen.keys_s and len(seen.kept) < KEPT_PACKETS:
        seen.kept.append(packet)


def _take_picture(seen: Seen, picture: Picture, now_s: float) -> None:
    seen.pictures += 1
    if seen.first_picture_s is None:
        seen.first_picture_s = now_s
    if picture.pts_s is None:
        seen.unstamped += seen._newest_s is not None
        return
    seen.backward += seen._newest_s is not None and picture.pts_s <= seen._newest_s
    seen._newest_s = picture.pts_s
