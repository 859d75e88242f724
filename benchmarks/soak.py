"""Long runs: a day of footage, a thousand disconnects, a feed with a stopped subscriber. Tables of docs/reliability.md.

    python -m benchmarks.soak [--hours 24] [--minutes 13] [--disconnects 1000] [--only PART ...] [--json FILE]

`footage` runs so many hours of eight cameras through a real `vigil watch` as fast as it goes, or as many as there are
within the minutes. `cameras` has RTSP cameras fail so many times. `feed` tells one subscriber and fifty. About twenty
minutes in all on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import soak_cameras, soak_feed, soak_footage
from benchmarks.common import environment
from benchmarks.measures import Measure, table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0, help="of footage of each camera")
    parser.add_argument("--minutes", type=float, default=13.0, help="in which they may be run at most")
    parser.add_argument("--disconnects", type=int, default=1000)
    parser.add_argument("--only", nargs="+", metavar="PART", choices=("footage", "cameras", "feed"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measures there as well")
    options = parser.parse_args()
    parts: dict[str, Callable[[], list[Measure]]] = {
        "footage": lambda: soak_footage.measure(options.hours, 60 * options.minutes),
        "cameras": lambda: soak_cameras.measure(soak_cameras.Extent(options.disconnects)),
        "feed": lambda: soak_feed.measure(soak_feed.Extent()),
    }
    found: dict[str, object] = {}
    for name, measure in parts.items():
        if options.only is None or name in options.only:
            load = os.getloadavg()[0]
            print(f"{name} …", file=sys.stderr)
            measures = measure()
            print(f"{name}; {environment()}; load before: {load:.1f}\n\n{table(measures)}\n", flush=True)
            found[name] = {"load": load, "measures": [each.as_dict() for each in measures]}
    if options.json:
        options.json.write_text(json.dumps({"environment": environment().as_dict(), **found}), encoding="utf-8")


if __name__ == "__main__":
    main()
