"""One camera's thread: a source's items become sampled frames, windows and kept packets, again and again.

Knows sources, time stamps, the rings and the batcher. Knows nothing of scores, alerts or other cameras.
A session has one thread for its life; `CameraKeeper` (stream.keeper) replaces it when native code hangs.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum

from engine.batcher import MicroBatcher, Overflow
from engine.errors import SourceError, SourceFault
from engine.gate import IdleGate, IdleSettings
from engine.picture import HealthSettings
from engine.types import Tier, Window
from engine.windows import Windower, WindowPlan
from stream.backoff import Backoff
from stream.clock import Clock
from stream.health import CameraHealth, Trouble
from stream.preview import Preview
from stream.rings import FrameRing, PacketRing
from stream.sources.base import EncodedPacket, Picture, Source, StreamInfo, seconds
from stream.timing import StreamClock

log = logging.getLogger(__name__)

IN_FLIGHT = 2  # windows of one camera that may be out of the ring's hands: one waiting, one being scored
ROOM_POLL_S = 0.5  # a file that waits for room in its ring looks this often whether it is to stop
KEY_GAPS = 3.0  # an idle camera is missed after so many of its longest gaps between key pictures
PACKET_GAP_S = 1.0  # a longer gap between packets counts as this much: the process may have been stopped
PACE_SLACK_S = 2.0  # a file whose stamps jump further than this is paced anew from there


class Pace(StrEnum):
    """How fast a file is played."""

    REALTIME = "realtime"  # like a camera
    MAX = "max"  # as fast as it can be scored, without losing a window


class CameraState(StrEnum):
    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"  # connected, but no picture for the stall time
    OFFLINE = "offline"  # will be tried again
    ENDED = "ended"  # a file is over
    FAILED = "failed"  # a file that can't be read: not tried again


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a camera's thread needs of its configuration. `frame_size` is (width, height) in pixels.

    `stall_s` is how long an idle camera may send packets without a key picture, or longer if its usual ones are rarer.
    """

    camera: str
    plan: WindowPlan
    frame_size: tuple[int, int]
    idle: IdleSettings = field(default_factory=IdleSettings)
    pace: Pace = Pace.REALTIME
    health: HealthSettings = field(default_factory=HealthSettings)
    stall_s: float = 4.0


@dataclass(frozen=True, slots=True)
class StateChange:
    """What a session says when its camera's state changes; `retry_s` is the wait before the next attempt."""

    camera: str
    state: CameraState
    error: SourceError | None = None
    info: StreamInfo | None = None
    retry_s: float | None = None


@dataclass(slots=True)
class SessionStats:
    """Written by the session's thread, read by anyone: plain values, exact once the thread is quiet."""

    pictures: int = 0  # decoded
    frames: int = 0  # of those, on the grid and in the ring
    dropped: Counter[str] = field(default_factory=Counter)  # pictures lost, by reason
    packets: int = 0
    connections: int = 0
    live: bool = True  # False for a file
    waiting: bool = False  # a file is held back: for its pace, or for the scorer
    trouble: Trouble | None = None  # what is wrong although pictures come
    segment: int = -1
    tier: Tier = Tier.FULL
    touched_s: float = 0.0  # monotonic time of the last sign of life of the source
    picture_s: float | None = None  # monotonic arrival of the last picture of this connection
    picture_time_s: float | None = None  # and the UTC time it was taken


