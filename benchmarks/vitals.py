"""What a process holds, seen from outside, and whether that grows. Knows nothing of what the process does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import psutil

from benchmarks.measures import Measure


@dataclass(frozen=True, slots=True)
class Vitals:
    """At one moment. `files` counts all descriptors, sockets among them."""

    rss_bytes: int
    threads: int
    files: int
    sockets: int
    children: int


def vitals(pid: int) -> Vitals:
    process = psutil.Process(pid)
    links = [_target(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return Vitals(
        rss_bytes=process.memory_info().rss,
        threads=process.num_threads(),
        files=len(links),
        sockets=sum(link.startswith("socket:") for link in links),
        children=len(process.children(recursive=True)),
    )


def flatness(title: str, seen: Sequence[Vitals]) -> list[Measure]:
    """How much more of each there was in the last third than in the first: of things that come and go, the median."""
    third = max(1, len(seen) // 3)
    measures = []
    for name, counts in {
        "threads": [each.threads for each in seen],
        "file descriptors": [each.files for each in seen],
        "sockets": [each.sockets for each in seen],
        "child processes": [each.children for each in seen],
    }.items():
        measures += [
            Measure(f"{title}: {name}, median", median(counts)),
            Measure(f"{title}: {name}, more in the end", median(counts[-third:]) - median(counts[:third]), "", 0),
        ]
    return measures


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line that fits (x, y) best by least squares."""
    mean_x, mean_y = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""
