"""What judging windows with InternVL2 costs, against the published way of doing it, in one run.

    python -m benchmarks.vlm --arch tiny|1b|2b|8b [--device auto|cpu|cuda] [--quick] [--json FILE]

True architectures with random weights: no checkpoint and no other file is needed, only the `vlm` extra. `tiny` is for
machines without a GPU, where it takes three minutes; the others are meant to take less than eight on a modern GPU.
`--quick` is only good for seeing that it works. The numbers are in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.machine import cpu_model
from benchmarks.measures import Measure, table
from benchmarks.vlm_model import ARCHITECTURES, random_model
from benchmarks.vlm_parts import (
    REPLY_TOKENS,
    SENTENCE_TOKENS,
    Bench,
    Extent,
    cameras,
    explanations,
    memory,
    parts_of_a_window,
    sharing,
    throughput,
)
from benchmarks.vlm_ways import Film
from engine.internvl2 import explainer, scorer

GPU = Extent(
    rounds=3,
    weighed=26,
    written=26,
    published=2,
    staged=12,
    sharing=16,
    events=8,
    watched_s=8.0,
    cameras=(1, 4, 8, 16, 32),
    most_cameras=256,
    matrix_side=8192,
)
CPU = replace(GPU, rounds=9, weighed=2, written=2, published=1, staged=2, sharing=2, matrix_side=2048)
QUICK = replace(
    CPU,
    rounds=2,
    weighed=1,
    written=1,
    staged=1,
    sharing=1,
    events=2,
    watched_s=1.0,
    cameras=(1, 2),
    most_cameras=2,
)

AIM = "Targets are for 8B on one modern GPU and windows of 8 frames of 1 s"
CPU_CANNOT = f"""{AIM}. Of these, a CPU cannot show:
- 15 times the published way: there, writing a reply takes many times as long as reading the frames, while a small model
  writes almost for nothing. What it shows is that judging without writing is faster at all.
- 55 % of a matrix product's rate: small matrices are not bound by arithmetic.
- 1 s at 80 % load and 1.5 s for 8 explanations: these are times of that machine.
It can show what a second definition costs and what sharing frames saves."""
ANYWHERE = ("likelihood: time of a window by 2 definitions", "10 s windows")  # how the names of these measures begin


def run(arch: str, device: torch.device, extent: Extent) -> Iterator[list[Measure]]:
    """All measures, part by part."""
    torch.manual_seed(0)
    # Random replies never end: they are cut where those of a trained model would be about over.
    scorer.REPLY_TOKENS = REPLY_TOKENS
    explainer.SENTENCE_TOKENS = SENTENCE_TOKENS
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32  # as `vigil watch` chooses
    _tell(f"making {arch}")
    internvl2 = random_model(arch, dtype=dtype, device=device)
    bench = Bench(internvl2, ARCHITECTURES[arch], extent, Film(internvl2.image_size_px))
    _tell("throughput")
    measures, windows_s = throughput(bench)
    yield measures
    for part in (sharing, parts_of_a_window, explanations):
        _tell(part.__name__.replace("_", " "))
        yield part(bench)
    yield cameras(bench, windows_s, _tell)
    yield memory(bench)


def _tell(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what} …", file=sys.stderr, flush=True)


def _machine(device: torch.device) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "load": round(os.getloadavg()[0], 1),
    }
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vlm", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--arch", required=True, choices=ARCHITECTURES)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--quick", action="store_true", help="all of it, but too little for good numbers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    options = parser.parse_args()
    name = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    aimed_at = options.arch == "8b" and name == "cuda" and not options.quick
    found: dict[str, Any] = {
        "arch": options.arch,
        "device": name,
        "quick": options.quick,
        "machine": _machine(device),
        "notes": "" if aimed_at else CPU_CANNOT if name == "cpu" else f"{AIM}.",
    }
    start_s = time.monotonic()
    measures: list[Measure] = []
    for part in run(options.arch, device, QUICK if options.quick else GPU if name == "cuda" else CPU):
        measures += [
            each if aimed_at or each.name.startswith(ANYWHERE) else replace(each, target=None) for each in part
        ]
        found |= {"took_s": round(time.monotonic() - start_s), "measures": [each.as_dict() for each in measures]}
        if options.json:  # after each part: a run that is cut short is not lost
            options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    print(f"{options.arch} on {name}; {machine}; {found['took_s']} s\n\n{table(measures)}\n\n{found['notes']}".rstrip())


if __name__ == "__main__":
    main()
