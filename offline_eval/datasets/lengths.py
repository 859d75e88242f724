"""How many frames a benchmark's videos have, where its annotations don't say: from a file, or by counting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.errors import ConfigError
from offline_eval.datasets.base import Dataset, video_name
from offline_eval.datasets.matching import match
from offline_eval.datasets.parsing import read_json, whole

ADVICE = 'give --lengths: a file of {"video": frames, ...}, or the folder of the videos'


def with_lengths(benchmark: Dataset, place: Path | None) -> Dataset:
    """Every video measured. `place` is JSON of {"video": frames, ...} or a folder of videos; None: annotations do.

    Raises ConfigError for a video whose length is not known then.
    """
    if place is not None:
        found = _counted(benchmark, place) if place.is_dir() else _written(place)
        entries = (
            video if video.frame_count is not None or video.name not in found else video.measured(found[video.name])
            for video in benchmark.videos()
        )
        benchmark = replace(benchmark, entries=tuple(entries))
    unknown = [video.name for video in benchmark.videos() if video.frame_count is None]
    if unknown:
        who = f"{place.name} gives" if place else "the annotations give"
        raise ConfigError(
            f"{who} no length for {len(unknown)} of {len(benchmark.entries)} videos, such as {unknown[0]}",
            advice=ADVICE,
        )
    return benchmark


def _counted(benchmark: Dataset, folder: Path) -> dict[str, int]:
    return {video.name: video.known_frame_count() for video in match(benchmark.videos(), folder).videos}


def _written(path: Path) -> dict[str, int]:
    content = read_json(path)
    try:
        if not isinstance(content, dict):
            raise ValueError("it is no object of videos")
        lengths = {video_name(name): whole(frames) for name, frames in content.items()}
        if odd := [name for name, frames in lengths.items() if frames < 1]:
            raise ValueError(f"{odd[0]} has {lengths[odd[0]]} frames")
    except ValueError as error:
        raise ConfigError(f"lengths {path} do not hold: {error}", advice='give {"video": frames, ...}') from error
    return lengths
