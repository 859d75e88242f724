"""One camera as the watch sees it: the thread that reads it, the desk that decides its alerts, and its state."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

from engine.batcher import MicroBatcher
from engine.errors import SourceError, SourceFault
from stream.alerts import Desk
from stream.clock import Clock
from stream.config.models import CameraConfig
from stream.feed.messages import HEARTBEAT_S, StatusMessage
from stream.keeper import CameraKeeper, Report
from stream.metrics import Metrics
from stream.session import CameraSession, CameraState, Pace, SessionSettings, SessionStats, StateChange
from stream.sources.base import Source
from stream.wiring import stall_s

log = logging.getLogger(__name__)


class Camera:
    """Its keeper's thread reports to `report`; everything else happens on the event loop."""

    def __init__(
        self,
        name: str,
        config: CameraConfig,
        desk: Desk,
        *,
        make_source: Callable[[CameraConfig], Source],
        frame_size: tuple[int, int],
        batcher: MicroBatcher,
        report: Callable[[StateChange], None],
        clock: Clock,
    ) -> None:
        self.name = name
        self.desk = desk
        self.finished = False  # its last window has been judged and its events are ended
        self._clock = clock
        self._last = StateChange(name, CameraState.CONNECTING)
        self._since_s = clock.time()
        self._told_s = 0.0  # monotonic
        self._fps: float | None = None
        self._fps_from = (clock.monotonic(), 0)  # when pictures were last counted, and how many there were
        settings = SessionSettings(name, config.window.plan(), frame_size, config.idle.settings(), Pace(config.pace))

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
            )

        self.keeper = CameraKeeper(
            name,
            make_session,
            report=report,
            clock=clock,
            stall_s=stall_s(config),
            open_timeout_s=config.open_timeout_s,
        )

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
            self._since_s = self._clock.time()
        # The keeper and the source may both notice one stall, in this order.
        if change.error and change.error.fault is SourceFault.STALLED and self.state is not CameraState.STALLED:
            metrics.source_stalls.labels(self.name).inc()
        self._last = change
        metrics.source_up.labels(self.name).set(change.state is CameraState.LIVE)
        level = logging.WARNING if change.error else logging.INFO
        log.log(level, "%s", _describe(change), extra={"camera": self.name})

    def status(self, last_alert_seq: int, epoch: str) -> StatusMessage:
        self._told_s = self._clock.monotonic()
        error = self._last.error
        return StatusMessage(
            camera=self.name,
            state=self._last.state.value,
            since=self._since_s,
            time=self._clock.time(),
            fault=error.fault.value if error else None,
            message=error.message if error else None,
            advice=error.advice if error else None,
            fps=self._fps,
            reconnects=self._reconnects,
            last_alert_seq=last_alert_seq,
            epoch=epoch,
        )

    @property
    def heartbeat_due(self) -> bool:
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
        now_s, (from_s, from_pictures) = self._clock.monotonic(), self._fps_from
        if now_s - from_s >= HEARTBEAT_S:
            self._fps = round((stats.pictures - from_pictures) / (now_s - from_s), 1)
            self._fps_from = (now_s, stats.pictures)

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
