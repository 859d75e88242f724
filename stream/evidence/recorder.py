"""The evidence of every camera's open events: snapshots, and clips, each kind from a thread of its own.

A slow disk delays evidence, and never a camera; a slow clip delays no snapshot. What fails is logged, told in the
result, and costs nothing but the evidence. Knows packet rings and files; nothing of alerts, policies or the feed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EvidenceError
from engine.types import Box, Image
from stream.evidence.album import Album
from stream.evidence.clip import ClipRecording, ClipResult, ClipSettings
from stream.evidence.paths import CLEAN, event_path
from stream.evidence.retention import Retention
from stream.evidence.snapshot import draw_boxes, encode_jpeg, unsquash
from stream.remux import decode_at
from stream.rings import PacketRing

log = logging.getLogger(__name__)

_POLL_S = 0.5
_GRACE_S = 5.0  # how much longer than the post-roll a clip waits for pictures that may never come
_SWEEP_S = 60.0
_SAME_MOMENT_S = 0.5  # a packet further than this from the worst frame shows something else


_DEFAULT_CLIP = ClipSettings()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A picture of an event: `jpeg` is empty and `path` None when it could not be made or written.

    `error` says why. When the disk takes its time, `late` is done when the picture is there after all.
    """

    path: Path | None
    jpeg: bytes
    error: str = ""
    late: Future[Path] | None = None


_NO_SNAPSHOT = Snapshot(None, b"")


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """The worst frame of an event so far."""

    time_s: float
    boxes: tuple[Box, ...]


@dataclass(slots=True, eq=False)
class _Event:
    camera: str
    path: Path  # without ending
    ring: PacketRing | None
    recording: ClipRecording | None
    native_size: tuple[int, int]
    worst: _Moment | None  # None: no snapshots
    sharpened: _Moment | None = None
    done: Future[ClipResult] | None = None
    end_time_s: float = 0.0
    deadline_s: float = 0.0  # monotonic


