"""Replays videos with a scorer: decoding in parallel and ahead, scoring in one place, storing what is finished.

The calling thread scores, stores and tells the progress; each video that is being read has a thread of its own. Knows
no data set's format and no figure.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from engine.batcher import MicroBatcher
from engine.scorer import LanguageScorer
from engine.timeline import WindowMeta
from engine.types import Judgement, ModelInfo, Window
from engine.worker import judge
from offline_eval.datasets.base import Video
from offline_eval.datasets.matching import Coverage
from offline_eval.videos.batches import MOST_WINDOWS, VideoBatcher
from offline_eval.videos.decode import VideoReading
from offline_eval.videos.plan import Plan, Shard, plan_settings
from offline_eval.videos.progress import Progress
from offline_eval.videos.records import Finished, Run, WindowRecord
from offline_eval.videos.scorers import Recipe
from offline_eval.videos.store import ResponseStore, StoredVideo, StorePart
from offline_eval.videos.times import EPOCH_S

log = logging.getLogger(__name__)

POLL_S = 0.05  # how often the end of a video is looked for while no window comes
HUNG_S = 60.0  # a video that gives nothing for so long, with room for more, is given up
STOP_S = 5.0  # what the reading threads get to end in

_THE_ONLY_SHARD = Shard()


@dataclass(frozen=True, slots=True)
class Failed:
    """A video that can't be replayed. Nothing of it is stored, so it is tried again by the next replay."""

    video: str
    problem: str


Outcome = StoredVideo | Failed


class Replayer(Protocol):
    """Who replays videos: this process, or others."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def settings(self) -> Mapping[str, str]:
        """Whatever the responses depend on beside that, in words."""
        ...

    def replay(self, videos: Sequence[Video], progress: Progress) -> Generator[Outcome, None, None]:
        """Each video's outcome as it comes about; `video.path` is where its file lies. To be closed when given up."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a replay. `unknown` counts windows without a score, of those replayed now."""

    shard: Shard
    coverage: Coverage
    resumed: int  # videos that were done before
    replayed: tuple[str, ...]
    failed: tuple[Failed, ...]
    windows: int
    unknown: int
    took_s: float

    @property
    def complete(self) -> bool:
        """Whether every annotated video of this shard has its responses."""
        return self.coverage.complete and not self.failed

    def explain(self, measured: Coverage) -> Coverage:
        """What was measured of the store, with the reasons for what is missing from it."""
        return measured.explained(self.coverage, {failed.video: failed.problem for failed in self.failed})

    @property
    def problems(self) -> tuple[str, ...]:
        """A line for each video that has none."""
        return (
            *(f"{name}: missing" for name in self.coverage.missing),
            *(f"unreadable: {text}" for text in self.coverage.unreadable),
            *(f"wrong length: {text}" for text in self.coverage.wrong_length),
            *(f"{failed.video}: {failed.problem}" for failed in self.failed),
        )


def replay_videos(
    dataset: str,
    coverage: Coverage,
    replayer: Replayer,
    *,
    out: Path,
    shard: Shard = _THE_ONLY_SHARD,
    progress: Progress,
    part: StorePart | None = None,
) -> Summary:
    """Replay the videos that were found (`match` with a folder) and are not yet in the store of folder `out`.

    A video that can't be read is told of in the summary and ends nothing. `part` is the store's file if the caller has
    it locked already.
    Raises UsageError when `out` holds responses made otherwise, RuntimeFault when it can't be written.
    """
    started_s = time.monotonic()
    videos = shard.of(coverage.videos)
    replayed: list[str] = []
    failed: list[Failed] = []
    windows = unknown = 0
    with ResponseStore(out, Run.of(dataset, replayer.info, replayer.settings), shard=shard.name, part=part) as store:
        left = [video for video in videos if video.name not in store.done]
        with progress, closing(replayer.replay(left, progress)) as outcomes:
            progress.begin(left, resumed=len(videos) - len(left))
            for outcome in outcomes:
                match outcome:
                    case Failed(video=name, problem=problem):
                        failed.append(outcome)
                        progress.failed(name, problem)
                    case _:
                        store.add(outcome)
                        if undecoded := outcome.finished.undecoded:
                            log.warning(
                                "%s is damaged: %d of its %d frames could not be decoded",
                                outcome.name,
                                undecoded,
                                outcome.finished.frames,
                            )
                        replayed.append(outcome.name)
                        windows += len(outcome.windows)
                        unknown += sum(window.score is None for window in outcome.windows)
                        progress.finished(outcome.name)
    return Summary(
        shard=shard,
        coverage=coverage,
        resumed=len(videos) - len(left),
        replayed=tuple(replayed),
        failed=tuple(failed),
        windows=windows,
        unknown=unknown,
        took_s=time.monotonic() - started_s,
    )


