"""What the console sees of a watch and may have it do: the only way from one to the other. Knows no web.

The console has a thread and a loop of its own. What belongs to the watch's loop is looked at and changed there, so
that neither ever sees the other's things half done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.batcher import Counts, MicroBatcher
from engine.errors import DeviceLostError, RuntimeFault
from engine.policy import PolicySettings
from engine.scorer import Scorer
from engine.types import Definition, Judgement, ScorePoint, Window
from engine.worker import ScoringWorker, judge
from stream.bridges.bridge import Bridges
from stream.camera import Camera
from stream.clock import Clock
from stream.config.models import CameraConfig, WatchConfig
from stream.desk import Desk, Track
from stream.outbox import Outbox
from stream.preview import Preview
from stream.reload import ConfigFile
from stream.webrtc.door import Doors

ANSWER_WITHIN_S = 10.0  # what the watch's loop is waited for

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class TrackNow:
    """A camera's course by one definition, at one moment."""

    definition: Definition
    settings: PolicySettings
    newest: ScorePoint | None
    open_event: str | None


@dataclass(frozen=True, slots=True)
class CameraNow:
    """A camera at one moment."""

    name: str
    config: CameraConfig
    state: str
    live: bool  # False for a file
    size: tuple[int, int]
    picture_time_s: float | None
    windows: Counts
    waiting_s: float  # for the scorer, of its oldest window that does
    frames_dropped: Mapping[str, int]  # by reason
    preview: Preview
    tracks: tuple[TrackNow, ...]


@dataclass(frozen=True, kw_only=True)
class WatchView:
    """From any thread, unless it says otherwise. Coroutines are awaited on the console's loop."""

    loop: asyncio.AbstractEventLoop  # the watch's
    clock: Clock
    started_s: float
    version: str
    run: str  # the feed's
    outbox: Outbox
    bridges: Bridges
    cameras: Mapping[str, Camera]  # for the watch's loop, and so are the functions below
    batcher: MicroBatcher
    worker: ScoringWorker
    scorer: Scorer
    config: Callable[[], WatchConfig]
    apply: Callable[[WatchConfig], Awaitable[None]]
    file: ConfigFile | None
    doors: Doors  # for publishers; for any thread

    async def there(self, look: Callable[[], _Result]) -> _Result:
        """What `look` returns or raises on the watch's loop. Raises RuntimeFault when that does not answer."""

        async def looked() -> _Result:
            return look()

        return await self._within(ANSWER_WITHIN_S, looked())

    async def change(self, config: WatchConfig) -> None:
        """Have the watch go on with this configuration. Raises as `Watch.apply` does, and as `there`."""

        async def applied() -> None:
            await self.apply(config)

        await self._within(3 * ANSWER_WITHIN_S, applied())

    async def camera(self, name: str) -> CameraNow | None:
        return next(iter(await self.some_cameras((name,))), None)

    async def some_cameras(self, names: Collection[str]) -> list[CameraNow]:
        """Those of them that there are."""

        def look() -> list[CameraNow]:
            counts, ages_s = self.batcher.counts(), self.batcher.ages_s()
            return [_now(self.cameras[name], counts, ages_s) for name in names if name in self.cameras]

        return await self.there(look)

    async def all_cameras(self) -> list[CameraNow]:
        def look() -> list[CameraNow]:
            counts, ages_s = self.batcher.counts(), self.batcher.ages_s()
            return [_now(camera, counts, ages_s) for camera in self.cameras.values()]

        return await self.there(look)

    async def history(self, camera: str, definition: str | None) -> tuple[str, Sequence[ScorePoint]] | None:
        """A definition's name and its newest points; the camera's first one unless it is named. None: no such one."""

        def look() -> tuple[str, Sequence[ScorePoint]] | None:
            track = _track(self.cameras.get(camera), definition)
            return (track.definition.name, track.timeline.history) if track else None

        return await self.there(look)

    async def desk(self, camera: str) -> Desk | None:
        def look() -> Desk | None:
            found = self.cameras.get(camera)
            return found.desk if found else None

        return await self.there(look)

    def on_scorer(self, what: Callable[[Scorer], _Result]) -> Future[_Result]:
        """Have the scorer's thread do this before its next batch. It must be short, as cameras wait for it."""
        future: Future[_Result] = Future()
        future.set_running_or_notify_cancel()  # who asked may stop waiting; it is done all the same

        def told(scorer: Scorer) -> None:
            try:
                future.set_result(what(scorer))
            except DeviceLostError as error:
                future.set_exception(error)
                raise
            except Exception as error:  # noqa: BLE001 - it is for who asked
                future.set_exception(error)

        self.worker.tell(told)
        return future

    def judge(self, windows: Sequence[Window]) -> Future[tuple[list[Judgement], float]]:
        """Their judgements, which become nobody's alerts, and the seconds that the scorer took."""

        def judged(scorer: Scorer) -> tuple[list[Judgement], float]:
            began_s = self.clock.monotonic()
            return judge(scorer, windows), self.clock.monotonic() - began_s

        return self.on_scorer(judged)

    async def _within(self, seconds: float, work: Coroutine[Any, Any, _Result]) -> _Result:
        if self.loop.is_closed():
            work.close()
            raise RuntimeFault("the watch is over")
        future = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(future)  # what has begun there is finished
        except TimeoutError as error:
            raise RuntimeFault("the watch does not answer", advice="look at its log") from error


def _now(camera: Camera, counts: Mapping[str, Counts], ages_s: Mapping[str, float]) -> CameraNow:
    stats = camera.keeper.stats
    return CameraNow(
        camera.name,
        camera.config,
        camera.state.value,
        stats.live,
        camera.desk.native_size,
        stats.picture_time_s,
        counts.get(camera.name, Counts()),
        ages_s.get(camera.name, 0.0),
        dict(list(stats.dropped.items())),  # another thread goes on counting
        camera.preview,
        tuple(
            TrackNow(track.definition, track.policy.settings, _newest(track), track.policy.event_id)
            for track in camera.desk.tracks
        ),
    )


def _newest(track: Track) -> ScorePoint | None:
    history = track.timeline.history
    return history[-1] if history else None


def _track(camera: Camera | None, definition: str | None) -> Track | None:
    tracks = camera.desk.tracks if camera else ()
    return next((track for track in tracks if definition in (None, track.definition.name)), None)
