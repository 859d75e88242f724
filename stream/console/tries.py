"""A wording on trial: what was seen is scored again by it, beside the one in force. Nobody is told of those scores.

The scorer's thread is lent for a moment at a time, and for a fraction of the time while the cameras' own windows wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from engine.errors import RuntimeFault, UsageError, VigilError
from engine.scorer import LanguageScorer, Scorer
from engine.types import Definition, Frame, Window
from engine.windows import Windower, WindowPlan
from stream.console.problems import Problem, no_words
from stream.console.view import WatchView
from stream.evidence.clip import ClipRecording, ClipSettings
from stream.ids import Ids
from stream.rings import PacketRing
from stream.side_thread import SideThread
from stream.sources.base import EncodedPacket, StreamInfo
from stream.sources.pyav import PyAvOptions, PyAvSource
from stream.timing import StreamClock

log = logging.getLogger(__name__)

AT_ONCE = 4  # windows at most for which the cameras' own have to wait
LENT_S = 0.5  # for which the scorer is lent at a time, unless one window takes longer
REST = 3.0  # as many times as long the cameras then have it to themselves, as long as one of them waits
LOOK_EVERY_S = 0.05
MOST_RUNNING = 2
KEPT = 32  # tries whose results are remembered
LONGEST_S = 600.0  # of what is scored again
DECODE_WITHIN_S = 60.0
SCORE_WITHIN_S = 60.0  # beyond the scorer's own timeout: other work may be before it
BEGINNING_S = 1.0
BEHIND_S = 5.0  # at most that the newest packet of a live camera is behind the clock
OLD, NEW = "old", "new"

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Footage:
    """What a wording is tried on. Of what was just seen it is known when that began and how long it is; `shortfall`
    says why it is less than was asked for."""

    clip: Path
    start_time_s: float | None = None
    length_s: float | None = None
    shortfall: str | None = None


Record = Callable[[Path], Footage]
"""Makes the clip in question, if need be in the folder it is given."""


@dataclass(slots=True)
class Trial:
    """One try: scores are (seconds from the beginning, score or unknown). `footage` is known once it was recorded."""

    id: str
    camera: str
    footage: Footage | None = None
    state: Literal["running", "done", "failed"] = "running"
    problem: str | None = None
    old: list[tuple[float, float | None]] = field(default_factory=list)
    new: list[tuple[float, float | None]] = field(default_factory=list)


class Tries:
    """For one event loop."""

    def __init__(self, view: WatchView) -> None:
        self._view = view
        self._ids = Ids(view.clock.time)
        self._trials: OrderedDict[str, Trial] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, trial_id: str) -> Trial | None:
        return self._trials.get(trial_id)

    async def of_clip(self, camera: str, clip: Path, old: Definition, new: Definition) -> Trial:
        """Score a clip again. Raises Problem when that can't be begun now."""
        return await self._begin(camera, old, new, lambda _folder: Footage(clip))

    async def of_ring(self, camera: str, seconds: float, old: Definition, new: Definition) -> Trial:
        """Score again what the camera showed last, as far as its packets are still in memory."""
        desk = await self._view.desk(camera)
        if desk is None:
            raise _no_camera(camera)
        return await self._begin(camera, old, new, partial(recorded, desk.packets, self._view.clock.time(), seconds))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self, camera: str, old: Definition, new: Definition, record: Record) -> Trial:
        if not isinstance(self._view.scorer, LanguageScorer):
            raise no_words(self._view.scorer)
        if hung_for_s := self._view.worker.hung_for_s:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"the scorer has not answered for {hung_for_s:.0f} s: try again when it does",
                {"Retry-After": "10"},
            )
        found = await self._view.camera(camera)
        if found is None:
            raise _no_camera(camera)
        running = [trial for trial in self._trials.values() if trial.state == "running"]
        if len(running) >= MOST_RUNNING or any(trial.camera == camera for trial in running):
            raise Problem(HTTPStatus.CONFLICT, "a wording is being tried already: wait for it", {"Retry-After": "10"})
        trial = Trial(self._ids(), camera)
        self._trials[trial.id] = trial
        while len(self._trials) > KEPT:
            self._trials.popitem(last=False)
        wordings = (replace(old, name=OLD), replace(new, name=NEW))
        task = asyncio.create_task(self._run(trial, record, wordings, found.config.window.plan()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return trial

    async def _run(
        self, trial: Trial, record: Record, wordings: tuple[Definition, Definition], plan: WindowPlan
    ) -> None:
        name = f"{trial.camera}/{trial.id}"  # no camera's: what the scorer remembers of it is forgotten at the end
        thread = SideThread("vigil-try")
        try:
            with tempfile.TemporaryDirectory(prefix="vigil-try-") as folder:
                footage = trial.footage = await thread.do(partial(record, Path(folder)), DECODE_WITHIN_S)
                windows = windows_of(footage.clip, plan, self._view.scorer.frame_size, name)
                try:
                    await self._score(
                        trial, name, wordings, lambda count: thread.do(partial(_some, windows, count), DECODE_WITHIN_S)
                    )
                finally:
                    thread.begin(windows.close)
            trial.state = "done"
        except (VigilError, OSError) as error:
            trial.problem = str(error)
        except Exception:
            log.exception("a try failed", extra={"camera": trial.camera})
            trial.problem = "a fault of Vigil's: its log says more"
        finally:
            if trial.state == "running":
                trial.state = "failed"
            self._view.on_scorer(lambda scorer: scorer.forget(name))
            thread.close(0.0)

    async def _score(
        self,
        trial: Trial,
        name: str,
        wordings: tuple[Definition, Definition],
        more: Callable[[int], Awaitable[list[Window]]],
    ) -> None:
        def define(scorer: Scorer) -> None:
            if isinstance(scorer, LanguageScorer):
                scorer.define(name, wordings)

        config = await self._view.there(self._view.config)
        within_s = SCORE_WITHIN_S + config.scorer.timeout_s
        await _answered(self._view.on_scorer(define), within_s)
        count, reason = 1, ""
        while batch := await more(count):
            judged, took_s = await _answered(self._view.judge(batch), within_s)
            for window, judgement in zip(batch, judged, strict=True):
                other = judgement.further.get(NEW)
                at_s = round(window.end.time_s - BEGINNING_S, 3)
                trial.old.append((at_s, judgement.score))
                trial.new.append((at_s, other.score if other else None))
                reason = judgement.reason or reason
            count = _how_many(took_s / len(batch), min(AT_ONCE, self._view.scorer.max_batch))
            await self._give_way(REST * took_s)
        if not trial.old:
            raise UsageError("there is not one window of video to try it on", advice="try again in a moment")
        if all(score is None for _, score in trial.old + trial.new):
            raise UsageError(f"no window could be judged: {reason or 'the scorer does not say why'}")

    async def _give_way(self, longest_s: float) -> None:
        """Until no camera waits for the scorer, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                while self._view.batcher.waiting_s:
                    await asyncio.sleep(LOOK_EVERY_S)


def windows_of(clip: Path, plan: WindowPlan, frame_size: tuple[int, int], camera: str) -> Generator[Window]:
    """The windows of a clip as a camera of this name would have them, with pixels of their own. One thread.

    Their time is BEGINNING_S with the first picture.
    """
    width, height = frame_size
    times, windower = StreamClock(live=False), Windower(plan)
    last: tuple[int, int] | None = None
    with closing(PyAvSource(str(clip), PyAvOptions(wanted_fps=plan.fps))) as source:
        source.open()
        for item in source:
            if isinstance(item, StreamInfo | EncodedPacket):
                continue
            stamp = times.push(item.pts_s, 0.0, BEGINNING_S)
            if stamp is None:
                continue
            if stamp.time_s - BEGINNING_S > LONGEST_S:
                return
            place = (stamp.segment, plan.slot(stamp.pts_s))
            if place == last or not plan.wants(place[1]):
                continue
            last = place
            image = np.empty((height, width, 3), np.uint8)
            item.write_rgb(image)
            yield from windower.push(Frame(camera, *place, stamp.pts_s, stamp.time_s, 0.0, image))


def _some(windows: Generator[Window], count: int) -> list[Window]:
    return list(itertools.islice(windows, count))


def _how_many(each_s: float, most: int) -> int:
    """Windows of so many seconds each that the scorer may be lent for."""
    return most if each_s * most <= LENT_S else max(1, int(LENT_S / each_s))


async def _answered(future: Future[_Result], within_s: float) -> _Result:
    try:
        async with asyncio.timeout(within_s):
            return await asyncio.wrap_future(future)
    except TimeoutError as error:
        raise RuntimeFault(
            f"the scorer had no time for it within {within_s:g} s", advice="try again when it has less to do"
        ) from error


def recorded(packets: PacketRing, now_s: float, seconds: float, folder: Path) -> Footage:
    """The last `seconds` before now as a clip, or as much of them as a ring has. Raises UsageError for nothing."""
    since_s = now_s - seconds
    settings = ClipSettings(0.0, 0.0, seconds + LONGEST_S)
    recording = ClipRecording(folder / "seen.mp4", packets, since_s, settings)
    recording.follow()
    result = recording.finish()
    if result.path is None or result.start_time_s is None or result.end_time_s is None:
        raise UsageError(result.error or "no packets of the camera are in memory", advice="try again when it is live")
    shortfall = None
    if result.start_time_s > since_s:
        if packets.max_s < seconds:
            shortfall = f"only the last {packets.max_s:g} s are held in memory (evidence.recent says how much)"
        elif packets.is_full:
            held_mib = packets.max_bytes / (1 << 20)
            shortfall = f"more of its video does not fit into the {held_mib:.0f} MiB that are held of it"
        else:
            shortfall = "the camera showed nothing before"
    elif now_s - result.end_time_s > BEHIND_S:
        shortfall = result.note or "the camera showed nothing after"
    return Footage(result.path, result.start_time_s, result.end_time_s - result.start_time_s, shortfall)


def _no_camera(name: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"no camera is called {name}")
