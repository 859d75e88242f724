"""Recorded scores and marks, made up: a calm camera with rises at known times."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

CALM = 0.1
STRIDE_S = 1.0


class Rise(NamedTuple):
    """`windows` scores of `score` from `at_s` on; `verdict` is what people said of the event, if they marked it."""

    at_s: int
    score: float
    windows: int = 3
    verdict: str | None = None


def write_recording(path: Path, rises: Iterable[Rise], *, camera: str = "front", seconds: int = 700) -> Path:
    scores = [CALM] * seconds
    for rise in rises:
        scores[rise.at_s : rise.at_s + rise.windows] = [rise.score] * rise.windows
    lines = [
        {"camera": camera, "segment": 0, "pts_s": at_s, "score": score, "time_s": at_s, "length_s": STRIDE_S}
        for at_s, score in enumerate(scores)
    ]
    return _write(path, lines)


def write_marks(path: Path, rises: Iterable[Rise], *, camera: str = "front", definition: str = "default") -> Path:
    return _write(path, [mark(rise, camera, definition) for rise in rises if rise.verdict])


def mark(rise: Rise, camera: str = "front", definition: str = "default") -> dict[str, object]:
    """As `vigil feedback export` tells it, of an event that is over."""
    end_s = rise.at_s + rise.windows - 1
    return {
        "event": f"{camera} {rise.at_s}",
        "camera": camera,
        "definition": definition,
        "verdict": rise.verdict,
        "note": "",
        "start_time": rise.at_s - STRIDE_S,
        "end_time": end_s,
        "newest_time": end_s + 5,
    }


def _write(path: Path, lines: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
