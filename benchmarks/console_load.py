"""What viewers cost a real `vigil watch`, and what that costs its own work: all differences are within one run.

The viewers are `benchmarks.console_viewers` in a process of its own; all share two cores. Phases with and without
viewers take turns, so that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import cpu_s, pss_bytes
from benchmarks.live_watch import Told, counts, listening, two_cores
from benchmarks.measures import Measure
from benchmarks.vitals import percentile
from benchmarks.watching import START_LIMIT_S, Vigil, watching

FPS = 5.0
CORES = 2.0
REACHED = 0.9  # of the pictures that were asked for
DEAF = 4  # viewers that read nothing
SUFFERS = 1.5  # times the delay of scores without viewers


@dataclass(frozen=True, slots=True)
class Viewers:
    """Who looks in a phase; `fps` 0 are viewers that only hear the stream."""

    count: int
    tiles: int = 32
    fps: float = FPS


@dataclass(frozen=True, slots=True)
class Phase:
    """What a phase cost."""

    cpu: float  # of one core
    pictures_per_s: float
    mbit_per_s: float
    delays_s: list[float]  # from a window's end until its score is told
    dropped: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A phase, and those without viewers right before and after it."""

    phase: Phase
    before: Phase
    after: Phase

    @property
    def more_cpu(self) -> float:
        return self.phase.cpu - (self.before.cpu + self.after.cpu) / 2

    def slower(self, share: float) -> float:
        """How many times as long scores took, at this percentile."""
        quiet_s = self.before.delays_s + self.after.delays_s
        return percentile(self.phase.delays_s, share) / percentile(quiet_s, share)


NOBODY, GOAL = Viewers(0), Viewers(1)


def settings(clip: Path, cameras: int, folder: Path, **further: Any) -> dict[str, Any]:
    return {
        "cameras": {f"camera-{number}": {"source": str(clip)} for number in range(cameras)},
        "scorer": {"kind": "motion"},
        "feed": {"bind": "tcp://127.0.0.1:*"},
        "http": {"bind": "127.0.0.1:0"},
        "console": {"bind": "127.0.0.1:0"},
        "data": {"dir": str(folder / "data")},
    } | further


@contextmanager
def with_console(folder: Path, settings: dict[str, Any]) -> Iterator[tuple[Vigil, str]]:
    """A watch, and where its console is."""
    with watching(folder, settings) as vigil:
        deadline_s = time.monotonic() + START_LIMIT_S
        while not (found := re.search(r"the console is at (\S+)", (folder / "log").read_text())):
            if time.monotonic() > deadline_s:
                raise SystemExit("vigil watch has no console")
            time.sleep(0.05)
        yield vigil, found[1].rstrip("/")


@contextmanager
def looking(url: str, viewers: Viewers, seconds: float, *further: str) -> Iterator[subprocess.Popen[str]]:
    """From when the viewers have settled; they look for `seconds` and then end, and say what they saw."""
    command = [sys.executable, "-m", "benchmarks.console_viewers", url, f"--viewers={viewers.count}"]
    command += [f"--tiles={viewers.tiles}", f"--fps={viewers.fps}", f"--seconds={seconds}", *further]
    here = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "settled\n":
            raise SystemExit("the viewers did not begin")
        try:
            yield process
        finally:
            process.terminate()


