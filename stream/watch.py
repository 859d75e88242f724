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
from typing import TYPE_CHECKING, Any

from engine.batcher import Drop, MicroBatcher
from engine.encoder import TextEncoder
from engine.policy import EndReason
from engine.scorer import Scorer
from engine.types import Window
from engine.worker import Judged, ScoringWorker
from stream.alerts import Alerts
from stream.bridges.board import Board
from stream.bridges.bridge import Bridges
from stream.camera import Camera
from stream.clock import Clock, SystemClock
from stream.config.models import CameraConfig, WatchConfig
from stream.ending import CAPTURED_S, CLIPS_S, SENT_S, SERVED_S, STORED_S, Ending
from stream.evidence.recorder import EvidenceWorker
from stream.evidence.retention import Retention
from stream.feed.endpoint import beside
from stream.feed.publisher import FeedPublisher
from stream.feed.server import CatchUpServer
from stream.http import HealthServer
from stream.ids import Ids
from stream.metrics import Metrics
from stream.notify import Supervisor
from stream.outbox import Outbox, OutboxHistory
from stream.reload import ConfigFile
from stream.responses import ResponseRecorder
from stream.session import CameraState, StateChange
from stream.sources.base import Source
from stream.webrtc.door import Doors
from stream.wiring import cameras as wiring
from stream.wiring.bridges import make_bridges
from stream.wiring.cameras import introduce, make_desk, watched
from stream.wiring.scorers import remembers_pictures

if TYPE_CHECKING:
    from stream.console.server import ConsoleServer

log = logging.getLogger(__name__)

TICK_S = 0.25
PRUNE_EVERY_S = 3600.0
REMOVE_S = 3.0  # how long a camera's end is waited for while the others go on
EXPLAIN_WAIT_S = 30.0  # for what is still to be said of files that are over
BLOCKED_S = 60.0  # a loop that has not come round for so long is not alive

# Sections that are followed; all others are read once, at the start.
FOLLOWED = {"cameras", "defaults"}
# A camera's keys that its stream does not see: when only they change, it goes on.
RULES = {"publish_token", "cleaning", "smoothing", "alerts", "definitions", "motion", "zones", "masks"}


