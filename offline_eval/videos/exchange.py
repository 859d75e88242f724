"""Responses as CoReVAD publishes them, in and out: JSON of {video: ["Anomalous scenes. A man falls.", ...]}.

The text says nothing of time: item i is the video's ith segment of 30 frames, or whatever it was exported from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from engine.errors import ConfigError, RuntimeFault
from engine.timeline import WindowMeta
from engine.types import Judgement, ModelInfo
from offline_eval.datasets.base import Dataset, Video
from offline_eval.methods.corevad import segments
from offline_eval.recorded import match_responses
from offline_eval.responses import judgement_of, read_responses
from offline_eval.videos.plan import RawSegments, plan_settings
from offline_eval.videos.records import Finished, Run, WindowRecord
from offline_eval.videos.store import ResponseStore, StoredVideo, read_videos

ABNORMAL_FROM = 0.5  # the score that exports as an anomalous verdict


def export_texts(folder: Path, path: Path) -> int:
    """Write the responses of a store as texts, and say of how many videos.

    A window that was not made or whose score is unknown becomes an empty text, which has no verdict either.
    """
    texts = {video.name: list(_texts(video.windows)) for video in read_videos(folder)}
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(texts, indent=1, ensure_ascii=False, sort_keys=True), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise RuntimeFault(f"cannot write {path}: {error.strerror or error}", advice="check the folder") from error
    return len(texts)


def import_texts(path: Path, dataset: Dataset, folder: Path, *, allow_missing: bool = False) -> int:
    """Make a store of published texts, each ending where its segment does at the data set's frame rate.

    Raises ConfigError where the texts do not hold, or lack videos and that was not allowed.
    """
    said = read_responses(path)
    unmeasured = [video.name for video in dataset.videos() if video.frame_count is None]
    if unmeasured:
        raise ConfigError(f"{unmeasured[0]} has no length", advice="give annotations with lengths")
    videos = match_responses(dataset.videos(), said).required(allow_missing=allow_missing).videos
    settings = {**plan_settings(RawSegments()), "texts": sha256(path.read_bytes()).hexdigest()}
    run = Run.of(dataset.name, ModelInfo("recorded", path.name), settings)
    with ResponseStore(folder, run) as store:
        for video in videos:
            if video.name not in store.done:
                store.add(_stored(video, said[video.name], dataset.fps))
    return len(videos)


def _texts(windows: Iterable[WindowRecord]) -> Iterator[str]:
    for _, of_segment in groupby(windows, key=lambda window: window.segment):
        by_index = {window.index: window for window in of_segment}
        for index in range(max(by_index) + 1):
            yield _text(by_index[index].judgement) if index in by_index else ""


def _text(judgement: Judgement) -> str:
    if judgement.score is None:
        return ""
    verdict = "Anomalous scenes." if judgement.score >= ABNORMAL_FROM else "Normal scenes."
    return f"{verdict} {judgement.text}" if judgement.text else verdict


def _stored(video: Video, texts: tuple[str, ...], fps: float) -> StoredVideo:
    records = []
    for index, (start, end) in enumerate(segments(video.known_frame_count())):
        time_s = round((end - 1) / fps, 3)
        window = WindowMeta(video.name, 0, index, time_s, time_s, round((end - 1 - start) / fps, 3))
        records.append(WindowRecord.of(window, judgement_of(texts[index]), 0.0))
    return StoredVideo(Finished(video.name, len(records), video.known_frame_count(), 0, 0.0), tuple(records))
