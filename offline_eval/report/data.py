"""What a report is made of: one run's videos, figures and circumstances. Knows no page, and computes nothing.

All texts are taken as they are, those of a model included: whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.errors import UsageError
from offline_eval.datasets.base import Video
from offline_eval.datasets.matching import Coverage
from offline_eval.metrics.alerts import Alerted
from offline_eval.metrics.evaluation import Evaluation
from offline_eval.metrics.tracks import Track


@dataclass(frozen=True, slots=True)
class Remark:
    """What was said of frames [start, end)."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small JPEG of one frame."""

    frame: int
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class VideoReport:
    """One video's scores, alerts and words.

    `track` is what was evaluated. `stages` are the scores it was made from, by name and in order, such as "raw" and
    "cleaned"; leave out a stage that changed nothing. `remarks` are in order and don't overlap, but may leave gaps.
    """

    track: Track
    alerted: Alerted
    stages: Mapping[str, Track] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()

    def __post_init__(self) -> None:
        names = {self.video.name, self.alerted.video.name, *(stage.video.name for stage in self.stages.values())}
        if len(names) > 1:
            raise UsageError(f"a video's report mixes {' and '.join(sorted(names))}")

    @property
    def video(self) -> Video:
        return self.track.video


@dataclass(frozen=True, slots=True, eq=False)
class ReportInput:
    """One evaluated run. `evaluation` is of the tracks and alerts in `videos`."""

    dataset: str
    fps: float  # the data set's own
    method: str
    evaluation: Evaluation
    coverage: Coverage
    videos: tuple[VideoReport, ...]
    created: datetime
    split: str = "test"
    open_threshold: float | None = None  # where alerts open, when one threshold says it: a line in the timelines
    settings: Mapping[str, str] = field(default_factory=dict)  # by name, as words: scorer, model, smoothing, alerts
    versions: Mapping[str, str] = field(default_factory=dict)  # vigil, numpy, ... by name
    quirks: tuple[str, ...] = ()  # sentences about what this method or protocol does that a reader has to know
