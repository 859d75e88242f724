"""One camera as the watch sees it: the thread that reads it, the desk that decides its alerts, and its state."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable

from engine.batcher import MicroBatcher
from engine.errors import SourceError, SourceFault
from engine.policy import EndReason
from stream.clock import Clock
from stream.config.models import CameraConfig
from stream.desk import Desk
from stream.faults import FaultEvents
from stream.feed.messages import HEARTBEAT_S, AlertMessage, StatusMessage
from stream.health import Trouble
from stream.keeper import CameraKeeper, Report
from stream.metrics import Metrics
from stream.preview import Preview
from stream.session import CameraSession, CameraState, Pace, SessionSettings, SessionStats, StateChange
from stream.sources.base import Source
from stream.wiring.cameras import open_timeout_s, stall_s, waits_for

log = logging.getLogger(__name__)

# Not live, and not over either.
DOWN = {CameraState.CONNECTING, CameraState.STALLED, CameraState.OFFLINE, CameraState.FAILED}


class Camera:
    """Its keeper's thread reports to `report`; everything else happens on the event loop."""

    def __init__(
        self,
        name: str,
        config: CameraConfig,
        desk: Desk,
        *,
        new_id: Callable[[], str],
        make_source: Callable[[CameraConfig], Source],
        frame_size: tuple[int, int],
        batcher: MicroBatcher,
        report: Callable[[StateChange], None],
        clock: Clock,
        first_segment: int = 0,
    ) -> None:
        self.name = name
        self.config = config
        self.desk = desk
        self.finished = False  # its last window has been judged and its events are ended
        self.preview = Preview(clock.monotonic)
        self._clock = clock
        self._last = StateChange(name, CameraState.CONNECTING)
        self._since_s = clock.time()
        self._told_s = 0.0  # monotonic
        self._fps: float | None = None
        self._fps_from = (clock.monotonic(), 0)  # when pictures were last counted, and how many there were
        self._trouble: Trouble | None = None
        self._events = FaultEvents(name, new_id, clock, config.health.alert_after_s if config.health.alerts else None)
        self._fault: str | None = None  # as the metric has it
        settings = SessionSettings(
            name,
            config.window.plan(),
            frame_size,
            config.idle.settings(),
            Pace(config.pace),
            config.health.settings(),
            stall_s(config),
        )

        def make_session(report: Report, stats: SessionStats) -> CameraSession:
            return CameraSession(
                settings,
                lambda: make_source(config),
                packets=desk.packets,
                batcher=batcher,
                report=report,
                clock=clock,
                rng=random.Random(),
                stats=stats,
                preview=self.preview,
            )

        self.keeper = CameraKeeper(
            name,
            make_session,
            report=report,
            clock=clock,
            stall_s=stall_s(config),
            open_timeout_s=open_timeout_s(config),
        )
        self.keeper.stats.segment = first_segment - 1

    @property
    def state(self) -> CameraState:
        return self._last.state

    @property
    def error(self) -> SourceError | None:
        """Why it is in its state, when that is not a good one."""
        return self._last.error

    def change(self, change: StateChange, metrics: Metrics) -> None:
        """Take note of a new state, and tell the log."""
        if change.info is not None:
            self.desk.native_size = (change.info.width, change.info.height)
        if change.state is not self._last.state:
            if not {change.state, self._last.state} <= DOWN:  # trying again in vain, it is down since it was before
                self._since_s = self._clock.time()
            self._trouble = None  # told again if it is still there when the camera is live
        # The keeper and the source may both notice one stall, in this order.
        if change.error and change.error.fault is SourceFault.STALLED and self.state is not CameraState.STALLED:
            metrics.source_stalls.labels(self.name).inc()
        self._last = change
        metrics.source_up.labels(self.name).set(change.state is CameraState.LIVE)
        self._count_fault(metrics)
        level = logging.WARNING if change.error else logging.INFO
        log.log(level, "%s", _describe(change), extra={"camera": self.name})

    def status(self, last_alert_seq: int, epoch: str, outbox_pending: int = 0) -> StatusMessage:
        self._told_s = self._clock.monotonic()
        wrong = self._last.error or self._trouble
        waits = waits_for(self.config) if self.state is CameraState.CONNECTING else None
        return StatusMessage(
            camera=self.name,
            state=self._last.state.value,
            since=self._since_s,
            time=self._clock.time(),
            fault=str(wrong.fault) if wrong else None,
            message=wrong.message if wrong else waits,
            advice=wrong.advice if wrong else None,
            fps=self._fps,
            reconnects=self._reconnects,
            last_alert_seq=last_alert_seq,
            epoch=epoch,
            outbox_pending=outbox_pending,
        )

    def fault_alert(self) -> AlertMessage | None:
        """What is to be told of its faults. While it is being opened it is as it was."""
        if self.state is CameraState.CONNECTING:
            return None
        wrong = self._last.error or self._trouble
        return self._events.push(str(wrong.fault), wrong.message, wrong.advice) if wrong else self._events.push(None)

    def last_fault_alert(self, reason: EndReason) -> AlertMessage | None:
        """It is not watched any more, or not as it was."""
        return self._events.finish(reason)

    @property
    def heartbeat_due(self) -> bool:
        """Whether its status is to be told: that was long ago, or there is something new."""
        return self._clock.monotonic() - self._told_s >= HEARTBEAT_S

    def measure(self, metrics: Metrics) -> None:
        """Bring the metrics up to what the camera's thread has counted."""
        stats = self.keeper.stats
        metrics.follow(metrics.frames_captured, stats.frames, self.name)
        metrics.follow(metrics.source_reconnects, self._reconnects, self.name)
        for reason, count in list(stats.dropped.items()):
            metrics.follow(metrics.frames_dropped, count, self.name, reason)
        if stats.picture_time_s is not None:
            metrics.frame_age.labels(self.name).set(max(0.0, self._clock.time() - stats.picture_time_s))
        trouble = stats.trouble
        if self.state is CameraState.LIVE and trouble != self._trouble:
            self._note(trouble, metrics)
        now_s, (from_s, from_pictures) = self._clock.monotonic(), self._fps_from
        if now_s - from_s >= HEARTBEAT_S:
            self._fps = round((stats.pictures - from_pictures) / (now_s - from_s), 1)
            self._fps_from = (now_s, stats.pictures)

    def _note(self, trouble: Trouble | None, metrics: Metrics) -> None:
        """A fault of the live camera has begun or ended."""
        if trouble:
            log.warning("%s: %s: %s", trouble.fault, trouble.message, trouble.advice, extra={"camera": self.name})
        elif self._trouble:
            log.info("no longer %s", self._trouble.fault, extra={"camera": self.name})
        self._trouble = trouble
        self._since_s = self._clock.time()
        self._told_s = -math.inf
        self._count_fault(metrics)

    def _count_fault(self, metrics: Metrics) -> None:
        wrong = self._last.error or self._trouble
        fault = str(wrong.fault) if wrong else None
        if fault == self._fault:
            return
        if self._fault:
            metrics.camera_fault.labels(self.name, self._fault).set(0)
        if fault:
            metrics.camera_fault.labels(self.name, fault).set(1)
        self._fault = fault

    @property
    def _reconnects(self) -> int:
        return max(0, self.keeper.stats.connections - 1)


def _describe(change: StateChange) -> str:
    match change.state:
        case CameraState.LIVE if change.info is not None:
            return f"live: {change.info.width}x{change.info.height}, {change.info.decoder or change.info.codec}"
        case CameraState.OFFLINE if change.retry_s is not None:
            return f"offline: {change.error}; trying again in {change.retry_s:.0f} s"
        case _:
            return f"{change.state.value}: {change.error}" if change.error else change.state.value
