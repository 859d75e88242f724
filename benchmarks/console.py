"""What the operator's console weighs, how soon it shows, and what its viewers cost: the numbers of docs/performance.md.

    python -m benchmarks.console [--quick] [--json] [--only page viewers alerts]

`page` and `alerts` drive a real Chromium; `viewers` are programs that do over the line what the page does. The cameras
are CIF files of 30 pictures a second that play like cameras. About ten minutes; `--quick` takes one and is only
good for seeing that it works.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from benchmarks import console_load, console_page
from benchmarks.common import environment, make_clip, repeat_clip
from benchmarks.measures import Measure, table

FPS = 30
MADE_S, PLAYED_S = 10, 900


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    page_cameras: tuple[int, ...] = (1, 8, 32)
    slow_cameras: tuple[int, ...] = (8, 32)
    repeats: int = 5
    cameras: int = 32
    viewers: tuple[int, ...] = (1, 4, 8)
    rounds: int = 3
    settle_s: float = 8.0
    seconds: float = 10.0


QUICK = Extent(
    page_cameras=(2,), slow_cameras=(), repeats=1, cameras=2, viewers=(1,), rounds=1, settle_s=1.0, seconds=1.0
)


def parts(extent: Extent, clip: Path) -> dict[str, Callable[[], list[Measure]]]:
    return {
        "page": lambda: console_page.loads(
            clip, extent.page_cameras, extent.slow_cameras, extent.repeats, extent.settle_s, extent.seconds
        ),
        "viewers": lambda: console_load.measure(
            clip, extent.cameras, extent.viewers, extent.rounds, extent.settle_s, extent.seconds
        ),
        "alerts": lambda: console_page.alerts(clip, extent.settle_s, extent.seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="all of it, but too short for good numbers")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--only", nargs="+", metavar="PART", choices=parts(QUICK, Path()), help="only these parts")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory() as folder:
        made = make_clip(Path(folder) / "made.mp4", 352, 288, FPS, MADE_S, 2 * FPS, mbit_s=0.5)
        clip = repeat_clip(made, PLAYED_S // MADE_S, Path(folder) / "clip.mp4")
        for name, measure in parts(QUICK if options.quick else Extent(), clip).items():
            if options.only is None or name in options.only:
                print(f"{name} …", file=sys.stderr)
                measures += measure()
    if options.quick:
        measures = [replace(each, target=None) for each in measures]
    if options.json:
        found = {
            "environment": environment().as_dict() | {"load": load},
            "quick": options.quick,
            "measures": [each.as_dict() for each in measures],
        }
        print(json.dumps(found))
        return
    libraries = ", ".join(f"{name} {version(name)}" for name in ("fastapi", "uvicorn", "playwright"))
    print(f"{environment()}, {libraries}; load before: {load:.1f}\n\n{table(measures)}")


if __name__ == "__main__":
    main()