@dataclass(slots=True)
class _Open:
    """A video on its way."""

    reading: VideoReading
    started_s: float
    served_s: float  # when it last was given room for another window
    batch: list[Window] = field(default_factory=list)
    windows: list[WindowRecord] = field(default_factory=list)

    def add(self, window: Window, judgement: Judgement, took_s: float) -> None:
        meta = WindowMeta.of(window)
        meta = replace(meta, time_s=meta.time_s - EPOCH_S)
        self.windows.append(WindowRecord.of(meta, self.reading.times.frame_at(meta.time_s), judgement, took_s))


class LocalReplayer:
    """Fulfils `Replayer` in this process: one scorer, and `workers` videos that are decoded ahead of it at a time.

    Each of them has at most two batches of windows waiting and is held back then.
    """

    def __init__(self, recipe: Recipe, plan: Plan, *, workers: int = 2) -> None:
        self._recipe = recipe
        self._scorer = recipe.make()
        self._plan = plan
        self._workers = workers
        self.info = self._scorer.info
        width, height = self._scorer.frame_size
        self.settings = {
            **plan_settings(plan),
            **{f"scorer.{name}": value for name, value in recipe.settings(self._scorer).items()},
            "frame_size": f"{width}x{height}",
        }
        self._exact = isinstance(self._scorer, LanguageScorer)  # a model is asked, for which it is worth the time
        if isinstance(self._scorer, LanguageScorer):
            self.settings["pictures"] = "bicubic"
            self.info = self._scorer.info_for(recipe.definition)
            self.settings["definition"] = recipe.definition.text or recipe.definition.name

    def close(self) -> None:
        self._scorer.close()

    def replay(self, videos: Sequence[Video], progress: Progress) -> Generator[Outcome, None, None]:
        size = min(self._recipe.max_batch or self._scorer.max_batch, MOST_WINDOWS)
        batcher = VideoBatcher(size)
        waiting = deque(videos)
        under_way: dict[str, _Open] = {}
        try:
            while waiting or under_way:
                while waiting and len(under_way) < self._workers:
                    video = waiting.popleft()
                    self._recipe.introduce(self._scorer, video.name)
                    reading = VideoReading(video, self._plan, self._scorer.frame_size, batcher, exact=self._exact)
                    under_way[video.name] = _Open(reading, time.monotonic(), time.monotonic())
                    reading.start()
                for window in batcher.take(POLL_S):
                    if each := under_way.get(window.camera):  # else it was given up
                        each.served_s = time.monotonic()
                        each.batch.append(window)
                        if len(each.batch) == size:
                            self._score(each)
                for name, each in list(under_way.items()):
                    progress.reading(name, each.reading.stats.packets)
                    if outcome := self._outcome(each, batcher):
                        del under_way[name]
                        batcher.forget(name)
                        self._scorer.forget(name)
                        yield outcome
        finally:
            for each in under_way.values():
                each.reading.stop()
            batcher.close()
            for each in under_way.values():
                each.reading.join(STOP_S)

    def _score(self, each: _Open) -> None:
        windows, each.batch = each.batch, []
        started_s = time.monotonic()
        judgements = judge(self._scorer, windows)
        took_s = (time.monotonic() - started_s) / max(1, len(windows))
        for window, judgement in zip(windows, judgements, strict=True):
            each.add(window, judgement, took_s)

    def _outcome(self, each: _Open, batcher: MicroBatcher) -> Outcome | None:
        """What became of a video; None while there may be more windows of it. Judges its last ones."""
        reading, name = each.reading, each.reading.video.name
        if not reading.ended:
            silent_s = time.monotonic() - max(reading.stats.touched_s, each.served_s)
            if silent_s < HUNG_S or batcher.pending(name):
                return None
            reading.stop()  # its thread may be in native code for ever
            return Failed(name, f"the decoder did not return for {silent_s:.0f} s")
        if batcher.pending(name):
            return None
        if reading.error is not None:
            return Failed(name, str(reading.error))
        if each.batch:
            self._score(each)
        took_s = round(time.monotonic() - each.started_s, 3)
        finished = Finished(
            name,
            len(each.windows),
            reading.frames,
            reading.stats.pictures,
            reading.size_bytes,
            took_s,
            reading.undecoded,
        )
        return StoredVideo(finished, tuple(each.windows))
