"""What watching costs, how late it tells, and how many cameras it bears: the numbers of docs/performance.md.

    python benchmarks/live.py [--quick] [--json] [--only capture pipeline latency memory capacity]

The clips are made first: H.264 at 30 pictures a second without B-pictures, a key frame every 2 s, as IP cameras
send it. About seven minutes in all; `--quick` takes less than one and is only good for seeing that it works.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as a script it would not find its neighbours

from benchmarks import live_capture, live_pipeline, live_watch
from benchmarks.common import WALKERS, environment, make_clip, repeat_clip
from benchmarks.live_capture import SIZES, Clip, Size
from benchmarks.measures import Measure, table

FPS = 30
KEY_INTERVAL_S = 2
MADE_S = 10  # of each clip is encoded, and then repeated


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    sizes: tuple[Size, ...] = SIZES
    clip_s: int = 20
    repeats: int = 5
    pipeline_cameras: int = 16
    pipeline_s: float = 5.0
    pipeline_repeats: int = 3
    latency_cameras: int = 8
    memory_cameras: int = 9
    memory_sizes: tuple[str, ...] = ("CIF", "1080p")
    memory_s: float = 16.0  # by then the packets for clips take all the memory that they will
    capacity: tuple[int, ...] = (16, 24, 32, 40, 64)
    settle_s: float = 6.0  # until all files are open and the first windows are dealt with
    watched_s: float = 14.0


QUICK = Extent(
    sizes=SIZES[:1],
    clip_s=10,
    repeats=1,
    pipeline_cameras=2,
    pipeline_s=3.0,
    pipeline_repeats=1,
    latency_cameras=2,
    memory_cameras=3,
    memory_sizes=("CIF",),
    memory_s=1.0,
    capacity=(2,),
    settle_s=3.0,
    watched_s=3.0,
)


class Clips:
    """The clips that were asked for, made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, size: Size, seconds: float, kind: str = "moving") -> Path:
        made = self._folder / f"{size.name}-{kind}.mp4"
        if not made.exists():
            make_clip(
                made,
                size.width,
                size.height,
                FPS,
                MADE_S,
                FPS * KEY_INTERVAL_S,
                b_frames=kind == "layered",
                walkers=0 if kind == "still" else WALKERS,
                mbit_s=size.mbit_s,
            )
        times = -(-round(seconds) // MADE_S)
        repeated = made.with_stem(f"{made.stem}-{times}")
        return repeated if repeated.exists() else repeat_clip(made, times, repeated)


def parts(extent: Extent, clips: Clips) -> dict[str, Callable[[], list[Measure]]]:
    cif = SIZES[0]
    played_s = extent.settle_s + max(extent.watched_s, extent.memory_s) + 10.0

    def capture() -> list[Measure]:
        seconds = extent.clip_s
        measures = []
        for size in extent.sizes:
            moving, layered, still = (
                Clip(clips.get(size, seconds, kind), seconds) for kind in ("moving", "layered", "still")
            )
            measures += live_capture.compare(size, moving, layered, still, extent.repeats)
        return measures

    def memory() -> list[Measure]:
        measures = []
        for size in (each for each in extent.sizes if each.name in extent.memory_sizes):
            clip = clips.get(size, played_s)
            measures += live_watch.memory(size.name, clip, extent.memory_cameras, extent.settle_s, extent.memory_s)
        return measures

    return {
        "capture": capture,
        "pipeline": partial(live_pipeline.measure, extent.pipeline_cameras, extent.pipeline_s, extent.pipeline_repeats),
        "latency": lambda: live_watch.latency(
            clips.get(cif, played_s), extent.latency_cameras, extent.settle_s, extent.watched_s
        ),
        "memory": memory,
        "capacity": lambda: live_watch.capacity(
            clips.get(cif, played_s), extent.capacity, extent.settle_s, extent.watched_s
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="all of it, but too short for good numbers")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument(
        "--only", nargs="+", metavar="PART", choices=parts(QUICK, Clips(Path())), help="only these parts"
    )
    options = parser.parse_args()
    load = os.getloadavg()[0]
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in parts(QUICK if options.quick else Extent(), Clips(Path(folder))).items():
            if options.only is None or name in options.only:
                print(f"{name} …", file=sys.stderr)
                measures += measure()
    if options.quick:
        measures = [replace(each, target=None) for each in measures]
    if options.json:
        found = {
            "environment": environment().as_dict() | {"opencv": version("opencv-python-headless"), "load": load},
            "quick": options.quick,
            "measures": [each.as_dict() for each in measures],
        }
        print(json.dumps(found))
        return
    print(f"{environment()}, OpenCV {version('opencv-python-headless')}; load before: {load:.1f}\n\n{table(measures)}")


if __name__ == "__main__":
    main()
