"""Reads what VERA's model answered and what its windows look like: two files, or two folders as its authors give them.

                  a file                             a folder
    scores        JSON {"video": [0, 1, ...], ...}   video.json each, {"0": {"score": 0, ...}, "16": ...}
    features      .npz of an array [H, D] per video  video.npy each, [H, D]

A video has one score and one row of features per centre. Knows no figure.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.errors import ConfigError
from engine.timeline import WindowMeta
from engine.types import Judgement
from offline_eval.datasets.base import Video, video_name
from offline_eval.datasets.matching import Coverage, match
from offline_eval.datasets.parsing import read_json
from offline_eval.methods.vera import CENTRE_FRAMES, Initial, centres, offline_windows
from offline_eval.metrics.tracks import Floats
from offline_eval.said import JudgedWindow, Said

_T = TypeVar("_T")
_Item = tuple[str, Callable[[], Any]]  # a video's name as written, and how to read what there is of it


def read_initial(scores: Path, features: Path) -> dict[str, Initial]:
    """Every video with scores, by name. Raises ConfigError with everything that is wrong with the scores or features.

    Features of videos without scores are let be.
    """
    problems: list[str] = []
    answers = _parsed(scores, _scores(scores), _score_row, problems)
    looks = _parsed(features, _features(features), _feature_rows, problems)
    initial: dict[str, Initial] = {}
    for name, row in answers.items():
        rows = looks.get(name)
        if row is None or (rows is None and name in looks):
            continue  # told already
        if rows is None:
            problems.append(f"{features.name}: {name} is missing")
        elif len(rows) != len(row):
            problems.append(f"{features.name}: {name} has {len(rows)} rows for {len(row)} initial scores")
        else:
            initial[name] = Initial(row, rows)
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise ConfigError(
            f"initial scores {scores} and features {features} do not hold: {problems[0]}{more}",
            advice=f"give a score and a row of features for every {CENTRE_FRAMES}th frame of a video",
            problems=tuple(problems),
        )
    return initial


def read_features(path: Path) -> dict[str, NDArray[np.float32]]:
    """What a video's pictures look like, [rows, D] by name. Raises ConfigError with everything that is wrong."""
    problems: list[str] = []
    found = _parsed(path, _features(path), _feature_rows, problems)
    if problems:
        raise ConfigError(
            f"features {path} do not hold: {problems[0]}", advice="correct the file", problems=tuple(problems)
        )
    return {name: rows for name, rows in found.items() if rows is not None}


def said_of(video: Video, initial: Initial, fps: float) -> Said:
    """As judgements of VERA's windows, each of which exists from the last frame on that its window shows."""
    windows = []
    for index, shown in enumerate(offline_windows(video.known_frame_count()).tolist()):
        first, last = shown[0], shown[-1]
        window = WindowMeta(video.name, 0, index, last / fps, last / fps, (last - first) / fps)
        judgement = Judgement(float(initial.scores[index]), vector=initial.features[index])
        windows.append(JudgedWindow(window, judgement, last))
    return Said(tuple(windows))


def match_initial(videos: Iterable[Video], initial: Mapping[str, Initial]) -> Coverage:
    """Which videos have as many scores as centres. Raises UsageError where a frame count is unknown."""
    found = match(videos, initial)
    unfit: dict[str, str] = {}
    for video in found.videos:
        frames, given = video.known_frame_count(), len(initial[video.name].scores)
        if given != (needed := len(centres(frames))):
            unfit[video.name] = f"{video.name} has {given} initial scores for the {needed} centres of {frames} frames"
    fit = tuple(video for video in found.videos if video.name not in unfit)
    return replace(found, videos=fit, wrong_length=tuple(unfit.values()))


def _parsed(
    path: Path, items: Iterable[_Item], parse: Callable[[Any], _T], problems: list[str]
) -> dict[str, _T | None]:
    """By video; None where there is something that does not hold."""
    parsed: dict[str, _T | None] = {}
    for key, read in items:
        name = video_name(key)
        if name in parsed:
            problems.append(f"{path.name}: {name} is there twice")
            continue
        parsed[name] = None
        try:
            parsed[name] = parse(read())
        except (ConfigError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            problems.append(f"{path.name}: {name}: {error}")
    if not parsed:
        problems.append(f"{path.name}: no video is in it")
    return parsed


def _scores(path: Path) -> Iterator[_Item]:
    if path.is_dir():
        yield from ((file.stem, partial(read_json, file)) for file in sorted(path.glob("*.json")))
        return
    content = read_json(path)
    if not isinstance(content, dict):
        raise ConfigError(f"initial scores {path} are no object of videos", advice='give {"video": [0, 1, ...], ...}')
    yield from ((key, partial(content.get, key)) for key in content)


def _features(path: Path) -> Iterator[_Item]:
    if path.is_dir():
        yield from ((file.stem, partial(np.load, file)) for file in sorted(path.glob("*.npy")))
        return
    try:
        file = np.load(path)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", advice="check the path") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} is no .npz", advice="write it with numpy.savez") from error
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ConfigError(f"{path} holds one array, not one per video", advice="write it with numpy.savez")
    with file:
        yield from ((key, partial(file.__getitem__, key)) for key in file.files)


def _score_row(value: object) -> Floats:
    """[H]. Raises ValueError."""
    if isinstance(value, dict):
        if list(value) != [str(centre) for centre in range(0, CENTRE_FRAMES * len(value), CENTRE_FRAMES)]:
            raise ValueError(f"its centres are not 0, {CENTRE_FRAMES}, {2 * CENTRE_FRAMES} and so on")
        value = [each.get("score") if isinstance(each, dict) else each for each in value.values()]
    if not isinstance(value, list) or not value:
        raise ValueError("it has no list of scores")
    for number, score in enumerate(value, 1):
        if not isinstance(score, int | float) or isinstance(score, bool) or not 0 <= score <= 1:
            raise ValueError(f"score {number} is {str(score)[:20]!r}, not a number from 0 to 1")
    return np.array(value, float)


def _feature_rows(value: object) -> NDArray[np.float32]:
    """[H, D]. Raises ValueError."""
    if not isinstance(value, np.ndarray) or value.ndim != 2 or not np.issubdtype(value.dtype, np.floating):
        raise ValueError("its features are no array [H, D] of floats")
    value = value.astype(np.float32, copy=False)
    lengths = np.linalg.norm(value, axis=1)
    if odd := np.flatnonzero(~((lengths > 0) & np.isfinite(lengths))).tolist():
        raise ValueError(f"row {odd[0] + 1} of its features is all zero or not finite")
    return value
