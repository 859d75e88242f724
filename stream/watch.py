"""Runs everything: cameras, the scorer, alerts, the feed, health. Started once, stopped once, in order.

The event loop decides and tells; cameras, scorer, evidence and outbox have threads of their own. See
docs/architecture.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.batcher import Drop, MicroBatcher
from engine.policy import EndReason
from engine.scorer import Scorer
from engine.types import Window
from engine.worker import Judged, ScoringWorker
from stream.alerts import Alerts
from stream.camera import Camera
from stream.clock import Clock, SystemClock
from stream.config.models import CameraConfig, WatchConfig
from stream.evidence.recorder import EvidenceWorker
from stream.evidence.retention import Retention
from stream.feed.publisher import FeedPublisher
from stream.http import HealthServer
from stream.ids import Ids
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.responses import ResponseWriter
from stream.session import CameraState, StateChange
from stream.sources.base import Source
from stream.wiring import make_desk, make_source, watched

log = logging.getLogger(__name__)

TICK_S = 0.25
PRUNE_EVERY_S = 3600.0
CAMERAS_STOP_S = 3.0  # what each part gets to end in, ten seconds in all
SCORER_STOP_S = 3.0
CLIPS_STOP_S = 3.0


class Watch:
    """Watches the cameras of a configuration with a scorer, which it does not own.

    With `record`, every judgement is written to that new file, which the `recorded` scorer can answer from.
    Raises UsageError for a source that makes no sense.
    """

    def __init__(
        self,
        config: WatchConfig,
        scorer: Scorer,
        *,
        record: Path | None = None,
        make_source: Callable[[CameraConfig], Source] = make_source,
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._record = record
        self._scorer = scorer
        self._make_source = make_source
        for camera in watched(config).values():
            make_source(camera)  # one that makes no sense is the caller's to hear of, before anything is started
        self._clock = clock or SystemClock()
        self._metrics = Metrics(version("vigil-vad"))
        self._batcher = MicroBatcher(
            max_batch=config.engine.max_batch or scorer.max_batch,
            staleness_s=config.engine.staleness_s,
            monotonic=self._clock.monotonic,
            on_drop=_log_drop,
        )
        self._worker = ScoringWorker(
            scorer,
            self._batcher,
            self._deliver,
            timeout_s=config.scorer.timeout_s,
            monotonic=self._clock.monotonic,
        )
        self._cameras: dict[str, Camera] = {}
        self._over = False  # what is judged now comes too late to be told
        self._prune_at_s = self._clock.monotonic()
        self.alerts_told = 0
        self.failed: list[str] = []  # sources that can't be read and were not tried again

    async def run(
        self,
        stop: asyncio.Event,
        *,
        exit_at_end: bool = False,
        started: Callable[[str, str | None], None] = lambda _feed, _http: None,
    ) -> None:
        """Watch until `stop` is set or no camera can be read any more; with `exit_at_end` until every file is over.

        `started` is told the addresses of the feed and of health, when they are open. Raises VigilError
        when something that is needed can't be opened; nothing is left behind then.
        """
        config, clock = self._config, self._clock
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            feed = stack.enter_context(FeedPublisher(config.feed.bind))
            outbox_thread = stack.enter_context(ThreadPoolExecutor(1, "vigil-outbox"))
            outbox = await self._loop.run_in_executor(
                outbox_thread, Outbox, config.data.dir / "outbox.sqlite3", clock.time
            )
            stack.callback(lambda: outbox_thread.submit(outbox.close).result())
            retention = config.data.retention
            evidence = EvidenceWorker(
                config.data.dir,
                retention=Retention(config.data.dir, max_age_s=retention.age_s, max_bytes=retention.size_bytes),
            )
            stack.callback(evidence.close)
            self._alerts = Alerts(
                model=self._scorer.info,
                outbox=outbox,
                outbox_thread=outbox_thread,
                feed=feed,
                evidence=evidence,
                data=config.data.dir,
                metrics=self._metrics,
                clock=clock,
                tell_scores=config.feed.scores,
                record=stack.enter_context(ResponseWriter(self._record)) if self._record else None,
            )
            http_url = None
            if config.http.bind is not None:
                server = stack.enter_context(HealthServer(str(config.http.bind), self._metrics, self._ready))
                http_url = server.url
            await self._alerts.start()
            started(feed.bound_endpoint, http_url)
            self._feed = feed
            self._add_cameras()
            self._worker.start()
            try:
                for camera in self._cameras.values():
                    camera.keeper.start()
                await self._tick_until(stop, exit_at_end)
            finally:
                await self._shut_down(evidence)
                self.alerts_told = self._alerts.told
                self.failed = [
                    str(camera.error) for camera in self._cameras.values() if camera.state is CameraState.FAILED
                ]

    def _add_cameras(self) -> None:
        ids = Ids(self._clock.time)
        for name, camera in watched(self._config).items():
            self._cameras[name] = Camera(
                name,
                camera,
                make_desk(name, camera, ids),
                make_source=self._make_source,
                frame_size=self._scorer.frame_size,
                batcher=self._batcher,
                report=self._report,
                clock=self._clock,
            )

    async def _tick_until(self, stop: asyncio.Event, exit_at_end: bool) -> None:
        while not stop.is_set():
            for camera in self._cameras.values():
                camera.keeper.tick()
                camera.measure(self._metrics)
                if camera.keeper.stats.live:  # a file's time is not the time of day
                    await self._alerts.tick(camera.desk)
                if camera.keeper.done and not camera.finished and self._settled(camera.name):
                    failed = camera.keeper.state is CameraState.FAILED
                    reason = EndReason.CAMERA_LOST if failed else EndReason.SOURCE_ENDED
                    await self._alerts.finish(camera.desk, reason)
                    camera.finished = True
                if camera.heartbeat_due:
                    self._tell_status(camera)
            await self._judged(self._worker.give_up_hung())
            self._count_windows()
            self._feed.greet()
            if self._clock.monotonic() >= self._prune_at_s:
                self._prune_at_s = self._clock.monotonic() + PRUNE_EVERY_S
                await self._alerts.prune()
            cameras = self._cameras.values()
            useless = all(camera.state is CameraState.FAILED for camera in cameras)
            if (exit_at_end or useless) and all(camera.finished for camera in cameras):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_S)

    async def _shut_down(self, evidence: EvidenceWorker) -> None:
        """Stop capturing, score no more, end what is open, finish the clips: in that order, each bounded."""
        cameras = list(self._cameras.values())
        for camera in cameras:
            camera.keeper.stop()
        self._batcher.close()
        deadline_s = self._clock.monotonic() + CAMERAS_STOP_S
        for camera in cameras:
            if not await asyncio.to_thread(camera.keeper.join, max(0.0, deadline_s - self._clock.monotonic())):
                log.warning("its thread did not come back from native code", extra={"camera": camera.name})
        if not await asyncio.to_thread(self._worker.join, SCORER_STOP_S):
            log.warning("the scorer did not come back: it is left behind")
        self._over = True
        for camera in cameras:
            await self._alerts.finish(camera.desk, EndReason.SHUTDOWN)
        await asyncio.to_thread(evidence.close, CLIPS_STOP_S)
        await self._alerts.drain(CLIPS_STOP_S)
        self._count_windows()

    def _deliver(self, judged: Judged, took_s: float) -> None:
        """On the scorer's thread: have the loop deal with what was judged, and wait for it."""
        self._metrics.scorer_duration.observe(took_s)
        if self._over:  # and so may be the loop
            for window, _ in judged:
                window.release()
            return
        asyncio.run_coroutine_threadsafe(self._judged(judged), self._loop).result()

    async def _judged(self, judged: Judged) -> None:
        for window, judgement in judged:
            if self._over:
                window.release()
                continue
            try:
                await self._alerts.judged(self._cameras[window.camera].desk, window, judgement)
            except Exception:  # what goes wrong with one window must not end the scoring of the others
                log.exception("a judgement was lost", extra={"camera": window.camera})

    def _report(self, change: StateChange) -> None:
        """On any thread: a camera's state has changed."""
        self._loop.call_soon_threadsafe(self._changed, change)

    def _changed(self, change: StateChange) -> None:
        camera = self._cameras[change.camera]
        camera.change(change, self._metrics)
        self._tell_status(camera)

    def _tell_status(self, camera: Camera) -> None:
        self._feed.publish_status(camera.status(self._alerts.last_seq, self._alerts.epoch))

    def _settled(self, camera: str) -> bool:
        """Whether every window of a camera has been dealt with."""
        count = self._batcher.counts().get(camera)
        return count is None or count.captured == count.scored + count.dropped.total()

    def _count_windows(self) -> None:
        for name, count in self._batcher.counts().items():
            self._metrics.follow(self._metrics.windows_scored, count.scored, name)
            for reason, dropped in count.dropped.items():
                self._metrics.follow(self._metrics.windows_dropped, dropped, name, reason)

    def _ready(self) -> tuple[bool, dict[str, Any]]:
        """Serving means that windows are judged; a camera that is down does not make the whole unready."""
        hung_s = self._worker.hung_for_s
        details = {
            "scorer": f"no answer for {hung_s:.0f} s" if hung_s else "ok",
            "cameras": {name: camera.state.value for name, camera in list(self._cameras.items())},
        }
        return not hung_s, details


def _log_drop(window: Window, reason: Drop) -> None:
    log.debug("window %d dropped: %s", window.index, reason.value, extra={"camera": window.camera})
