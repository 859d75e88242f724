"""XD-Violence: 800 test clips of films and the web in 6 categories. https://roc-ng.github.io/XD-Violence

Takes the official text, a line per video with any number of spans and no length,

    v=u5SF4SlqNDQ__#00-00-00_00-01-00_label_G-0-0 624 912 950 1441

or the JSON form with lengths. The official text leaves out normal videos: append their names, without numbers.
Categories are the codes after `label_` in the name; a video has up to three and counts in each.
"""

from __future__ import annotations

import re
from pathlib import Path

from offline_eval.datasets.base import Dataset, LabelEnds, Video, video_name
from offline_eval.datasets.parsing import Gatherer, frame_labels, frame_spans, whole

FPS = 24.0
CATEGORIES = {
    "B1": "Fighting",
    "B2": "Shooting",
    "B4": "Riot",
    "B5": "Abuse",
    "B6": "Car accident",
    "G": "Explosion",
}
_NORMAL, _NONE = "A", "0"
_LINE = re.compile(r"(?P<path>.*_label_\S+)(?P<numbers>(?:\s+\S+)*)")


def read(annotations: Path, ends: LabelEnds = LabelEnds.EXCLUSIVE) -> Dataset:
    if annotations.suffix == ".json":
        return Dataset("xd-violence", FPS, frame_labels(annotations, ends, _categories))
    return Dataset("xd-violence", FPS, Gatherer(annotations).lines(lambda line: _video(line, ends)))


def _video(line: str, ends: LabelEnds) -> Video:
    fields = _LINE.fullmatch(line)
    if fields is None:
        raise ValueError("expected a name with _label_ in it, then pairs of frame numbers")
    name = video_name(fields["path"])
    spans = frame_spans([whole(number) for number in fields["numbers"].split()], ends)
    return Video(name, _categories(name), spans, path=fields["path"])


def _categories(name: str) -> tuple[str, ...]:
    codes = name.rpartition("_label_")[2].split("-")
    if codes == [_NORMAL]:
        return ()
    unknown = [code for code in codes if code not in CATEGORIES and code != _NONE]
    if unknown or codes[0] == _NONE:
        raise ValueError(f"{name}: its label is none of A, {', '.join(CATEGORIES)}")
    return tuple(CATEGORIES[code] for code in codes if code != _NONE)
