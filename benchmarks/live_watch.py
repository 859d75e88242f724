"""What a real `vigil watch` process does with many cameras: how late it tells, how much it holds, how many it bears.

The cameras are files played at their own pace, so that no server takes part of the same cores. All start at once, so
that the windows of all of them end at the same moments: the worst case for whoever comes last. The subscriber
is this process.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import cpu_s, pss_bytes
from benchmarks.measures import Measure
from benchmarks.watching import START_LIMIT_S, Vigil, watching
from engine.errors import FeedError
from stream.feed import AlertMessage, Received, ScoreMessage, subscribe

STEP_S = 0.5  # between two looks at the memory
LATEST_MS = 250.0
CAMERA_MIB = 60.0
CAMERAS = 32
GROWTH_S = 0.25  # latency that grows by less than this within a run does not grow

# Every window is told: the first known one opens an event that never closes.
TELL_ALL = {
    "smoothing": {"kind": "none"},
    "alerts": {"open": 0, "close": 0, "alert": 0, "update_every": 0},
    "motion": {"warm_up": "1s"},
}


@dataclass(slots=True)
class Told:
    """What the subscriber has heard: (when it came, how long after its window's end), in seconds."""

    scores: list[tuple[float, float]] = field(default_factory=list)
    alerts: list[tuple[float, float]] = field(default_factory=list)

    def take(self, message: object, ends: dict[str, float]) -> None:
        """`ends` holds the last window's end of each camera, whose score is published right before its alert.

        An update's own `timing` is that of the event's highest score, which may be older.
        """
        now_s = time.time()
        if isinstance(message, ScoreMessage):
            ends[message.camera] = message.time
            self.scores.append((now_s, now_s - message.time))
        elif isinstance(message, AlertMessage) and message.type != "end":
            self.alerts.append((now_s, now_s - ends[message.camera]))


@dataclass(frozen=True, slots=True)
class Load:
    """How `vigil watch` bore its cameras, from when they had settled."""

    cameras: int
    seconds: float
    cpu_share: float  # of one core
    scored: float  # windows
    dropped: float  # windows and frames
    told: Told
    peak_bytes: int  # from the start

    @property
    def growth_s(self) -> float:
        """How much later the last third of the scores came than the first."""
        late_s = [late_s for _, late_s in self.told.scores]
        third = max(1, len(late_s) // 3)
        return median(late_s[-third:]) - median(late_s[:third])

    @property
    def holds(self) -> bool:
        """Whether it kept up: nothing dropped, no camera behind, and not later and later."""
        due = self.cameras * (self.seconds - 1)
        return not self.dropped and self.scored >= due and self.growth_s < GROWTH_S


def latency(clip: Path, cameras: int, settle_s: float, seconds: float) -> list[Measure]:
    load = observe(clip, cameras, settle_s, seconds, TELL_ALL)
    late_s = sorted(late_s for _, late_s in load.told.alerts)
    if not late_s:
        raise SystemExit("no alert reached the subscriber")
    name = f"{cameras} CIF cameras: end of window until a subscriber has the alert"
    return [
        Measure(f"{name}, median of {len(late_s)}", 1000 * median(late_s), "ms"),
        Measure(f"{name}, 95th percentile", 1000 * late_s[int(0.95 * len(late_s))], "ms", LATEST_MS),
    ]


def memory(name: str, clip: Path, cameras: int, settle_s: float, seconds: float) -> list[Measure]:
    """From a process with one camera to one with several, each at its highest."""
    one, several = (observe(clip, count, settle_s, seconds).peak_bytes for count in (1, cameras))
    further_mib = (several - one) / (cameras - 1) / 2**20
    return [
        Measure(f"{name}: memory of a process with one camera (PSS)", one / 2**20, "MiB"),
        Measure(f"{name}: memory of a further camera (PSS, of {cameras})", further_mib, "MiB", CAMERA_MIB),
    ]


def capacity(clip: Path, counts: tuple[int, ...], settle_s: float, seconds: float) -> list[Measure]:
    """The most cameras that two cores hold, and how they do; the first count that they don't hold ends it."""
    measures: list[Measure] = []
    held = 0
    for count in counts:
        with two_cores():
            load = observe(clip, count, settle_s, seconds)
        late_s = sorted(late_s for _, late_s in load.told.scores) or [math.nan]
        name = f"{count} CIF cameras"
        measures += [
            Measure(f"{name}: share of the two cores", 100 * load.cpu_share / 2, "%"),
            Measure(f"{name}: windows and frames dropped", load.dropped),
            Measure(f"{name}: end of window until its score is told, median", 1000 * median(late_s), "ms"),
            Measure(f"{name}: the same, 95th percentile", 1000 * late_s[int(0.95 * len(late_s))], "ms"),
        ]
        if not load.holds:
            break
        held = count
    return [
        *measures,
        Measure("CIF cameras that two cores hold in real time, at least", held, "", CAMERAS, at_least=True),
    ]


def observe(clip: Path, cameras: int, settle_s: float, seconds: float, defaults: dict[str, Any] | None = None) -> Load:
    """Watch `clip` as that many cameras, let them settle, and listen."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "cameras": {f"camera-{number}": {"source": str(clip)} for number in range(cameras)},
            "defaults": defaults or {},
            "scorer": {"kind": "motion"},
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "127.0.0.1:0"},
            "data": {"dir": str(Path(folder) / "data")},
        }
        with watching(Path(folder), settings) as vigil, listening(vigil.feed) as told:
            peak_bytes = 0
            for _ in range(round(settle_s / STEP_S)):
                time.sleep(STEP_S)
                peak_bytes = max(peak_bytes, pss_bytes(vigil.pid))
            before, from_cpu_s, from_s = counts(vigil), cpu_s(vigil.pid), time.monotonic()
            settled_s = time.time()
            while time.monotonic() - from_s < seconds:
                time.sleep(STEP_S)
                peak_bytes = max(peak_bytes, pss_bytes(vigil.pid))
            lasted_s = time.monotonic() - from_s
            used_s, after = cpu_s(vigil.pid) - from_cpu_s, counts(vigil)
            heard = Told(*([each for each in kind if each[0] >= settled_s] for kind in (told.scores, told.alerts)))
            return Load(
                cameras,
                lasted_s,
                cpu_share=used_s / lasted_s,
                scored=after["scored"] - before["scored"],
                dropped=after["dropped"] - before["dropped"],
                told=heard,
                peak_bytes=peak_bytes,
            )


@contextmanager
def listening(feed: str) -> Iterator[Told]:
    told = Told()
    over = threading.Event()

    def listen() -> None:
        ends: dict[str, float] = {}
        with suppress(FeedError), subscribe(feed, kinds=("alerts", "scores"), timeout_s=START_LIMIT_S) as subscription:
            for event in subscription:
                if isinstance(event, Received):
                    told.take(event.message, ends)
                if over.is_set():
                    return

    thread = threading.Thread(target=listen, name="subscriber")
    thread.start()
    try:
        yield told
    finally:
        over.set()
        thread.join()


def counts(vigil: Vigil) -> dict[str, float]:
    """What was scored and dropped so far, over all cameras."""
    return {
        "scored": vigil.total("vigil_windows_scored_total"),
        "dropped": vigil.total("vigil_windows_dropped_total", "vigil_frames_dropped_total"),
    }


@contextmanager
def two_cores() -> Iterator[None]:
    """What is started within runs on two cores, however many there are."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(mine)[:2])
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)
