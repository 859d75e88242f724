"""What the alerts of one camera are decided by. Knows no source, scorer, message or socket."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from engine.policy import AlertPolicy, Decision, EndReason
from engine.timeline import CameraTimeline
from engine.types import Definition, Judgement, ModelInfo, ScorePoint
from stream.evidence.clip import ClipSettings
from stream.rings import PacketRing

UNKNOWN_AFTER_S = 30.0  # longer than any scorer needs to get used to a camera


@dataclass(slots=True, eq=False)
class Track:
    """A camera's course by one of its definitions: the scores, and the events that come of them.

    Two tracks of a camera with equal `rules` would decide alike.
    """

    definition: Definition
    rules: Hashable
    model: ModelInfo  # who judges by it
    timeline: CameraTimeline
    policy: AlertPolicy
    unknown_since_s: float | None = None  # since when no window could be judged
    unknown_told: bool = False  # whether that was told

    def judged(self, point: ScorePoint) -> str | None:
        """What people should hear of whether windows can be judged at all, or nothing."""
        if point.cleaned is not None:
            was_told, self.unknown_since_s, self.unknown_told = self.unknown_told, None, False
            return "windows can be judged again" if was_told else None
        if self.unknown_since_s is None:
            self.unknown_since_s = point.time_s
        if self.unknown_told or point.time_s - self.unknown_since_s < UNKNOWN_AFTER_S:
            return None
        self.unknown_told = True
        return f"no window could be judged for {UNKNOWN_AFTER_S:.0f} s: {point.reason or 'no reason is known'}"


@dataclass(slots=True)
class Desk:
    """A camera's tracks, and where the evidence of its events comes from."""

    camera: str
    tracks: tuple[Track, ...]  # one at least; the first is what a scorer's judgement itself is about
    packets: PacketRing
    clip: ClipSettings | None  # None: no clips of this camera
    snapshots: bool = True
    boxes: bool = True  # whether to ask where in the picture it is
    native_size: tuple[int, int] = (16, 9)

    def judgements(self, judgement: Judgement) -> Iterator[tuple[Track, Judgement]]:
        """Each track with what was said of a window by its definition."""
        yield self.tracks[0], judgement
        for track in self.tracks[1:]:
            name = track.definition.name
            missing = Judgement.unknown(judgement.reason or f"the scorer was not asked about {name}")
            yield track, judgement.further.get(name, missing)

    def adopt(self, other: Desk, reason: EndReason) -> Iterable[tuple[Track, Decision]]:
        """Go on with another desk's tracks for the same camera; a track that is the same in both goes on as it is.

        Gives the ends of the events of those that are gone.
        """
        kept = {track.rules: track for track in self.tracks}
        before, self.tracks = self.tracks, tuple(kept.get(track.rules, track) for track in other.tracks)
        gone = [track for track in before if track not in self.tracks]
        return [(track, decision) for track in gone for decision in track.policy.finish(reason)]

    def tick(self, time_s: float) -> Iterable[tuple[Track, Decision]]:
        return [(track, decision) for track in self.tracks for decision in track.policy.tick(time_s)]

    def finish(self, reason: EndReason) -> Iterable[tuple[Track, Decision]]:
        return [(track, decision) for track in self.tracks for decision in track.policy.finish(reason)]
