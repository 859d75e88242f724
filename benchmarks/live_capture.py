"""What capturing costs: Vigil's way from a file to windows, beside the two usual loops around `cv2.VideoCapture`.

In one process and by its CPU time, over all threads: whoever decodes with more of them gains nothing by that.
All of them end with pictures of 448x448, and open the file in the time that is measured.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import av
import cv2

from benchmarks.measures import Measure
from engine.batcher import MicroBatcher
from engine.gate import IdleSettings
from engine.windows import WindowPlan
from stream.clock import SystemClock
from stream.rings import PacketRing
from stream.session import CameraSession, Pace, SessionSettings, SessionStats
from stream.sources.base import EncodedPacket, Item, StreamInfo
from stream.sources.pyav import PyAvSource

SIDE_PX = 448
PLAN = WindowPlan()  # 8 frames a second
STILL = IdleSettings(enabled=True, after_s=2.0)
OF_EVERY_WHEN_STILL = 0.1
PACKETS_S, PACKETS_BYTES = 16.0, 32 << 20  # what `vigil watch` keeps for clips by default


@dataclass(frozen=True, slots=True)
class Size:
    """A size of picture, and what capturing may cost as a share of what the two loops need."""

    name: str
    width: int
    height: int
    mbit_s: float  # what cameras of this size commonly send
    of_every: float
    of_sampled: float


SIZES = (
    Size("CIF", 352, 288, 0.5, 0.65, 1.2),
    Size("720p", 1280, 720, 2.0, 0.35, 0.8),
    Size("1080p", 1920, 1080, 4.0, 0.35, 0.8),
)


@dataclass(frozen=True, slots=True)
class Clip:
    path: Path
    seconds: float


def compare(size: Size, moving: Clip, layered: Clip, still: Clip, repeats: int) -> list[Measure]:
    """The ratios for one size. The ways take turns, so that what disturbs one disturbs all.

    In `layered`, unlike `moving`, there are pictures that no other one needs.
    """
    default = cv2.getNumThreads()
    ways: dict[str, Callable[[], float]] = {
        "ours": partial(_with_threads, 1, capture, moving),  # as `vigil watch` sets it
        "ours layered": partial(_with_threads, 1, capture, layered),
        "still": partial(_with_threads, 1, idle, still),
        "decoder": partial(decode, moving),
    }
    for threads in {default, 1}:
        ways[f"every {threads}"] = partial(_with_threads, threads, every, moving)
        ways[f"sampled {threads}"] = partial(_with_threads, threads, sampled, moving)
        ways[f"every layered {threads}"] = partial(_with_threads, threads, every, layered)
        ways[f"sampled layered {threads}"] = partial(_with_threads, threads, sampled, layered)
        ways[f"every still {threads}"] = partial(_with_threads, threads, every, still)
    rounds = [{name: way() for name, way in ways.items()} for _ in range(repeats)]
    cv2.setNumThreads(default)
    cost = {name: median(each[name] for each in rounds) for name in ways}

    def peer(name: str) -> float:
        """With OpenCV's own number of threads or with one, whichever costs less."""
        return min(cost[f"{name} {threads}"] for threads in {default, 1})

    loop, careful = "a loop that reads every picture", "a loop that grabs all and retrieves 8 a second"
    return [
        Measure(f"{size.name}: capturing a second of a camera, CPU", 1000 * cost["ours"], "ms"),
        Measure(f"{size.name}: of that, FFmpeg's decoder alone", 1000 * cost["decoder"], "ms"),
        Measure(f"{size.name}: capturing / {loop}", cost["ours"] / peer("every"), "", size.of_every),
        Measure(f"{size.name}: capturing / {careful}", cost["ours"] / peer("sampled"), "", size.of_sampled),
        Measure(
            f"{size.name}: the first of them, without what the decoder takes of either",
            (cost["ours"] - cost["decoder"]) / (peer("every") - cost["decoder"]),
        ),
        Measure(
            f"{size.name}, B-pictures: capturing / {loop}",
            cost["ours layered"] / peer("every layered"),
            "",
            size.of_every,
        ),
        Measure(
            f"{size.name}, B-pictures: capturing / {careful}",
            cost["ours layered"] / peer("sampled layered"),
            "",
            size.of_sampled,
        ),
        Measure(
            f"{size.name}, still scene: capturing / {loop}",
            cost["still"] / peer("every still"),
            "",
            OF_EVERY_WHEN_STILL,
        ),
    ]


