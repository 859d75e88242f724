"""Decides from one camera's score points when people are told something. A pure state machine: no clock, no delivery.

    quiet ──score >= open for min_duration──> open ──below close for close_hold──> left ──merge_gap──> quiet
                      (new)                    ^  (updates)                          │    (end: calm)
                                               └────────────score >= open────────────┘

- An event is one stretch, with one `new`, any number of `update` (none while the score is below `close`) and one
  `end`. It starts where the window begins at whose end the score first rose: the score speaks of the whole window. It
  ends where the score was last at `close` or above while open. Its severity follows its highest score so far, so it
  never falls.
- Once left, only a rise to `open` continues an event; scores between `close` and `open` no longer do.
- Unknown scores (held points) decide nothing. After `no_data_after_s` without a known one the event ends, `no_data`.
- After a delivered event, and for `cooldown_s` from where it ended or from its delivery, whichever is later, a rise of
  the same or a lower severity is suppressed. One that lasts longer is let through, and its event then starts where it
  was let through, as nobody was told of what came before; one that falls below `close` is counted, and the next `new`
  carries the count.
- An event that reaches `max_duration_s` ends. A score that just stays high is no news: the next event of the same or a
  lower severity has to wait, suppressed in the same way, until the score has been below `close` once.

Times are those of the points. What is due is decided by points, in the order of their time, as a point that is late
may still continue an event; `tick` only finds out that none come. More ticks therefore change nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from engine.errors import UsageError
from engine.types import ScorePoint


class Severity(StrEnum):
    """In rising order."""

    DETECTION = "detection"
    ALERT = "alert"

    @property
    def rank(self) -> int:
        return tuple(Severity).index(self)


class DecisionType(StrEnum):
    NEW = "new"
    UPDATE = "update"
    END = "end"


class EndReason(StrEnum):
    CALM = "calm"  # the score fell and stayed low
    MAX_DURATION = "max_duration"
    NO_DATA = "no_data"  # no known score for too long
    CLOCK_STEP = "clock_step"  # time ran back: the machine's clock was set
    CAMERA_LOST = "camera_lost"
    RECOVERED = "recovered"  # a camera's fault is over
    SOURCE_ENDED = "source_ended"  # a file is over
    RECONFIGURED = "reconfigured"  # the camera was removed or its settings were replaced
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """When a camera's score becomes an alert. `definition` names what its scores were judged against."""

    open: float = 0.6
    close: float = 0.36
    alert: float = 0.8  # from here on the severity is "alert"
    min_duration_s: float = 0.0
    close_hold_s: float = 2.0
    merge_gap_s: float = 3.0
    cooldown_s: float = 10.0
    update_every_s: float = 5.0  # at most; a rise in severity is told at once
    max_duration_s: float = 300.0
    no_data_after_s: float = 30.0
    definition: str = "default"

    def __post_init__(self) -> None:
        if not 0 <= self.close <= self.open <= self.alert <= 1:
            raise UsageError(
                f"alert thresholds close {self.close:g}, open {self.open:g}, alert {self.alert:g} are out of order",
                advice="0 <= close <= open <= alert <= 1",
            )
        for name in ("min_duration_s", "close_hold_s", "merge_gap_s", "cooldown_s", "update_every_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"alert {name} is {getattr(self, name):g}", advice="it must be 0 or above")
        for name in ("max_duration_s", "no_data_after_s"):
            if not self.min_duration_s < getattr(self, name) < math.inf:
                raise UsageError(f"alert {name} is {getattr(self, name):g}", advice="it must exceed min_duration_s")


@dataclass(frozen=True, slots=True)
class Decision:
    """One alert to tell. `point` is the newest known one, `top_point` the first with the highest score.

    Times are UTC seconds. `suppressed_count` is how many stretches people were not told of before this event.
    """

    type: DecisionType
    event_id: str
    camera: str
    start_time_s: float
    end_time_s: float | None  # None until the end
    severity: Severity
    score: float
    top_score: float
    point: ScorePoint
    top_point: ScorePoint
    threshold: float
    definition: str
    suppressed_count: int
    end_reason: EndReason | None = None


class _Known(NamedTuple):
    """A point whose score is its window's own."""

    point: ScorePoint
    score: float
    time_s: float


@dataclass(slots=True)
class _Rise:
    """A stretch above `open` that no event has come of, yet."""

    first: _Known
    top: _Known
    suppressed: bool = False


@dataclass(slots=True)
class _Event:
    id: str
    start_s: float
    newest: _Known
    top: _Known
    high_s: float  # the last time at `close` or above while open
    told_s: float  # the time of the last decision
    suppressed_count: int
    below_since_s: float | None = None  # the score has been below `close` since
    left: bool = False  # it has been for close_hold_s: only a rise to `open` continues the event
    delivered_s: float | None = None
    lingers: bool = False  # ended at max_duration and has not been below `close` since


class AlertPolicy:
    """One camera's alerts. `new_id` makes an event's id from the time it is opened at."""

    def __init__(self, camera: str, settings: PolicySettings, new_id: Callable[[float], str]) -> None:
        self.camera = camera
        self.settings = settings
        self._new_id = new_id
        self._rise: _Rise | None = None
        self._event: _Event | None = None  # the open one
        self._ended: _Event | None = None  # the one before
        self._suppressed_count = 0
        self._time_s = -math.inf  # of the newest point
        self._known_s = -math.inf  # of the newest known point

    @property
    def event_id(self) -> str | None:
        """The open event's, or None."""
        return self._event.id if self._event else None

    def push(self, point: ScorePoint) -> list[Decision]:
        """What the next point of this camera decides."""
        decisions = self._restart() if point.time_s < self._time_s else []
        self._time_s = point.time_s
        decisions += self._end_if_due(point.time_s)  # before the point counts: it may come after a hole
        if point.held or point.score is None:
            return decisions
        known = _Known(point, point.score, point.time_s)
        self._known_s = known.time_s
        if self._event is None:
            return decisions + self._watch(known)
        return decisions + self._follow(self._event, known)

    def update(self) -> Decision | None:
        """The open event as it is now, for who has other news of it; None when none is open."""
        return None if self._event is None else self._decide(DecisionType.UPDATE, self._event)

    def tick(self, time_s: float) -> list[Decision]:
        """Time has passed: an event that no known score has come for since `no_data_after_s` is ended."""
        return self._end_if_due(time_s) if self._silent(time_s) else []

    def finish(self, reason: EndReason) -> list[Decision]:
        """End what is open, because no points will come for a while or ever."""
        self._drop_rise()
        return [] if self._event is None else [self._end(self._event, reason)]

    def delivered(self, event_id: str, time_s: float) -> None:
        """People have been told of this event: its cool-down may begin. Events before the last one don't matter."""
        for event in (self._event, self._ended):
            if event is not None and event.id == event_id and event.delivered_s is None:
                event.delivered_s = time_s

    def _watch(self, known: _Known) -> list[Decision]:
        """No event is open: follow a rise, and open one when it has lasted and is not suppressed."""
        settings, rise = self.settings, self._rise
        if known.score < settings.close and self._ended is not None:
            self._ended.lingers = False
        if known.score < settings.open:
            if rise is not None and not (rise.suppressed and known.score >= settings.close):
                self._drop_rise()
            return []
        if rise is None:
            rise = self._rise = _Rise(known, known)
        rise.top = max(rise.top, known, key=lambda each: each.score)
        if known.time_s - rise.first.time_s < settings.min_duration_s:
            return []
        if self._mutes(self._severity(rise.top), known.time_s):
            rise.suppressed = True
            return []
        return [self._open(_Rise(known, known) if rise.suppressed else rise, known)]

    def _open(self, rise: _Rise, known: _Known) -> Decision:
        start_s = rise.first.time_s - rise.first.point.length_s
        if self._ended is not None:
            start_s = max(start_s, self._ended.high_s)  # windows may overlap, events don't
        event = _Event(
            id=self._new_id(known.time_s),
            start_s=start_s,
            newest=known,
            top=rise.top,
            high_s=known.time_s,
            told_s=known.time_s,
            suppressed_count=self._suppressed_count,
        )
        self._rise, self._event, self._suppressed_count = None, event, 0
        return self._decide(DecisionType.NEW, event)

    def _follow(self, event: _Event, known: _Known) -> list[Decision]:
        """An event is open: note what the point says of it, then end it, tell news of it, or neither."""
        settings, severity = self.settings, self._severity(event.top)
        event.newest = known
        event.top = max(event.top, known, key=lambda each: each.score)
        if known.score >= (settings.open if event.left else settings.close):
            event.high_s, event.below_since_s, event.left = known.time_s, None, False
        elif event.below_since_s is None:
            event.below_since_s = known.time_s
        if event.below_since_s is not None and known.time_s - event.below_since_s >= settings.close_hold_s:
            event.left = True
        if end := self._end_if_due(known.time_s):
            return end
        due = known.time_s - event.told_s >= settings.update_every_s
        if self._severity(event.top) is severity and (event.below_since_s is not None or not due):
            return []
        event.told_s = known.time_s
        return [self._decide(DecisionType.UPDATE, event)]

    def _end_if_due(self, time_s: float) -> list[Decision]:
        """Time alone ends an event: whichever bound came first, however late that is noticed."""
        if self._silent(time_s):
            self._drop_rise()
        event, settings = self._event, self.settings
        if event is None:
            return []
        bounds = [(self._known_s + settings.no_data_after_s, EndReason.NO_DATA)]
        if event.left and event.below_since_s is not None:
            bounds.append((event.below_since_s + settings.close_hold_s + settings.merge_gap_s, EndReason.CALM))
        else:
            bounds.append((event.start_s + settings.max_duration_s, EndReason.MAX_DURATION))
        due_s, reason = min(bounds)
        return [self._end(event, reason)] if time_s >= due_s else []

    def _end(self, event: _Event, reason: EndReason) -> Decision:
        event.lingers = reason is EndReason.MAX_DURATION
        self._event, self._ended = None, event
        return self._decide(DecisionType.END, event, reason)

    def _restart(self) -> list[Decision]:
        """Time ran back: end what is open, and forget the event before, whose times mean nothing now."""
        decisions = self.finish(EndReason.CLOCK_STEP)
        self._ended = None
        return decisions

    def _silent(self, time_s: float) -> bool:
        return time_s - self._known_s >= self.settings.no_data_after_s

    def _mutes(self, severity: Severity, time_s: float) -> bool:
        """Whether the event before keeps a rise of this severity from being told."""
        before = self._ended
        if before is None or severity.rank > self._severity(before.top).rank:
            return False
        if before.lingers:
            return True
        if before.delivered_s is None:
            return False
        return time_s < max(before.high_s, before.delivered_s) + self.settings.cooldown_s

    def _drop_rise(self) -> None:
        if self._rise is not None and self._rise.suppressed:
            self._suppressed_count += 1
        self._rise = None

    def _severity(self, top: _Known) -> Severity:
        return Severity.ALERT if top.score >= self.settings.alert else Severity.DETECTION

    def _decide(self, kind: DecisionType, event: _Event, reason: EndReason | None = None) -> Decision:
        return Decision(
            type=kind,
            event_id=event.id,
            camera=self.camera,
            start_time_s=event.start_s,
            end_time_s=event.high_s if kind is DecisionType.END else None,
            severity=self._severity(event.top),
            score=event.newest.score,
            top_score=event.top.score,
            point=event.newest.point,
            top_point=event.top.point,
            threshold=self.settings.open,
            definition=self.settings.definition,
            suppressed_count=event.suppressed_count,
            end_reason=reason,
        )