class CameraSession:
    """`run` on a thread of its own; `stop` from any other. `report` is called on the session's thread."""

    def __init__(
        self,
        settings: SessionSettings,
        make_source: Callable[[], Source],
        *,
        packets: PacketRing,
        batcher: MicroBatcher,
        report: Callable[[StateChange], None],
        clock: Clock,
        rng: random.Random,
        stats: SessionStats,
        preview: Preview | None = None,
    ) -> None:
        self._settings = settings
        self._make_source = make_source
        self._packets = packets
        self._batcher = batcher
        self._report = report
        self._clock = clock
        self._backoff = Backoff(rng)
        self._stats = stats
        self._stop = threading.Event()
        self._source: Source | None = None
        width, height = settings.frame_size
        kept = settings.plan.kept
        self._ring = FrameRing(kept + IN_FLIGHT * settings.plan.frames + 2, width, height, span=kept)
        self._preview = preview or Preview(clock.monotonic)
        self._preview.behind(self._ring.newest)
        self._windower = Windower(settings.plan)
        self._gate = IdleGate(settings.idle)
        self._health = CameraHealth(settings.health)
        self._keys = 0  # key pictures so far
        self._packet_s = 0.0  # monotonic arrival of the last packet
        self._keyless_s = 0.0  # for how long packets have come since the last key picture
        self._key_gap_s = 0.0  # the longest such time after which a picture still came
        self._times: StreamClock | None = None
        self._last_slot: tuple[int, int] | None = None  # (segment, slot) already in the ring
        self._pace_start: tuple[float, float] | None = None  # (raw, monotonic)

    def run(self) -> None:
        """Watch until stopped, or until a file is over."""
        while not self._stop.is_set():
            started_s = self._stats.touched_s = self._clock.monotonic()
            self._stats.picture_s = None
            self._say(CameraState.CONNECTING)
            try:
                self.run_once()
            except SourceError as error:
                failure = error.with_traceback(None)  # whose frames would hold the source, and its decoder's memory
            except Exception as error:  # a fault in one camera's code must not end the watching
                log.exception("source failed", extra={"camera": self._settings.camera})
                failure = SourceError(f"{type(error).__name__} while reading", SourceFault.LOST)
            else:
                if not self._stop.is_set():
                    self._say(CameraState.ENDED)
                return
            if self._stop.is_set():
                return
            if self._times is not None and not self._times.live:
                self._say(CameraState.FAILED, failure)
                return
            shown_until_s = self._stats.picture_s  # an attempt that only took long to fail was no good one
            wait_s = self._backoff.next_s(lasted_s=0.0 if shown_until_s is None else shown_until_s - started_s)
            self._say(CameraState.OFFLINE, failure, retry_s=wait_s)
            self._clock.wait(self._stop, wait_s)

    def run_once(self) -> None:
        """One attempt: open, read to the end, close. Returns when a file is over or on `stop`."""
        source = self._source = self._make_source()
        if self._times is None:
            self._times = StreamClock(live=source.live, first_segment=self._stats.segment + 1)
        self._stats.live = source.live
        source.dropped = self._stats.dropped
        self._pace_start = None
        try:
            if self._stop.is_set():  # before `stop` could see the source
                return
            source.open()
            self._stats.connections += 1
            self._packet_s, self._keyless_s = self._clock.monotonic(), 0.0
            self._times.interrupt("the stream was opened")
            for item in source:
                if self._stop.is_set():
                    return
                self._take(item, source, self._times)
        finally:
            self._source = None
            source.close()

    def stop(self) -> None:
        """Make `run` return soon, also out of a blocked open or read."""
        self._stop.set()
        source = self._source
        if source is not None:
            source.close()

    def _take(self, item: StreamInfo | EncodedPacket | Picture, source: Source, times: StreamClock) -> None:
        self._stats.touched_s = self._clock.monotonic()
        match item:
            case EncodedPacket():
                self._keep(item, source, times)
            case StreamInfo():
                times.interrupt("codec or resolution changed")
                self._info = item
                self._health.opened(item, self._stats.touched_s)
                self._stats.trouble = self._health.trouble
                self._say(CameraState.LIVE, info=item)
            case _:
                self._sample(item, source, times)

    def _keep(self, packet: EncodedPacket, source: Source, times: StreamClock) -> None:
        ticks = packet.pts if packet.pts is not None else packet.dts
        raw_s = None if ticks is None else seconds(ticks, self._info.time_base)
        if not source.live and self._settings.pace is Pace.REALTIME:
            # By the order of decoding: else pictures that are told as changes of a later one come all at once.
            self._wait_for(raw_s if packet.dts is None else seconds(packet.dts, self._info.time_base))
        self._stats.packets += 1
        self._miss_keys(source)
        stamp = times.foresee(raw_s, self._clock.time())
        self._packets.append(self._info, stamp.segment, packet, stamp.pts_s, stamp.time_s)

    def _miss_keys(self, source: Source) -> None:
        """An idle camera shows its key pictures only: when they stop coming, opening it again is all that brings one.

        Raises SourceError then.
        """
        arrival_s = self._stats.touched_s
        self._keyless_s += min(arrival_s - self._packet_s, PACKET_GAP_S)
        self._packet_s = arrival_s
        patience_s = max(self._settings.stall_s, KEY_GAPS * self._key_gap_s)
        if source.live and source.keyframes_only and self._keyless_s > patience_s:
            raise SourceError(
                f"no key picture for {self._keyless_s:.0f} s, though packets come",
                SourceFault.STALLED,
                advice="let the camera send key frames at an even interval, or turn `idle` off for it",
            )

    def _sample(self, picture: Picture, source: Source, times: StreamClock) -> None:
        """Most pictures end here, unconverted: only the grid's are written into the ring."""
        stats, settings = self._stats, self._settings
        if not source.live and settings.pace is Pace.REALTIME:
            self._wait_for(picture.pts_s)
        arrival_s = self._clock.monotonic()
        stats.pictures += 1
        self._keys += picture.is_key
        self._key_gap_s = max(self._key_gap_s, self._keyless_s)
        if picture.is_key:
            self._keyless_s = 0.0
        idle = source.keyframes_only
        stamp = times.push(picture.pts_s, arrival_s, self._clock.time(), sparse=idle)
        if stamp is None:
            stats.dropped["late"] += 1
            return
        if stamp.broke:
            log.info("new segment: %s", stamp.broke, extra={"camera": settings.camera})
        if stamp.jumped:
            self._health.clock_jumped(stamp.broke, arrival_s)
        stats.segment = stamp.segment
        stats.picture_s, stats.picture_time_s = arrival_s, stamp.time_s
        self._preview.offer(picture, self._info.width, self._info.height, stamp.time_s)
        slot = settings.plan.slot(stamp.pts_s)
        place = (stamp.segment, slot)
        if place == self._last_slot or not (idle or settings.plan.wants(slot)):
            return
        lossless = not source.live and settings.pace is Pace.MAX
        claimed = self._ring.claim()
        while claimed is None and lossless and not self._stop.is_set():
            with self._waiting():
                claimed = self._ring.claim(ROOM_POLL_S)
        if claimed is None:
            stats.dropped["ring_full"] += 1
            return
        picture.write_rgb(claimed.image)
        frame = self._ring.commit(
            claimed,
            camera=settings.camera,
            segment=stamp.segment,
            number=slot,
            pts_s=stamp.pts_s,
            time_s=stamp.time_s,
            arrival_s=arrival_s,
        )
        self._last_slot = place
        stats.frames += 1
        self._health.push(frame, self._keys, arrival_s)
        stats.trouble = self._health.trouble
        stats.tier = self._gate.push(frame)
        source.keyframes_only = stats.tier is Tier.IDLE
        if stats.tier is Tier.IDLE:
            windows = self._windower.idle(frame, due=self._gate.due(frame))
        else:
            windows = self._windower.push(frame)
        for window in windows:
            self._offer(window, Overflow.BLOCK if lossless else Overflow.KEEP_LATEST)

    def _offer(self, window: Window, overflow: Overflow) -> None:
        with self._waiting():
            self._batcher.offer(replace(window, release=self._ring.pin(window.frames)), overflow)

    def _wait_for(self, raw_s: float | None) -> None:
        """Hold a file back until its time has come."""
        if raw_s is None:
            return
        now_s = self._clock.monotonic()
        if self._pace_start is None:
            self._pace_start = (raw_s, now_s)
        start_raw_s, start_s = self._pace_start
        ahead_s = start_s + raw_s - start_raw_s - now_s
        if abs(ahead_s) > PACE_SLACK_S:
            self._pace_start = (raw_s, now_s)
        elif ahead_s > 0:
            with self._waiting():
                self._clock.wait(self._stop, ahead_s)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """While it is not the source that takes its time."""
        self._stats.waiting = True
        try:
            yield
        finally:
            self._stats.touched_s = self._clock.monotonic()
            self._stats.waiting = False

    def _say(
        self,
        state: CameraState,
        error: SourceError | None = None,
        *,
        info: StreamInfo | None = None,
        retry_s: float | None = None,
    ) -> None:
        self._report(StateChange(self._settings.camera, state, error, info, retry_s))
