"""The scorers that a replay can use, as recipes: made where they are needed, and told apart by their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

from engine.motion import MotionScorer
from engine.recorded import RecordedScorer
from engine.scorer import Scorer
from stream.responses import read_responses


@dataclass(frozen=True, slots=True)
class Recipe:
    """`make` is called once in each process that scores, and must be picklable for other machines.

    `settings` holds, in words, whatever changes what the scorer says and is not in its `info`.
    """

    make: Callable[[], Scorer]
    settings: Mapping[str, str] = field(default_factory=dict)
    gpu: bool = False  # whether it needs one of its own


def motion() -> Recipe:
    """Unusual motion, with the defaults for every video: each is a camera of its own."""
    return Recipe(MotionScorer)


def recorded(path: Path) -> Recipe:
    """Answers of a file in the format of `vigil watch --record`, with videos for cameras."""
    responses = tuple(read_responses(path))
    return Recipe(
        partial(RecordedScorer, responses, name=path.name), {"responses": sha256(path.read_bytes()).hexdigest()}
    )