class Watch:
    """Watches the cameras of a configuration with a scorer, which it does not own.

    `sentences` gives sentences their vectors, for cleaning; without it there is none. With `record`, every judgement is
    written to that new file, which the `recorded` scorer can answer from. `file` is where `config` is from: what is
    changed in the console is written there. Raises UsageError for a source that makes no sense.
    """

    def __init__(
        self,
        config: WatchConfig,
        scorer: Scorer,
        *,
        sentences: TextEncoder | None = None,
        record: Path | None = None,
        file: ConfigFile | None = None,
        make_source: Callable[[CameraConfig], Source] | None = None,
        clock: Clock | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._config = config
        self._sentences = sentences
        self._remembers_pictures = remembers_pictures(config)  # so the scorer was made
        self._record = record
        self._file = file
        self._scorer = scorer
        self._doors = Doors()
        self._make_source = make_source or (lambda camera: wiring.make_source(camera, self._doors))
        for camera in watched(config).values():
            self._make_source(camera)  # one that makes no sense is the caller's to hear of, before anything is started
        self._clock = clock or SystemClock()
        self._supervisor = supervisor or Supervisor(None)
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
        self._ids = Ids(self._clock.time)
        self._cameras: dict[str, Camera] = {}
        self._board = Board()
        self._applying = asyncio.Lock()
        self._ending = Ending()
        self._watching = False  # started, and not yet about to end
        self._over = False  # what is judged now comes too late to be told
        self._prune_at_s = self._came_round_s = self._clock.monotonic()
        self.alerts_told = 0
        self.console_url: str | None = None
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
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            async with self._applying:  # another configuration has to wait until there is something to change
                await self._start(stack, stop, started)
            await self._tick_until(stop, exit_at_end)

    async def _start(
        self, stack: AsyncExitStack, stop: asyncio.Event, started: Callable[[str, str | None], None]
    ) -> None:
        """Open all there is, in order; the stack closes it."""
        config, clock, ending = self._config, self._clock, self._ending
        stack.callback(asyncio.create_task(_when(stop, ending.begin)).cancel)
        # Whatever may wait for a disk is not done on the loop, from the start: it has to hear of a signal.
        feed = await asyncio.to_thread(
            FeedPublisher, config.feed.bind, scores=config.feed.scores, keys=config.feed.keys
        )
        stack.callback(lambda: feed.close(ending.left_s(SENT_S)))
        outbox_thread = stack.enter_context(ThreadPoolExecutor(1, "vigil-outbox"))
        outbox = await self._loop.run_in_executor(outbox_thread, Outbox, config.data.dir / "outbox.sqlite3", clock.time)
        stack.push_async_callback(lambda: asyncio.to_thread(outbox.close, ending.left_s(STORED_S)))
        self._metrics.outbox_pending.set_function(lambda: outbox.pending)
        serving: dict[str, Callable[[], None]] = {}
        stack.push_async_callback(ending.close, SERVED_S, serving)
        catch_up = await asyncio.to_thread(_open_catch_up, config, outbox, feed.run)
        serving["catch-up"] = catch_up.close
        feed.catch_up = catch_up.bound_endpoint
        retention = config.data.retention
        evidence = EvidenceWorker(
            config.data.dir,
            retention=Retention(config.data.dir, max_age_s=retention.age_s, max_bytes=retention.size_bytes),
        )
        serving["evidence"] = evidence.close
        self._board.watch(watched(config).keys())
        bridges = await asyncio.to_thread(make_bridges, config, outbox, self._board, self._metrics)
        serving["bridges"] = bridges.close
        record = await asyncio.to_thread(ResponseRecorder, self._record) if self._record else None
        if record:
            serving["recording"] = record.close
        self._alerts = Alerts(
            outbox=outbox,
            outbox_thread=outbox_thread,
            feed=feed,
            evidence=evidence,
            data=config.data.dir,
            metrics=self._metrics,
            clock=clock,
            deadline=ending,
            record=record,
            explain=self._worker.explain,
            kept=bridges.wake,
        )
        http_url = None
        if config.http.bind is not None:
            token = config.http.token.get_secret_value() if config.http.token else None
            server = HealthServer(str(config.http.bind), self._metrics, self._ready, self._alive, token=token)
            serving["health"] = server.close
            http_url = server.url
        await self._alerts.start()
        if config.console.bind is not None:
            serving["console"] = (await self._open_console(feed, outbox, bridges)).close
        started(feed.bound_endpoint, http_url)
        self._feed = feed
        for name, camera_config in watched(config).items():
            self._add(name, camera_config)
        self._worker.start()
        stack.push_async_callback(self._shut_down, evidence)
        self._watching = True
        for camera in self._cameras.values():
            camera.keeper.start()

    @property
    def windows(self) -> str:
        """What became of all windows so far, in words."""
        counts = self._batcher.counts().values()
        scored, unknown = sum(each.scored for each in counts), sum(each.unknown for each in counts)
        dropped = sum(each.dropped.total() for each in counts)
        return f"{scored} windows judged, {unknown} of them unknown, {dropped} dropped"

    async def apply(self, config: WatchConfig) -> None:
        """Go on with another configuration: cameras come, go and change, and what did not change is not disturbed.

        While `run` starts this waits; before it and once its end has begun nothing is done. Raises UsageError, and
        changes nothing, for a source that makes no sense. What all cameras share needs a restart; the log says so.
        """
        async with self._applying:
            if self._watching:
                await self._apply(config)

    async def _apply(self, config: WatchConfig) -> None:
        wanted = watched(config)
        for camera in wanted.values():
            self._make_source(camera)
        for name, section in config:
            if name not in FOLLOWED and section != getattr(self._config, name):
                log.warning("a change of `%s` takes effect after a restart only", name)
        if self._sentences and remembers_pictures(config) and not self._remembers_pictures:
            log.warning("`cleaning.memory: pictures` knows windows without a sentence after a restart only")
        self._config = config
        for name in self._cameras.keys() - wanted.keys():
            await self._remove(name)
        self._board.watch(wanted.keys())
        for name, camera in wanted.items():
            await self._add_or_change(name, camera)

    async def _add_or_change(self, name: str, config: CameraConfig) -> None:
        before = self._cameras.get(name)
        if before is None:
            self._add(name, config).keeper.start()
        elif before.config != config and _without_rules(before.config) == _without_rules(config):
            self._introduce(name, config)
            await self._alerts.change(before.desk, make_desk(name, config, self._ids, self._scorer, self._sentences))
            before.config = config
        elif before.config != config:
            await self._remove(name)
            self._add(name, config, first_segment=before.keeper.stats.segment + 1).keeper.start()

    def _add(self, name: str, config: CameraConfig, *, first_segment: int = 0) -> Camera:
        self._introduce(name, config)
        camera = self._cameras[name] = Camera(
            name,
            config,
            make_desk(name, config, self._ids, self._scorer, self._sentences),
            new_id=self._ids,
            make_source=self._make_source,
            frame_size=self._scorer.frame_size,
            batcher=self._batcher,
            report=self._report,
            clock=self._clock,
            first_segment=first_segment,
        )
        return camera

    def _introduce(self, name: str, config: CameraConfig) -> None:
        self._worker.tell(lambda scorer: introduce(scorer, name, config), name)

    async def _remove(self, name: str) -> None:
        camera = self._cameras.pop(name)
        camera.keeper.stop()
        self._batcher.forget(name)
        self._worker.tell(lambda scorer: scorer.forget(name), name)
        if not await asyncio.to_thread(camera.keeper.join, REMOVE_S):
            log.warning("its thread does not end: it is left behind", extra={"camera": name})
        camera.desk.packets.end()
        await self._alerts.finish(camera.desk, EndReason.RECONFIGURED)
        await self._alerts.tell(camera.last_fault_alert(EndReason.RECONFIGURED))
        self._metrics.remove_camera(name)
        self._feed.forget(name)
        log.info("no longer watched as it was", extra={"camera": name})

    async def _open_console(self, feed: FeedPublisher, outbox: Outbox, bridges: Bridges) -> ConsoleServer:
        """An extra: what it needs is imported only when it is wanted."""
        from stream.console import open_console
        from stream.console.view import WatchView

        view = WatchView(
            loop=self._loop,
            clock=self._clock,
            started_s=self._clock.time(),
            version=version("vigil-vad"),
            run=feed.run,
            outbox=outbox,
            bridges=bridges,
            cameras=self._cameras,
            batcher=self._batcher,
            worker=self._worker,
            scorer=self._scorer,
            config=lambda: self._config,
            apply=self.apply,
            file=self._file,
            doors=self._doors,
        )
        console = await asyncio.to_thread(open_console, view)
        feed.heard = console.hear
        self.console_url = console.url
        log.info("the console is at %s", console.url)
        return console

    async def _tick_until(self, stop: asyncio.Event, exit_at_end: bool) -> None:
        finished_s: float | None = None
        while not stop.is_set():
            self._came_round_s = self._clock.monotonic()
            for camera in list(self._cameras.values()):
                camera.keeper.tick()
                camera.measure(self._metrics)
                await self._alerts.tell(camera.fault_alert())
                if camera.keeper.stats.live:  # a file's time is not the time of day
                    await self._alerts.tick(camera.desk)
                if camera.finished and not camera.keeper.done:  # given up, and tried again after all
                    camera.desk.packets.resume()
                    camera.finished = False
                if camera.keeper.done and not camera.finished and self._settled(camera.name):
                    failed = camera.keeper.state is CameraState.FAILED
                    reason = EndReason.CAMERA_LOST if failed else EndReason.SOURCE_ENDED
                    camera.desk.packets.end()
                    await self._alerts.finish(camera.desk, reason)
                    camera.finished = True
                if camera.heartbeat_due:
                    self._tell_status(camera)
            await self._judged(self._worker.give_up_hung())
            self._tell_supervisor()
            self._count_windows()
            self._feed.greet()
            if self._clock.monotonic() >= self._prune_at_s:
                self._prune_at_s = self._clock.monotonic() + PRUNE_EVERY_S
                self._alerts.prune()
            if self._worker.lost is not None:
                raise self._worker.lost
            cameras = self._cameras.values()
            useless = all(camera.state is CameraState.FAILED for camera in cameras)
            if (exit_at_end or useless) and all(camera.finished for camera in cameras):
                finished_s = finished_s or self._clock.monotonic()
                if not self._alerts.explaining or self._clock.monotonic() - finished_s >= EXPLAIN_WAIT_S:
                    return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_S)

    async def _shut_down(self, evidence: EvidenceWorker) -> None:
        """Stop capturing, score no more, finish the clips, tell the ends: in that order, and each in its time."""
        ending = self._ending
        ending.begin()
        self._watching = False
        self._supervisor.stopping()
        cameras = list(self._cameras.values())
        for camera in cameras:
            camera.keeper.stop()
        self._batcher.close()
        for camera in cameras:
            if not await asyncio.to_thread(camera.keeper.join, ending.left_s(CAPTURED_S)):
                log.warning("its thread does not end: it is left behind", extra={"camera": camera.name})
        if not await asyncio.to_thread(self._worker.join, ending.left_s(CAPTURED_S)):
            log.warning("the scorer did not come back: it is left behind")
        self._over = True
        if self._worker.lost is None:  # else the next process ends what is open now, and knows that it did
            for camera in cameras:
                await self._alerts.finish(camera.desk, EndReason.SHUTDOWN)
                await self._alerts.tell(camera.last_fault_alert(EndReason.SHUTDOWN))
        await asyncio.to_thread(evidence.close, ending.left_s(CLIPS_S))
        await self._alerts.close()
        self._count_windows()
        self.alerts_told = self._alerts.told
        self.failed = [str(camera.error) for camera in self._cameras.values() if camera.state is CameraState.FAILED]

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
            camera = self._cameras.get(window.camera)
            if camera is None or self._over:
                window.release()
                continue
            try:
                await self._alerts.judged(camera.desk, window, judgement)
            except Exception:  # what goes wrong with one window must not end the scoring of the others
                log.exception("a judgement was lost", extra={"camera": window.camera})

    def _report(self, change: StateChange) -> None:
        """On any thread: a camera's state has changed."""
        self._loop.call_soon_threadsafe(self._changed, change)

    def _changed(self, change: StateChange) -> None:
        camera = self._cameras.get(change.camera)
        if camera is not None:  # else it was removed meanwhile
            camera.change(change, self._metrics)
            self._tell_status(camera)

    def _tell_status(self, camera: Camera) -> None:
        alerts = self._alerts
        status = camera.status(alerts.last_seq, alerts.epoch, alerts.outbox_pending)
        self._feed.publish_status(status)
        self._board.tell(status)

    def _tell_supervisor(self) -> None:
        live = sum(camera.state is CameraState.LIVE for camera in self._cameras.values())
        hung = "; the scorer does not answer" if self._worker.hung_for_s else ""
        self._supervisor.status(
            f"cameras live: {live} of {len(self._cameras)}, alert messages: {self._alerts.told}{hung}"
        )
        if self._alive():
            self._supervisor.alive()

    def _alive(self) -> bool:
        """Whether a new process would do no better: no scorer hangs, and no loop is blocked."""
        return not self._worker.hung_for_s and self._clock.monotonic() - self._came_round_s < BLOCKED_S

    def _settled(self, camera: str) -> bool:
        """Whether every window of a camera has been dealt with."""
        count = self._batcher.counts().get(camera)
        return count is None or count.captured == count.scored + count.dropped.total()

    def _count_windows(self) -> None:
        for name, count in self._batcher.counts().items():
            if name not in self._cameras:
                continue
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


def _open_catch_up(config: WatchConfig, outbox: Outbox, run: str) -> CatchUpServer:
    endpoint = config.feed.catch_up or beside(config.feed.bind)
    return CatchUpServer(endpoint, OutboxHistory(outbox), run, keys=config.feed.keys)


async def _when(event: asyncio.Event, then: Callable[[], None]) -> None:
    await event.wait()
    then()


def _without_rules(config: CameraConfig) -> dict[str, object]:
    return {name: value for name, value in config if name not in RULES}


def _log_drop(window: Window, reason: Drop) -> None:
    log.debug("window %d dropped: %s", window.index, reason.value, extra={"camera": window.camera})
