"""A camera's faults as events: one begins when a fault has lasted, and is over when all has been well for a while.

Knows faults by their codes, not where they come from nor who is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from engine.explanation import ExplanationState
from engine.policy import EndReason
from stream.clock import Clock
from stream.feed.messages import AlertMessage, AlertModel, AlertTiming

DEFINITION = "camera"
SEVERITY = "fault"
CERTAIN = 1.0  # the score: nothing was guessed
WELL_S = 30.0  # without a fault before an event is over: a camera that comes and goes is one event
UPDATE_EVERY_S = 60.0  # at most, when one fault has become another

_MODEL = AlertModel(scorer="health", name="health")


class _Moment(NamedTuple):
    utc_s: float
    monotonic_s: float


class FaultEvents:
    """One camera's, of which at most one is open. Without `after_s` there are none. Used on the event loop.

    `push` and `finish` give the alert that is to be told now, if there is one.
    """

    def __init__(self, camera: str, new_id: Callable[[], str], clock: Clock, after_s: float | None) -> None:
        self._camera = camera
        self._new_id = new_id
        self._clock = clock
        self._after_s = after_s
        self._wrong_since: _Moment | None = None
        self._well_since: _Moment | None = None
        self._told: AlertMessage | None = None  # the last of the open event
        self._told_s = 0.0  # monotonic

    def push(self, fault: str | None, message: str = "", advice: str = "") -> AlertMessage | None:
        """What is wrong with the camera now, or nothing. To be called now and then, for time has to pass."""
        if self._after_s is None:
            return None
        now = _Moment(self._clock.time(), self._clock.monotonic())
        if fault is None:
            return self._well(now)
        self._well_since, self._wrong_since = None, self._wrong_since or now
        says = f"{_capital(fault.replace('_', ' '))}: {message}. {_capital(advice)}."
        if self._told is None and now.monotonic_s - self._wrong_since.monotonic_s >= self._after_s:
            return self._begin(fault, says, now)
        if self._told and fault != self._told.fault and now.monotonic_s - self._told_s >= UPDATE_EVERY_S:
            return self._tell(replace(self._told, type="update", fault=fault, explanation=says), now)
        return None

    def finish(self, reason: EndReason) -> AlertMessage | None:
        """The camera is not watched any more, or not as it was."""
        return self._end(self._clock.time(), reason)

    def _well(self, now: _Moment) -> AlertMessage | None:
        self._wrong_since, self._well_since = None, self._well_since or now
        lasted = now.monotonic_s - self._well_since.monotonic_s >= WELL_S
        return self._end(self._well_since.utc_s, EndReason.RECOVERED) if lasted else None

    def _begin(self, fault: str, says: str, now: _Moment) -> AlertMessage:
        assert self._wrong_since is not None
        began_s = self._wrong_since.utc_s
        message = AlertMessage(
            type="new",
            id=self._new_id(),
            camera=self._camera,
            time=now.utc_s,
            start_time=began_s,
            severity=SEVERITY,
            score=CERTAIN,
            top_score=CERTAIN,
            threshold=CERTAIN,
            definition=DEFINITION,
            fault=fault,
            explanation=says,
            explanation_state=ExplanationState.PROVISIONAL.value,
            timing=AlertTiming(frame_time=began_s, window_end=began_s, scored_time=now.utc_s, published_time=now.utc_s),
            model=_MODEL,
        )
        return self._tell(message, now)

    def _tell(self, message: AlertMessage, now: _Moment) -> AlertMessage:
        timing = replace(message.timing, published_time=now.utc_s)
        self._told, self._told_s = replace(message, time=now.utc_s, timing=timing), now.monotonic_s
        return self._told

    def _end(self, end_s: float, reason: EndReason) -> AlertMessage | None:
        told, self._told, self._wrong_since = self._told, None, None
        if told is None:
            return None
        now_s = self._clock.time()
        return replace(
            told,
            type="end",
            time=now_s,
            end_time=max(told.start_time, end_s),
            end_reason=reason.value,
            explanation_state=ExplanationState.FINAL.value,
            timing=replace(told.timing, published_time=now_s),
        )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
