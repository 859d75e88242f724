"""Replays on a Ray cluster: a worker on each of its GPUs or CPUs, and the videos of one that dies go to another.

The only file that knows Ray. Workers only replay; the store stays with the caller. Every node needs Vigil, and the
videos under the same path.
"""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Self

from engine.errors import DeviceLostError, RuntimeFault, UsageError
from engine.types import ModelInfo
from offline_eval.datasets.base import Video
from offline_eval.videos.code import code_version
from offline_eval.videos.plan import Plan
from offline_eval.videos.progress import Progress
from offline_eval.videos.run import Failed, LocalReplayer, Outcome
from offline_eval.videos.scorers import Recipe

log = logging.getLogger(__name__)

START_S = 300.0  # what a worker gets to load its model in, while no other one works
MOST_DEATHS = 3  # a video that so many workers died over is given up: it may be the video's fault


@dataclass(frozen=True, slots=True)
class _Identity:
    """What must be the same for all workers."""

    info: ModelInfo
    settings: Mapping[str, str]
    version: str


class _Silent:
    """A `Progress` that nobody looks at."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        pass

    def begin(self, videos: Sequence[Video], resumed: int) -> None:
        pass

    def reading(self, video: str, frames: int) -> None:
        pass

    def finished(self, video: str) -> None:
        pass

    def failed(self, video: str, problem: str) -> None:
        pass


class _Worker:
    """Lives in a process of the cluster."""

    def __init__(self, recipe: Recipe, plan: Plan, videos_at_once: int) -> None:
        import cv2

        cv2.setNumThreads(1)  # a worker is given one CPU
        self._local = LocalReplayer(recipe, plan, workers=videos_at_once)

    def identity(self) -> _Identity:
        return _Identity(self._local.info, dict(self._local.settings), code_version())

    def replay(self, videos: Sequence[Video]) -> list[Outcome]:
        try:
            return list(self._local.replay(videos, _Silent()))
        except DeviceLostError as error:
            log.error("%s", error)
            os._exit(error.exit_code)  # only another process gets the device back


class RayReplayer:
    """Fulfils `offline_eval.videos.run.Replayer`. Each worker decodes `workers` videos at a time.

    Raises UsageError without Ray, RuntimeFault when the cluster can't be reached or no worker starts.
    """

    def __init__(self, address: str, recipe: Recipe, plan: Plan, *, workers: int = 2) -> None:
        self._ray = _import_ray()
        self._at_once = workers
        self._starting: dict[Any, Any] = {}  # workers by the identity that each owes
        self._idle: list[Any] = []
        self._identity: _Identity | None = None
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # whatever Ray raises when it can't be reached
            log.debug("ray.init failed", exc_info=True)
            raise RuntimeFault(f"no Ray cluster at {address}: {_line(error)}", advice="see `ray status`") from error
        try:
            resource = "GPU" if recipe.gpu else "CPU"
            slots = int(self._ray.cluster_resources().get(resource, 0))
            remote = self._ray.remote(_Worker).options(num_cpus=not recipe.gpu, num_gpus=recipe.gpu)
            self._make: Callable[[], Any] = lambda: remote.remote(recipe, plan, workers)
            for _ in range(slots):
                self._start()
            while self._identity is None:
                self._meet(self._wait([]))
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> ModelInfo:
        assert self._identity is not None
        return self._identity.info

    @property
    def settings(self) -> Mapping[str, str]:
        assert self._identity is not None
        return self._identity.settings

    def close(self) -> None:
        self._ray.shutdown()  # ends this caller's workers

    def replay(self, videos: Sequence[Video], progress: Progress) -> Generator[Outcome, None, None]:
        """`progress` is told which videos are under way, not how far they are: workers are not asked."""
        waiting = deque(videos)
        deaths: Counter[str] = Counter()
        busy: dict[Any, tuple[Any, list[Video]]] = {}  # workers and their videos by the answer that is due
        while waiting or busy:
            while waiting and self._idle:
                worker, chunk = self._idle.pop(), self._chunk(waiting, deaths)
                busy[worker.replay.remote(chunk)] = worker, chunk
                for video in chunk:
                    progress.reading(video.name, 0)
            answer = self._wait(list(busy))
            if answer in self._starting:
                self._meet(answer)
                continue
            worker, chunk = busy.pop(answer)
            try:
                outcomes: list[Outcome] = self._ray.get(answer)
                self._idle.append(worker)
            except self._ray.exceptions.RayTaskError as error:  # it lives, and says what went wrong
                outcomes = [Failed(video.name, f"its worker raised {_line(error)}") for video in chunk]
                self._idle.append(worker)
            except self._ray.exceptions.RayError as error:
                log.warning("a Ray worker died (%s): its videos are replayed anew", type(error).__name__)
                self._start()
                deaths.update(video.name for video in chunk)
                waiting.extendleft(video for video in chunk if deaths[video.name] < MOST_DEATHS)
                given_up = [video for video in chunk if deaths[video.name] >= MOST_DEATHS]
                outcomes = [Failed(video.name, f"{MOST_DEATHS} workers died over it") for video in given_up]
            yield from outcomes

    def _chunk(self, waiting: deque[Video], deaths: Counter[str]) -> list[Video]:
        """The next videos for a worker. One that a worker died over goes alone, so that it harms no other."""
        chunk = [waiting.popleft()]
        while waiting and len(chunk) < self._at_once and not (deaths[chunk[0].name] or deaths[waiting[0].name]):
            chunk.append(waiting.popleft())
        return chunk

    def _start(self) -> None:
        worker = self._make()
        self._starting[worker.identity.remote()] = worker

    def _wait(self, due: Sequence[Any]) -> Any:
        """The next answer, of those that are due and of workers that start. Raises RuntimeFault when none can come."""
        answers = [*due, *self._starting]
        if not answers:
            raise RuntimeFault("the Ray cluster has no worker left", advice="see `ray status`, then replay again")
        while not (ready := self._ray.wait(answers, num_returns=1, timeout=START_S)[0]):
            if not due:
                raise RuntimeFault(f"no Ray worker started within {START_S:g} s", advice="see `ray status`")
        return ready[0]

    def _meet(self, answer: Any) -> None:
        """A worker has started, or not; it is taken if it is like the first."""
        worker = self._starting.pop(answer)
        try:
            identity: _Identity = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            log.warning("a Ray worker did not start: %s", _line(error))
            return
        self._identity = self._identity or identity
        if identity == self._identity:
            self._idle.append(worker)
        else:
            log.warning("a Ray worker is left out: it has %s instead of %s", identity, self._identity)


def _import_ray() -> Any:
    try:
        return import_module("ray")
    except ImportError as error:
        raise UsageError("--ray needs Ray", advice="pip install -e '.[ray]' in Vigil's folder") from error


def _line(error: BaseException) -> str:
    """What Ray says in many lines, in one: it ends with the cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