class EvidenceWorker:
    """Snapshots and clips for any number of events of any number of cameras.

    Its methods may be called from any thread. Those that take a snapshot encode it, and wait a moment for the disk:
    they are not for an event loop.
    """

    def __init__(
        self,
        data: Path,
        *,
        retention: Retention | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._data = data
        self._retention = retention
        self._clock = clock
        self._wall_clock = wall_clock
        self._sweep_at_s = clock()
        self._lock = threading.Lock()  # of the table of events and of each event's snapshot
        self._events: dict[str, _Event] = {}
        self._cut_off: dict[str, ClipResult] = {}  # of events given up before they ended
        self._album = Album()
        self._wake = threading.Event()
        self._closing = False
        # A daemon: a disk that hangs for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="vigil-evidence", daemon=True)
        self._thread.start()

    def open_event(
        self,
        event_id: str,
        camera: str,
        ring: PacketRing | None,
        image: Image | None,
        native_size: tuple[int, int],
        boxes: Sequence[Box],
        worst_time_s: float,
        start_time_s: float,
        *,
        clip: ClipSettings | None = _DEFAULT_CLIP,
    ) -> Snapshot:
        """Begin an event's evidence: take its snapshot, and let its clip begin to grow.

        `image` is the worst frame at the scorer's size, or None for no snapshots. The snapshot is made of it now,
        and soon again from the ring's packets at the camera's own size (width, height). Without a ring there is no
        clip and no second snapshot; with `clip` None no clip.
        """
        path = event_path(self._data, start_time_s, camera, event_id)
        recording = None
        if ring is not None and clip is not None:
            recording = ClipRecording(path.with_suffix(".mp4"), ring, start_time_s, clip)
        event = _Event(camera, path, ring, recording, native_size, None)
        snapshot = _NO_SNAPSHOT if image is None else self._take_snapshot(event, image, boxes, worst_time_s)
        with self._lock:
            if not self._closing:
                self._events[event_id] = event
        self._wake.set()
        return snapshot

    def improve(self, event_id: str, image: Image, boxes: Sequence[Box], worst_time_s: float) -> Snapshot:
        """Replace an open event's snapshot by that of a worse frame."""
        with self._lock:
            event = self._events.get(event_id)
        if event is None:
            return Snapshot(None, b"", error="the event is not open")
        snapshot = self._take_snapshot(event, image, boxes, worst_time_s)
        self._wake.set()
        return snapshot

    def end_event(self, event_id: str, end_time_s: float) -> Future[ClipResult]:
        """The event is over; the future resolves when its clip is, or when the rest can't come."""
        done: Future[ClipResult] = Future()
        done.set_running_or_notify_cancel()  # whoever waits may give up; the clip goes on
        with self._lock:
            event = self._events.get(event_id)
            if event is None or event.done is not None:
                done.set_result(self._cut_off.pop(event_id, ClipResult(None, note="nothing was being recorded")))
                return done
            event.end_time_s = end_time_s
            post_roll_s = event.recording.settings.post_roll_s if event.recording else 0.0
            event.deadline_s = self._clock() + post_roll_s + _GRACE_S
            event.done = done
        self._wake.set()
        return done

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish every clip as it is and end the threads. Safe to call twice: the second call does not wait again."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        self._wake.set()
        until_s = time.monotonic() + timeout_s
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("the evidence thread is still writing after %g s: the last clips may lack their end", timeout_s)
            self._give_up("not finished in time when Vigil was stopped")
        self._album.close(max(0.0, until_s - time.monotonic()))

    def _take_snapshot(self, event: _Event, image: Image, boxes: Sequence[Box], time_s: float) -> Snapshot:
        """Make this the picture of the event, and wait a moment for the disk."""
        jpeg = b""
        try:
            jpeg, clean = _drawn(unsquash(image, event.native_size), boxes)
            with self._lock:  # which of two is the newer one is not for the disk to decide
                event.worst = _Moment(time_s, tuple(boxes))
                written = self._put(event, jpeg, clean)
            if not self._album.wait(written):
                return Snapshot(None, jpeg, error="the disk has not taken the snapshot yet", late=written)
            return Snapshot(written.result(), jpeg)
        except EvidenceError as error:
            log.warning("%s", error, extra={"camera": event.camera})
            return Snapshot(None, jpeg, error=str(error))
        except Exception:  # odd boxes, for example, must not cost the alert
            log.exception("a snapshot failed", extra={"camera": event.camera})
            return Snapshot(None, jpeg, error="an internal error, see the log")

    def _put(self, event: _Event, jpeg: bytes, clean: bytes | None) -> Future[Path]:
        if clean is not None:
            self._album.put(event.path.with_suffix(CLEAN), clean)
        return self._album.put(event.path.with_suffix(".jpg"), jpeg)

    def _run(self) -> None:
        try:
            closing = False
            while not closing:
                self._wake.wait(_POLL_S)
                self._wake.clear()
                with self._lock:
                    closing = self._closing
                    events = list(self._events.items())
                for event_id, event in events:
                    result = self._step(event, closing)
                    if result is not None:
                        self._settle(event_id, result)
                self._sweep_when_due()
        finally:
            self._give_up("the evidence thread ended")

    def _step(self, event: _Event, closing: bool) -> ClipResult | None:
        """Bring one event's evidence up to now; its clip's result when nothing more is to be done for it."""
        try:
            if event.recording is not None:
                before = event.recording.result
                self._record(event, event.recording, closing)
                if event.recording.result is not None and before is None and event.recording.result.error:
                    log.warning("%s", event.recording.result.error, extra={"camera": event.camera})
            if not closing:
                self._sharpen(event)
        except Exception:  # one event's evidence must not cost that of the others
            log.exception("evidence failed", extra={"camera": event.camera})
            return ClipResult(None, error="an internal error, see the log")
        if event.recording is None:
            return ClipResult(None, note="no clip is made of this camera") if event.done or closing else None
        return event.recording.result if event.done or closing else None

    def _record(self, event: _Event, recording: ClipRecording, closing: bool) -> None:
        late = event.done is not None and self._clock() >= event.deadline_s
        ended = event.ring is not None and event.ring.ended  # asked first: whatever it was given is followed then
        if event.done is not None:
            recording.end(event.end_time_s)
        recording.follow()
        if event.done is not None and ended:
            recording.finish(note="ends where the source ended")
        elif closing:
            recording.finish(note="ends where Vigil was stopped")
        elif late:
            recording.finish(note="ends early: the camera sent no more in time")

    def _sharpen(self, event: _Event) -> None:
        """Replace the snapshot by one of the camera's own size, once for each worst frame."""
        worst = event.worst
        if worst is None or event.sharpened is worst or event.ring is None:
            return
        event.sharpened = worst
        group = event.ring.around(worst.time_s)
        wanted = min(range(len(group)), key=lambda index: abs(group[index].time_s - worst.time_s), default=None)
        if wanted is None or abs(group[wanted].time_s - worst.time_s) > _SAME_MOMENT_S:
            return
        try:
            image = decode_at(group[wanted].info, [stored.packet for stored in group], wanted)
            jpeg, clean = _drawn(image, worst.boxes)
        except EvidenceError as error:
            _stays_small(event, error)
            return
        with self._lock:
            if event.worst is not worst:  # `improve` has put a newer one there
                return
            written = self._put(event, jpeg, clean)
        written.add_done_callback(lambda done: _stays_small(event, done.exception()))

    def _sweep_when_due(self) -> None:
        if self._retention is None or self._clock() < self._sweep_at_s:
            return
        self._sweep_at_s = self._clock() + _SWEEP_S
        with self._lock:
            keep = {event.path for event in self._events.values()}
        self._retention.sweep(self._wall_clock(), keep)

    def _settle(self, event_id: str, result: ClipResult) -> None:
        with self._lock:
            event = self._events.pop(event_id, None)
            if event is not None and event.done is None:
                self._cut_off[event_id] = result
        if event is not None and event.done is not None:
            event.done.set_result(result)

    def _give_up(self, error: str) -> None:
        with self._lock:
            self._closing = True
            left = list(self._events)
        for event_id in left:
            self._settle(event_id, ClipResult(None, error=error))


def _drawn(image: Image, boxes: Sequence[Box]) -> tuple[bytes, bytes | None]:
    """A snapshot's two JPEGs: with its boxes, and without them when it has some."""
    return encode_jpeg(draw_boxes(image, boxes)), encode_jpeg(image) if boxes else None


def _stays_small(event: _Event, error: BaseException | None) -> None:
    if error is not None:
        log.warning("the snapshot stays small: %s", error, extra={"camera": event.camera})
