"""UCF-Crime: 290 test videos of surveillance cameras in 13 categories. https://www.crcv.ucf.edu/projects/real-world

Takes the official text, a line per video with up to two spans and no length,

    Abuse028_x264.mp4  Abuse  165  240  -1  -1

or the JSON form with lengths. The category in the JSON is what the file's name begins with.
"""

from __future__ import annotations

import re
from pathlib import Path

from offline_eval.datasets.base import Dataset, LabelEnds, Video, video_name
from offline_eval.datasets.parsing import Gatherer, frame_labels, frame_spans, whole

FPS = 30.0
_NUMBERS = 4


def read(annotations: Path, ends: LabelEnds = LabelEnds.EXCLUSIVE) -> Dataset:
    if annotations.suffix == ".json":
        return Dataset("ucf-crime", FPS, frame_labels(annotations, ends, lambda name: _categories(_letters(name))))
    return Dataset("ucf-crime", FPS, Gatherer(annotations).lines(lambda line: _video(line, ends)))


def _video(line: str, ends: LabelEnds) -> Video:
    fields = line.rsplit(maxsplit=_NUMBERS + 1)  # from the right, as names may contain spaces
    if len(fields) < _NUMBERS + 2:
        raise ValueError("expected a file, a category and four frame numbers")
    path, category, *numbers = fields
    spans = frame_spans([whole(number) for number in numbers], ends)
    return Video(video_name(path), _categories(category), spans, path=path)


def _letters(name: str) -> str:
    found = re.match(r"[A-Za-z]+", name)
    if found is None:
        raise ValueError(f"{name} does not begin with a category")
    return found[0]


def _categories(word: str) -> tuple[str, ...]:
    return () if word.startswith("Normal") else (word,)
