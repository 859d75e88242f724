"""The clip of one event: follows a camera's packet ring from before the event until after it.

Pure of threads and clocks: it does a little at each `follow`, and its times are the packets' own. Knows
one ring and one file; nothing of alerts or of other events.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from engine.errors import EvidenceError
from stream.remux import ClipWriter, browser_note
from stream.rings import PacketRing, StoredPacket
from stream.sources.base import StreamInfo


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """How much of an event a clip shows, in seconds."""

    pre_roll_s: float = 5.0
    post_roll_s: float = 5.0
    longest_s: float = 120.0


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What became of a clip. `path` is None when there is none, and then `error` or `note` says why.

    The times are those of its first and last picture. `note` is what a viewer should know of it.
    """

    path: Path | None
    start_time_s: float | None = None
    end_time_s: float | None = None
    note: str = ""
    error: str = ""


class ClipRecording:
    """Writes one event's clip as the packets come. One thread."""

    def __init__(self, path: Path, ring: PacketRing, start_time_s: float, settings: ClipSettings) -> None:
        self._path = path
        self._ring = ring
        self._position = _first_position(ring, start_time_s, settings.pre_roll_s)
        self.settings = settings
        self._end_s: float | None = None
        self._writer: ClipWriter | None = None
        self._info: StreamInfo | None = None
        self._first_s = 0.0
        self._last_s = 0.0
        self._decoded_s = 0.0  # every picture shown up to then is in the clip
        self._notes: list[str] = []
        self._result: ClipResult | None = None

    @property
    def result(self) -> ClipResult | None:
        """Set once the clip is over, whether the event is or not."""
        return self._result

    def end(self, end_time_s: float) -> None:
        """The event is over: record the post-roll, and then no more."""
        self._end_s = end_time_s + self.settings.post_roll_s

    def follow(self) -> None:
        """Write what came since the last call. A failure ends the clip, with what is there."""
        if self._result is not None:
            return
        found = self._ring.since(self._position)
        self._position = found.position
        if found.lost and self._writer is not None:
            self._note("some pictures are missing: they could not be written in time")
        over = False
        try:
            for stored in found.packets:
                over = self._covers_the_end() or self._breaks_at(stored)
                if over:
                    break
                self._write(stored)
            if over or self._covers_the_end():
                self.finish()
        except EvidenceError as error:
            self.finish(error=str(error))

    def finish(self, note: str = "", error: str = "") -> ClipResult:
        """End the clip here; `note` says why, where that is before its proper end."""
        if self._result is None:
            complete = self._end_s is not None and self._last_s >= self._end_s
            if note and not complete:
                self._note(note)
            self._result = self._finished(error)
        return self._result

    def _write(self, stored: StoredPacket) -> None:
        if self._writer is None:
            self._writer = ClipWriter(self._path, stored.info)
            self._info = stored.info
            self._first_s = stored.time_s
            if note := browser_note(stored.info.codec):
                self._note(note)
        self._writer.write(stored.packet)
        self._last_s = max(self._last_s, stored.time_s)
        self._decoded_s = max(self._decoded_s, _decoding_time_s(stored))

    def _covers_the_end(self) -> bool:
        return self._end_s is not None and self._decoded_s >= self._end_s

    def _breaks_at(self, stored: StoredPacket) -> bool:
        """Whether the clip must end before this packet, though the event goes on."""
        if self._info is None:
            return False
        if not _same_format(stored.info, self._info):
            self._note("ends where the camera changed its picture format")
            return True
        if stored.time_s - self._first_s >= self.settings.longest_s:
            self._note(f"ends after the longest time set, {self.settings.longest_s:g} s")
            return True
        return False

    def _finished(self, error: str) -> ClipResult:
        exists = False
        if self._writer is not None:
            try:
                exists = self._writer.close()
            except EvidenceError as failure:
                error = error or str(failure)
        if not exists:
            self._note("no packets came that a clip could begin with")
            return ClipResult(None, note="" if error else "; ".join(self._notes), error=error)
        return ClipResult(self._path, self._first_s, self._last_s, "; ".join(self._notes), error)

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)


def _first_position(ring: PacketRing, start_time_s: float, pre_roll_s: float) -> int:
    """Of the key frame before the pre-roll, or of a later change of format: the event itself must be in the clip."""
    position = ring.key_before(start_time_s - pre_roll_s)
    for one, other in pairwise(ring.since(position).packets):
        if other.time_s <= start_time_s and not _same_format(one.info, other.info):
            position = other.position
    return position


def _decoding_time_s(stored: StoredPacket) -> float:
    """When a packet is due to be decoded: what follows it is shown no earlier, however pictures are reordered."""
    packet = stored.packet
    if packet.pts is None or packet.dts is None:
        return stored.time_s
    return stored.time_s - float((packet.pts - packet.dts) * stored.info.time_base)


def _same_format(one: StreamInfo, other: StreamInfo) -> bool:
    """Whether packets of both fit in one file: a camera that was reopened goes on where it was."""
    return (one.header, one.time_base, one.width, one.height) == (
        other.header,
        other.time_base,
        other.width,
        other.height,
    )