def seen_by(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What they saw, when they have ended."""
    assert process.stdout is not None
    seen: dict[str, Any] = json.loads(process.stdout.readline())
    return seen


def measure(
    clip: Path, cameras: int, counted: tuple[int, ...], rounds: int, settle_s: float, seconds: float
) -> list[Measure]:
    """`counted` are the numbers of viewers; each but nobody looks at all cameras."""
    kinds = [Viewers(count, cameras) for count in counted]
    kinds += [Viewers(1, max(1, cameras // 4)), Viewers(1, cameras, 1.0), Viewers(counted[-1], cameras, 0.0)]
    with tempfile.TemporaryDirectory() as name, two_cores():
        folder = Path(name)
        with (
            with_console(folder, settings(clip, cameras, folder)) as (vigil, url),
            listening(vigil.feed) as told,
        ):
            time.sleep(settle_s)
            nobody = [_phase(vigil, url, NOBODY, told, seconds)]
            turns: dict[Viewers, list[Turn]] = defaultdict(list)
            for viewers in kinds * rounds:
                phase = _phase(vigil, url, viewers, told, seconds)
                nobody.append(_phase(vigil, url, NOBODY, told, seconds))
                turns[viewers].append(Turn(phase, *nobody[-2:]))
            before_bytes = pss_bytes(vigil.pid)
            with looking(url, Viewers(DEAF, cameras), seconds, "--deaf"):
                time.sleep(0.9 * seconds)
                deaf_bytes = pss_bytes(vigil.pid) - before_bytes
    measures = [
        Measure(f"{cameras} cameras, no viewer: CPU of the watch, of one core", median(each.cpu for each in nobody)),
        Measure("the same: windows and frames dropped in all", sum(each.dropped for each in nobody)),
    ]
    for viewers, taken in turns.items():
        measures += _measures(viewers, taken)
    most = kinds[len(counted) - 1]
    further_bytes = median(each.phase.memory_bytes - each.before.memory_bytes for each in turns[most])
    return [
        *measures,
        Measure(f"memory of a viewer (PSS, of {most.count})", further_bytes / most.count / 2**20, "MiB"),
        Measure(f"growth by {DEAF} viewers that ask for everything and read nothing (PSS)", deaf_bytes / 2**20, "MiB"),
    ]


def _phase(vigil: Vigil, url: str, viewers: Viewers, told: Told, seconds: float) -> Phase:
    with looking(url, viewers, seconds + 1) if viewers.count else nullcontext() as process:
        dropped, from_cpu_s, from_s, began_s = counts(vigil)["dropped"], cpu_s(vigil.pid), time.monotonic(), time.time()
        time.sleep(seconds)
        lasted_s, used_s, ended_s = time.monotonic() - from_s, cpu_s(vigil.pid) - from_cpu_s, time.time()
        dropped = counts(vigil)["dropped"] - dropped
        memory_bytes = pss_bytes(vigil.pid)
        seen = seen_by(process) if process else {"seconds": seconds, "pictures": 0, "picture_bytes": 0}
    return Phase(
        cpu=used_s / lasted_s,
        pictures_per_s=seen["pictures"] / seen["seconds"],
        mbit_per_s=8e-6 * seen["picture_bytes"] / seen["seconds"],
        delays_s=[late_s for came_s, late_s in told.scores if began_s <= came_s <= ended_s],
        dropped=dropped,
        memory_bytes=memory_bytes,
    )


def _measures(viewers: Viewers, turns: Sequence[Turn]) -> list[Measure]:
    """Medians of all turns, each beside what it was without viewers right before and after."""
    more = median(each.more_cpu for each in turns)
    who = "1 viewer" if viewers.count == 1 else f"{viewers.count} viewers"
    if not viewers.fps:
        return [Measure(f"{who} of the stream alone: CPU of one", 100 * more / viewers.count, "% of a core")]
    name = f"{who}, {viewers.tiles} tiles at {viewers.fps:g} fps"
    pictures_per_s = median(each.phase.pictures_per_s for each in turns)
    asked_per_s = viewers.count * viewers.tiles * viewers.fps
    goal = viewers == GOAL
    return [
        Measure(f"{name}: CPU of the watch for them", 100 * more, "% of a core"),
        Measure(f"{name}: the same for a picture", 1000 * more / max(1.0, pictures_per_s), "ms"),
        Measure(
            f"{name}: pictures over the line / asked for",
            pictures_per_s / asked_per_s,
            "",
            REACHED if goal else None,
            at_least=True,
        ),
        Measure(
            f"{name}: pictures over the line to one viewer",
            median(each.phase.mbit_per_s for each in turns) / viewers.count,
            "Mbit/s",
        ),
        Measure(
            f"{name}: CPU of the watch in all, of one core",
            median(each.phase.cpu for each in turns),
            "",
            CORES if goal else None,
        ),
        Measure(
            f"{name}: delay of scores / without viewers, median",
            median(each.slower(0.5) for each in turns),
            "",
            SUFFERS if goal else None,
        ),
        Measure(f"{name}: the same, 95th percentile", median(each.slower(0.95) for each in turns)),
        Measure(
            f"{name}: windows and frames dropped in all",
            sum(each.phase.dropped for each in turns),
            "",
            0 if goal else None,
        ),
    ]
