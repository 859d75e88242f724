"""From judgements to messages: the one place where a camera's score becomes something people are told.

Runs on the event loop. Per camera the engine decides; here decisions get their evidence, are committed to the
outbox, and only then published. An explanation is asked for when an event opens and when it gets worse, follows as an
update when it comes, and an end is told with a summary. Knows no source, window plan or scorer.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from engine.errors import EvidenceError, OutboxError, RuntimeFault
from engine.explanation import EventExplanation
from engine.policy import Decision, DecisionType, EndReason
from engine.scorer import Explanation, Request
from engine.scoring import USUAL, is_anomalous
from engine.timeline import WindowMeta
from engine.types import Box, Frame, Judgement, Window
from stream.clock import Clock
from stream.compose import alert_message, score_message
from stream.desk import Desk, Track
from stream.ending import CLIPS_S, TOLD_S, Ending
from stream.evidence.clip import ClipResult
from stream.evidence.recorder import EvidenceWorker, Snapshot
from stream.feed.messages import AlertMessage, AlertTiming
from stream.feed.publisher import FeedPublisher
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.responses import ResponseRecorder

log = logging.getLogger(__name__)

CLIP_WAIT_S = 10.0  # beyond the post-roll; then the end is told without its clip
SUMMARY_WAIT_S = 10.0  # then the end is told without a summary
KEPT_S, KEPT_BYTES = 90 * 86_400.0, 200 << 20  # of the outbox's alerts: whichever bound is reached first

Explain = Callable[[Request], Future[Explanation]]


@dataclass(slots=True)
class _Open:
    """An event that is being told: its peak so far, and the times and the snapshot that belong to it."""

    top_score: float
    timing: AlertTiming
    pictured_s: float  # when its picture was taken, to which its boxes belong
    snapshot: str | None = None
    snapshot_note: str | None = None
    explanation: EventExplanation = field(default_factory=EventExplanation)
    explained: Request | None = None  # the latest request
    next: Request | None = None  # what is to be explained after that: the worst window that came meanwhile


class Alerts:
    """Tells what is decided, in order. Its coroutines may be started from anywhere and run one after another."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        outbox_thread: Executor,
        feed: FeedPublisher,
        evidence: EvidenceWorker,
        data: Path,
        metrics: Metrics,
        clock: Clock,
        deadline: Ending,
        record: ResponseRecorder | None = None,
        explain: Explain | None = None,
        kept: Callable[[], None] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._outbox_thread = outbox_thread
        self._feed = feed
        self._evidence = evidence
        self._data = data
        self._metrics = metrics
        self._clock = clock
        self._deadline = deadline
        self._record = record
        self._explain = explain
        self._kept = kept  # called when an alert is in the outbox
        self._turn = asyncio.Lock()
        self._open: dict[str, _Open] = {}
        self._explaining: set[asyncio.Task[None]] = set()  # what waits for words
        self._late: set[asyncio.Task[None]] = set()  # what waits for a picture to be on disk
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
            for track, decision in desk.tick(self._clock.time()):
                await self._tell(desk, track, decision)

    async def finish(self, desk: Desk, reason: EndReason) -> None:
        """End what is open: no more windows of this camera will come."""
        async with self._turn:
            for track, decision in desk.finish(reason):
                await self._tell(desk, track, decision)

    async def change(self, desk: Desk, other: Desk) -> None:
        """Decide a camera's alerts by another desk's rules from now on."""
        async with self._turn:
            for track, decision in desk.adopt(other, EndReason.RECONFIGURED):
                await self._tell(desk, track, decision)

    async def tell(self, message: AlertMessage | None) -> None:
        """An alert that needs no evidence, if there is one: of a camera and not of what it shows."""
        if message is not None:
            async with self._turn:
                await self._publish(message)

    async def start(self) -> None:
        """End the events that were open when the outbox was last written: nobody has watched their cameras since."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            self.last_seq = await loop.run_in_executor(self._outbox_thread, lambda: self._outbox.last_seq)
            for message in await loop.run_in_executor(self._outbox_thread, self._outbox.open_events):
                await self._publish(
                    msgspec.structs.replace(message, type="end", end_time=message.time, end_reason="restart")
                )

    @property
    def outbox_pending(self) -> int:
        """Alerts that were told and are not on disk yet."""
        return self._outbox.pending

    def prune(self) -> None:
        """Have the oldest alerts dropped from the outbox when there are too many."""
        self._outbox.prune(KEPT_S, KEPT_BYTES).add_done_callback(_log_failure)

    async def close(self) -> None:
        """Wait for the ends that wait for their clips and summaries; at last have them told without."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=self._deadline.left_s(CLIPS_S))
        for waiting in (*self._explaining, *self._late):
            waiting.cancel()
        if self._ending:
            await asyncio.wait(self._ending, timeout=self._deadline.left_s(TOLD_S))

    @property
    def explaining(self) -> bool:
        """Whether words are being waited for."""
        return bool(self._explaining)

    async def _judged(self, desk: Desk, window: Window, judgement: Judgement) -> None:
        meta = WindowMeta.of(window)
        self._metrics.end_to_end.observe(max(0.0, self._clock.monotonic() - window.end.arrival_s))
        if self._record is not None:
            self._record.write(meta, judgement)
        for track, own in desk.judgements(judgement):
            await self._follow(desk, track, window, meta, own)

    async def _follow(self, desk: Desk, track: Track, window: Window, meta: WindowMeta, judgement: Judgement) -> None:
        """One track's share of a judgement."""
        name, worst = track.definition.name, window.frames[judgement.worst]
        try:
            point = track.timeline.push(meta, judgement)
        except RuntimeFault as error:
            log.error("%s", error, extra={"camera": desk.camera})
            return
        if heard := track.judged(point):
            log.warning("%s", heard, extra={"camera": desk.camera})
        self._metrics.score.labels(desk.camera, name).set(math.nan if point.score is None else point.score)
        if point.amended is not None:
            self._feed.publish_score(score_message(point.amended, name, amended=True))
        self._feed.publish_score(score_message(point, name))
        # A sentence that came with the score is of the event only if it says what is abnormal.
        said = point.text if judgement.score is not None and is_anomalous(judgement.score) else None
        decisions = track.policy.push(point)
        event_id = track.policy.event_id
        opened = self._open.get(event_id) if event_id else None
        if event_id and opened and not point.held and point.score is not None and point.score > opened.top_score:
            opened.top_score = point.score
            opened.timing = self._timing(worst, window.end)
            if self._explain is None or (said and not _wants_boxes(desk)):  # else the picture changes with the words
                await self._picture(desk, track, event_id, opened, worst, point.boxes)
        for decision in decisions:
            await self._tell(desk, track, decision, worst, window.end)
        if event_id and point.score is not None and not point.held:
            self._ask(
                desk, track, event_id, Request(window, track.definition, point.score, judgement.worst, sentence=said)
            )

    async def _picture(
        self, desk: Desk, track: Track, event_id: str, opened: _Open, frame: Frame, boxes: Sequence[Box]
    ) -> None:
        """Show this frame of the event from now on, with these boxes."""
        opened.pictured_s = frame.time_s
        if desk.snapshots:
            better = await asyncio.to_thread(self._evidence.improve, event_id, frame.image, boxes, frame.time_s)
            self._shows(desk, track, event_id, opened, better)

    def _shows(self, desk: Desk, track: Track, event_id: str, opened: _Open, snapshot: Snapshot) -> None:
        """Take note of a snapshot of an event, be it on disk or not yet."""
        if snapshot.path:
            opened.snapshot, opened.snapshot_note = self._relative(snapshot.path), None
        elif opened.snapshot is None:
            opened.snapshot_note = snapshot.error or None
        if snapshot.late and opened.snapshot is None:
            task = asyncio.create_task(self._tell_late(desk, track, event_id, opened, snapshot.late))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _tell_late(self, desk: Desk, track: Track, event_id: str, opened: _Open, late: Future[Path]) -> None:
        """The disk has taken an event's first picture at last; one that is over by then has it in its end."""
        try:
            path = await asyncio.wrap_future(late)
        except EvidenceError as error:
            opened.snapshot_note = str(error)
            log.warning("%s", error, extra={"camera": desk.camera})
            return
        async with self._turn:
            if opened.snapshot is not None or event_id not in self._open:
                return
            opened.snapshot, opened.snapshot_note = self._relative(path), None
            if (decision := track.policy.update()) and decision.event_id == event_id:
                await self._send(track, decision, opened)

    def _ask(self, desk: Desk, track: Track, event_id: str, request: Request) -> None:
        """Have a window of an open event explained, if that is worth it: at once, or when the one before is done.

        One that has its sentence is asked where that is.
        """
        opened = self._open.get(event_id)
        if self._explain is None or opened is None or not opened.explanation.worth(request.score):
            return
        if opened.next is not None and request.score <= opened.next.score:
            return
        opened.next = replace(request, window=request.window.copy(), boxes=_wants_boxes(desk))
        self._explain_next(desk, track, event_id, opened, self._explain)

    def _explain_next(self, desk: Desk, track: Track, event_id: str, opened: _Open, explain: Explain) -> None:
        request = opened.next
        if request is None or opened.explanation.asked:
            return
        opened.next, opened.explained = None, request
        opened.explanation.ask(request.score)
        if request.sentence and not request.boxes:  # alerts have it already
            opened.explanation.told(request.score, Explanation(request.sentence))
            return
        self._keep(asyncio.create_task(self._tell_explained(desk, track, event_id, request, explain)))

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        """Hold on to a task that waits for words, until it is done."""
        self._explaining.add(task)
        task.add_done_callback(self._explaining.discard)
        return task

    async def _tell_explained(
        self, desk: Desk, track: Track, event_id: str, request: Request, explain: Explain
    ) -> None:
        """The explanation comes when it comes; an event that is over by then has it in its end."""
        explanation = await asyncio.wrap_future(explain(request))
        if explanation.text is None and request.sentence:
            explanation = replace(explanation, text=request.sentence)
        async with self._turn:
            opened = self._open.get(event_id)
            if opened is None:
                return
            if explanation.text is None:
                log.warning("no explanation: %s", explanation.reason, extra={"camera": desk.camera})
            changed = opened.explanation.told(request.score, explanation)
            if opened.explanation.shows(explanation):
                worst = request.window.frames[request.worst]
                await self._picture(desk, track, event_id, opened, worst, explanation.boxes)
            self._explain_next(desk, track, event_id, opened, explain)
            if changed and (decision := track.policy.update()) and decision.event_id == event_id:
                await self._send(track, decision, opened)

    async def _tell(
        self, desk: Desk, track: Track, decision: Decision, worst: Frame | None = None, end: Frame | None = None
    ) -> None:
        match decision.type:
            case DecisionType.NEW if worst and end:  # only a window opens an event
                await self._tell_new(desk, track, decision, worst, end)
            case DecisionType.END:
                future = self._evidence.end_event(decision.event_id, decision.end_time_s or decision.point.time_s)
                clip = asyncio.create_task(self._clip(desk, future))
                summary = self._keep(asyncio.create_task(self._sum_up(self._open[decision.event_id])))
                task = asyncio.create_task(self._tell_end(track, decision, clip, summary))
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
            case _:
                await self._send(track, decision, self._open[decision.event_id])

    async def _tell_new(self, desk: Desk, track: Track, decision: Decision, worst: Frame, end: Frame) -> None:
        snapshot = await asyncio.to_thread(
            self._evidence.open_event,
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
        opened = self._open[decision.event_id] = _Open(decision.top_score, self._timing(worst, end), worst.time_s)
        self._shows(desk, track, decision.event_id, opened, snapshot)
        await self._send(track, decision, opened, jpeg=snapshot.jpeg or None)
        track.policy.delivered(decision.event_id, decision.point.time_s)  # in the policy's time: a file has its own

    async def _tell_end(
        self, track: Track, decision: Decision, clip: asyncio.Task[ClipResult], summary: asyncio.Task[None]
    ) -> None:
        """The end waits for its clip and its summary, so that who reads it finds them; other alerts do not wait."""
        await asyncio.wait((clip, summary))
        async with self._turn:
            await self._send(track, decision, self._open.pop(decision.event_id), clip=clip.result())

    async def _clip(self, desk: Desk, future: Future[ClipResult]) -> ClipResult:
        wait_s = CLIP_WAIT_S + (desk.clip.post_roll_s if desk.clip else 0.0)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), wait_s)
        except TimeoutError:
            log.warning("the clip was not finished in time", extra={"camera": desk.camera})
            return ClipResult(None)

    async def _sum_up(self, opened: _Open) -> None:
        """One sentence of all that was said of an event, when it was more than one."""
        said, request = opened.explanation.sentences, opened.explained
        if self._explain is None or request is None or len(said) < 2:
            return
        asked = self._explain(replace(request, score=opened.top_score, said=said, boxes=False, sentence=None))
        try:
            summary = await asyncio.wait_for(asyncio.wrap_future(asked), SUMMARY_WAIT_S)
            opened.explanation.sum_up(summary.text)
        except TimeoutError:
            log.warning("the summary was not finished in time", extra={"camera": request.window.camera})

    async def _send(
        self,
        track: Track,
        decision: Decision,
        opened: _Open,
        *,
        clip: ClipResult | None = None,
        jpeg: bytes | None = None,
    ) -> None:
        """Commit, then publish."""
        message = alert_message(
            decision,
            track.model,
            opened.explanation,
            msgspec.structs.replace(opened.timing, published_time=self._clock.time()),
            snapshot=opened.snapshot,
            snapshot_note=opened.snapshot_note,
            snapshot_time=opened.pictured_s,
            clip=self._relative(clip.path) if clip else None,
            clip_note=(clip.error or clip.note or None) if clip else None,
            clip_start_time=clip.start_time_s if clip else None,
        )
        await self._publish(message, jpeg)

    async def _publish(self, message: AlertMessage, jpeg: bytes | None = None) -> None:
        loop = asyncio.get_running_loop()
        try:
            within_s = self._deadline.left_s(TOLD_S)
            message = await loop.run_in_executor(self._outbox_thread, self._outbox.append, message, within_s)
            self.last_seq = message.seq
        except OutboxError as error:  # people are told all the same; only catching up suffers
            log.error("%s", error, extra={"camera": message.camera})
        self._metrics.follow(self._metrics.outbox_lost, self._outbox.lost)
        self._kept()
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


def _wants_boxes(desk: Desk) -> bool:
    """Whether to ask where in a camera's pictures it is."""
    return desk.boxes and desk.snapshots


def _log_failure(done: Future[int]) -> None:
    if error := done.exception():
        log.warning("%s", error)


def _describe(message: AlertMessage) -> str:
    says = message.explanation or ("no explanation" if message.explanation_state == "final" else "not explained yet")
    if message.definition != USUAL.name:
        says = f"[{message.definition}] {says}"
    score, highest = "", ""
    if message.fault is None:
        score, highest = f" {message.score:.2f}", f", highest {message.top_score:.2f}"
    match message.type:
        case "new":
            return f"{message.severity.upper()}{score}: {says}"
        case "end":
            lasted_s = (message.end_time or message.start_time) - message.start_time
            return f"over after {lasted_s:.0f} s ({message.end_reason}){highest}: {says}"
        case _:
            return f"{message.severity}{score}{highest}: {says}"
