"""Responses as CoReVAD publishes them, in and out: JSON of {video: ["Anomalous scenes. A man falls.", ...]}.

A text says nothing of time: item i is about the video's ith segment of 30 frames.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from engine.errors import RuntimeFault, UsageError
from engine.types import ModelInfo
from offline_eval.datasets.base import Dataset, Video
from offline_eval.datasets.lengths import with_lengths
from offline_eval.recorded import match_responses
from offline_eval.responses import read_responses
from offline_eval.said import Said, said_in_store, said_in_texts
from offline_eval.videos.plan import RawSegments, are_published_segments, plan_settings
from offline_eval.videos.records import Finished, Run, WindowRecord
from offline_eval.videos.store import ResponseStore, StoredVideo, read_run, read_videos

OF_TEXTS = "texts"  # the setting of a store that was made of texts: their hash


def export_texts(path: Path, *places: Path) -> int:
    """Write the verdicts of stores as texts, and say of how many videos.

    A segment that was not judged or whose verdict is unknown becomes an empty text, which has no verdict either.
    Raises UsageError where the stores hold no verdicts on segments.
    """
    segments = are_published_segments(read_run(*places).settings)
    texts = {}
    for video in read_videos(*places):
        texts[video.name] = said_in_store(video, video.finished.frames, segments=segments).texts
        if not texts[video.name]:
            raise UsageError(
                f"{video.name} has no verdict on each segment of 30 frames, which is what texts say",
                advice="judge the videos with --method corevad",
            )
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(texts, indent=1, ensure_ascii=False, sort_keys=True), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise RuntimeFault(f"cannot write {path}: {error.strerror or error}", advice="check the folder") from error
    return len(texts)


def import_texts(
    path: Path, dataset: Dataset, folder: Path, *, lengths: Path | None = None, allow_missing: bool = False
) -> int:
    """Make a store of published texts, each ending where its segment does at the data set's frame rate.

    Raises ConfigError where the texts do not hold, or lack videos and that was not allowed.
    """
    texts = read_responses(path)
    dataset = with_lengths(dataset, lengths)
    videos = match_responses(dataset.videos(), texts).required(allow_missing=allow_missing).videos
    settings = {**plan_settings(RawSegments()), OF_TEXTS: sha256(path.read_bytes()).hexdigest()}
    run = Run.of(dataset.name, ModelInfo("recorded", path.name), settings)
    with ResponseStore(folder, run) as store:
        for video in videos:
            if video.name not in store.done:
                store.add(_stored(video, said_in_texts(video, texts[video.name], dataset.fps)))
    return len(videos)


def _stored(video: Video, said: Said) -> StoredVideo:
    records = [WindowRecord.of(each.window, each.frame, each.judgement, 0.0) for each in said.windows]
    frames = video.known_frame_count()
    return StoredVideo(Finished(video.name, len(records), frames, frames, 0, 0.0), tuple(records))