# Each of these says how many CPU seconds a second of the clip takes.


def _with_threads(threads: int, way: Callable[[Clip], float], clip: Clip) -> float:
    cv2.setNumThreads(threads)
    return way(clip)


def every(clip: Clip) -> float:
    """The loop that most programs have."""
    started_s = time.process_time()
    video = cv2.VideoCapture(str(clip.path))
    while True:
        found, image = video.read()
        if not found:
            break
        cv2.resize(image, (SIDE_PX, SIDE_PX))
    video.release()
    return (time.process_time() - started_s) / clip.seconds


def sampled(clip: Clip) -> float:
    """A careful loop: it converts only the pictures that it needs."""
    started_s = time.process_time()
    video = cv2.VideoCapture(str(clip.path))
    fps = video.get(cv2.CAP_PROP_FPS)
    number, last = 0, -1
    while video.grab():
        slot = math.floor(number / fps * PLAN.fps)
        if slot != last:
            last = slot
            cv2.resize(video.retrieve()[1], (SIDE_PX, SIDE_PX))
        number += 1
    video.release()
    return (time.process_time() - started_s) / clip.seconds


def decode(clip: Clip) -> float:
    """What no way can do without, unless it leaves pictures out."""
    started_s = time.process_time()
    with av.open(str(clip.path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for _ in container.decode(video=0):
            pass
    return (time.process_time() - started_s) / clip.seconds


def capture(clip: Clip) -> float:
    """A camera's thread at full pace, and a consumer that takes every window."""
    started_s = time.process_time()
    stats = _run_session(PyAvSource(str(clip.path)), IdleSettings())
    if stats.frames < int(clip.seconds * PLAN.fps):
        raise SystemExit(f"{clip.path.name}: only {stats.frames} frames were sampled")
    return (time.process_time() - started_s) / clip.seconds


def idle(clip: Clip) -> float:
    """The same from when the scene counts as still, with the idle tier turned on."""
    source = _StillSource(str(clip.path))
    _run_session(source, STILL)
    if source.still_from is None or not source.stayed_still:
        raise SystemExit(f"{clip.path.name}: the scene did not stay still")
    (cpu_s, pts_s), (end_cpu_s, end_pts_s) = source.still_from, source.last
    return (end_cpu_s - cpu_s) / (end_pts_s - pts_s)


class _StillSource(PyAvSource):
    """Takes the time when it is first told to decode key frames only, and whether that is ever taken back."""

    still_from: tuple[float, float] | None = None  # (CPU time, stream time)
    last = (0.0, 0.0)
    stayed_still = True

    def __iter__(self) -> Iterator[Item]:
        for item in super().__iter__():
            yield item
            if isinstance(item, StreamInfo | EncodedPacket) or item.pts_s is None:
                continue
            self.last = time.process_time(), item.pts_s
            if self.still_from is None and self.keyframes_only:
                self.still_from = self.last
            elif self.still_from is not None:
                self.stayed_still &= self.keyframes_only


def _run_session(source: PyAvSource, still: IdleSettings) -> SessionStats:
    clock = SystemClock()
    batcher = MicroBatcher(max_batch=16, staleness_s=2.0, monotonic=clock.monotonic)
    consumer = threading.Thread(target=_drain, args=(batcher,))
    consumer.start()
    stats = SessionStats()
    session = CameraSession(
        SessionSettings("camera", PLAN, (SIDE_PX, SIDE_PX), still, Pace.MAX),
        lambda: source,
        packets=PacketRing(PACKETS_S, PACKETS_BYTES),
        batcher=batcher,
        report=lambda _change: None,
        clock=clock,
        rng=random.Random(0),
        stats=stats,
    )
    session.run()
    batcher.close(drain=True)
    consumer.join()
    return stats


def _drain(batcher: MicroBatcher) -> None:
    while windows := batcher.take():
        for window in windows:
            window.release()
            batcher.settle(window, unknown=False)
