"""From judgements to messages: the one place where a camera's score becomes something people are told.

Runs on the event loop. Per camera the engine decides; here decisions get their evidence, are committed to the
outbox, and only then published. Knows no source, window plan or scorer.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.errors import OutboxError, RuntimeFault
from engine.policy import AlertPolicy, Decision, DecisionType, EndReason
from engine.timeline import CameraTimeline, WindowMeta
from engine.types import Frame, Judgement, ModelInfo, Window
from stream.clock import Clock
from stream.compose import alert_message, score_message
from stream.evidence.clip import ClipResult, ClipSettings
from stream.evidence.recorder import EvidenceWorker
from stream.feed.messages import AlertMessage, AlertTiming
from stream.feed.publisher import FeedPublisher
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.responses import ResponseWriter
from stream.rings import PacketRing

log = logging.getLogger(__name__)

CLIP_WAIT_S = 10.0  # beyond the post-roll; then the end is told without its clip
KEPT_S, KEPT_BYTES = 90 * 86_400.0, 200 << 20  # of the outbox's alerts: whichever bound is reached first


@dataclass(slots=True)
class Desk:
    """What the alerts of one camera need: its causal state, and where its evidence comes from."""

    camera: str
    timeline: CameraTimeline
    policy: AlertPolicy
    packets: PacketRing
    clip: ClipSettings | None  # None: no clips of this camera
    snapshots: bool = True
    native_size: tuple[int, int] = (16, 9)


@dataclass(slots=True)
class _Open:
    """An event that is being told: its peak so far, and the times and the snapshot that belong to it."""

    top_score: float
    timing: AlertTiming
    snapshot: str | None = None


class Alerts:
    """Tells what is decided, in order. Its coroutines may be started from anywhere and run one after another."""

    def __init__(
        self,
        *,
        model: ModelInfo,
        outbox: Outbox,
        outbox_thread: Executor,
        feed: FeedPublisher,
        evidence: EvidenceWorker,
        data: Path,
        metrics: Metrics,
        clock: Clock,
        tell_scores: bool = True,
        record: ResponseWriter | None = None,
    ) -> None:
        self._model = model
        self._outbox = outbox
        self._outbox_thread = outbox_thread
        self._feed = feed
        self._evidence = evidence
        self._data = data
        self._metrics = metrics
        self._clock = clock
        self._tell_scores = tell_scores
        self._record = record
        self._turn = asyncio.Lock()
        self._open: dict[str, _Open] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.told = 0  # alert messages so far
        self.epoch = outbox.epoch
        self.last_seq = 0

    async def judged(self, desk: Desk, window: Window, judgement: Judgement) -> None:
        """One window's judgement. The window's pixels are released when this returns."""
        try:
            async with self._turn:
                await self._judged(desk, window, judgement)
        finally:
            window.release()

    async def tick(self, desk: Desk) -> None:
        """Time has passed."""
        async with self._turn:
            await self._tell(desk, desk.policy.tick(self._clock.time()))

    async def finish(self, desk: Desk, reason: EndReason) -> None:
        """End what is open: no more windows of this camera will come."""
        async with self._turn:
            await self._tell(desk, desk.policy.finish(reason))

    async def start(self) -> None:
        """End the events that were open when the outbox was last written: nobody has watched their cameras since."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            self.last_seq = await loop.run_in_executor(self._outbox_thread, lambda: self._outbox.last_seq)
            for message in await loop.run_in_executor(self._outbox_thread, self._outbox.open_events):
                await self._publish(
                    msgspec.structs.replace(message, type="end", end_time=message.time, end_reason="restart")
                )

    async def prune(self) -> None:
        """Drop the oldest alerts from the outbox when there are too many."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._outbox_thread, self._outbox.prune, KEPT_S, KEPT_BYTES)
        except OutboxError as error:
            log.warning("%s", error)

    async def drain(self, timeout_s: float) -> None:
        """Wait for the ends that wait for their clips."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=timeout_s)

    async def _judged(self, desk: Desk, window: Window, judgement: Judgement) -> None:
        meta = WindowMeta.of(window)
        try:
            point = desk.timeline.push(meta, judgement)
        except RuntimeFault as error:
            log.error("%s", error, extra={"camera": desk.camera})
            return
        self._metrics.score.labels(desk.camera).set(math.nan if point.score is None else point.score)
        self._metrics.end_to_end.observe(max(0.0, self._clock.monotonic() - window.end.arrival_s))
        self._write_down(meta, judgement)
        if self._tell_scores:
            self._feed.publish_score(score_message(point))
        worst = window.frames[judgement.worst]
        decisions = desk.policy.push(point)
        event_id = desk.policy.event_id
        opened = self._open.get(event_id) if event_id else None
        if event_id and opened and not point.held and point.score is not None and point.score > opened.top_score:
            opened.top_score = point.score
            opened.timing = self._timing(worst, window.end)
            if desk.snapshots:
                image = worst.image
                better = self._evidence.improve(event_id, image, point.boxes, worst.time_s)
                opened.snapshot = self._relative(better.path) or opened.snapshot
        await self._tell(desk, decisions, worst, window.end)

    def _write_down(self, meta: WindowMeta, judgement: Judgement) -> None:
        if self._record is None:
            return
        try:
            self._record.write(meta, judgement)
        except RuntimeFault as error:
            log.error("%s; nothing more is recorded", error)
            self._record = None

    async def _tell(
        self, desk: Desk, decisions: Iterable[Decision], worst: Frame | None = None, end: Frame | None = None
    ) -> None:
        for decision in decisions:
            match decision.type:
                case DecisionType.NEW if worst and end:  # only a window opens an event
                    await self._tell_new(desk, decision, worst, end)
                case DecisionType.END:
                    task = asyncio.create_task(self._tell_end(desk, decision))
                    self._ending.add(task)
                    task.add_done_callback(self._ending.discard)
                case _:
                    opened = self._open[decision.event_id]
                    await self._send(decision, opened)

    async def _tell_new(self, desk: Desk, decision: Decision, worst: Frame, end: Frame) -> None:
        snapshot = self._evidence.open_event(
            decision.event_id,
            desk.camera,
            desk.packets,
            worst.image if desk.snapshots else None,
            desk.native_size,
            decision.point.boxes,
            worst.time_s,
            decision.start_time_s,
            clip=desk.clip,
        )
        opened = _Open(decision.top_score, self._timing(worst, end), self._relative(snapshot.path))
        self._open[decision.event_id] = opened
        await self._send(decision, opened, jpeg=snapshot.jpeg or None)
        desk.policy.delivered(decision.event_id, decision.point.time_s)  # in the policy's time: a file has its own

    async def _tell_end(self, desk: Desk, decision: Decision) -> None:
        """The end waits for its clip, so that who reads it finds the clip; other alerts do not wait for it."""
        clip = ClipResult(None)
        future = self._evidence.end_event(decision.event_id, decision.end_time_s or decision.point.time_s)
        wait_s = CLIP_WAIT_S + (desk.clip.post_roll_s if desk.clip else 0.0)
        try:
            clip = await asyncio.wait_for(asyncio.wrap_future(future), wait_s)
        except TimeoutError:
            log.warning("the clip was not finished in time", extra={"camera": desk.camera})
        async with self._turn:
            await self._send(decision, self._open.pop(decision.event_id), clip=clip)

    async def _send(
        self, decision: Decision, opened: _Open, *, clip: ClipResult | None = None, jpeg: bytes | None = None
    ) -> None:
        """Commit, then publish."""
        message = alert_message(
            decision,
            self._model,
            msgspec.structs.replace(opened.timing, published_time=self._clock.time()),
            explanation_final=decision.type is DecisionType.END,
            snapshot=opened.snapshot,
            clip=self._relative(clip.path) if clip else None,
            clip_note=(clip.error or clip.note or None) if clip else None,
        )
        await self._publish(message, jpeg)

    async def _publish(self, message: AlertMessage, jpeg: bytes | None = None) -> None:
        loop = asyncio.get_running_loop()
        try:
            message = await loop.run_in_executor(self._outbox_thread, self._outbox.append, message)
            self.last_seq = message.seq
        except OutboxError as error:  # people are told all the same; only catching up suffers
            log.error("%s", error, extra={"camera": message.camera})
        self._feed.publish_alert(message, jpeg)
        self.told += 1
        if message.type == "new":
            self._metrics.alerts.labels(message.camera, message.severity).inc()
        log.warning("%s", _describe(message), extra={"camera": message.camera})

    def _timing(self, frame: Frame, end: Frame) -> AlertTiming:
        """`published_time` is set when it is published."""
        return AlertTiming(
            frame_time=frame.time_s, window_end=end.time_s, scored_time=self._clock.time(), published_time=0.0
        )

    def _relative(self, path: Path | None) -> str | None:
        """As messages name files: from the data directory on, with forward slashes."""
        return path.relative_to(self._data).as_posix() if path else None


def _describe(message: AlertMessage) -> str:
    says = message.explanation or "no explanation"
    match message.type:
        case "new":
            return f"{message.severity.upper()} {message.score:.2f}: {says}"
        case "end":
            lasted_s = (message.end_time or message.start_time) - message.start_time
            return f"over after {lasted_s:.0f} s ({message.end_reason}), highest {message.top_score:.2f}: {says}"
        case _:
            return f"still {message.score:.2f}, highest {message.top_score:.2f}: {says}"
