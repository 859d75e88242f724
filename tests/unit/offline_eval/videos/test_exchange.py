from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from engine.errors import ConfigError, UsageError
from engine.types import Judgement, ModelInfo
from offline_eval.datasets import load_dataset
from offline_eval.datasets.base import Dataset, Video
from offline_eval.responses import read_responses
from offline_eval.said import judgement_of
from offline_eval.videos.exchange import export_texts, import_texts
from offline_eval.videos.plan import RawSegments, plan_settings
from offline_eval.videos.records import Finished, Run, WindowRecord
from offline_eval.videos.store import ResponseStore, StoredVideo, read_videos
from tests.unit.offline_eval.videos.made import RUN, meta, stored

UCF = Path(__file__).parents[4].parent / "shared" / "data" / "ucf"
TWO = Dataset("made", 30.0, (Video("a", frame_count=70), Video("b", ("Fire",), frame_count=30)))


def test_a_store_of_other_windows_or_of_other_scores_is_not_exported(tmp_path: Path) -> None:
    with ResponseStore(tmp_path / "grid", RUN) as store:
        store.add(stored("a", (0.0, None, 1.0)))
    segments = Run.of("made", ModelInfo("internvl2", "8B"), plan_settings(RawSegments()))
    with ResponseStore(tmp_path / "likely", segments) as store:
        store.add(stored("a", (0.1, None, 0.9)))
    for name in ("grid", "likely"):
        with pytest.raises(UsageError, match="a has no verdict on each segment of 30 frames"):
            export_texts(tmp_path / "out.json", tmp_path / name)
    assert not (tmp_path / "out.json").exists()


def test_verdicts_are_exported_as_texts_and_what_is_unknown_as_empty_ones(tmp_path: Path) -> None:
    run = Run.of("made", ModelInfo("internvl2", "8B"), plan_settings(RawSegments()))
    judgements = {0: Judgement(1.0, "A man falls."), 2: Judgement.unknown("no verdict"), 3: Judgement(0.0)}
    windows = tuple(WindowRecord.of(meta("a", index), 30 * index + 29, each, 0.0) for index, each in judgements.items())
    for shard, name in (("1-of-2", "a"), ("2-of-2", "b")):
        records = tuple(msgspec.structs.replace(window, video=name) for window in windows)
        with ResponseStore(tmp_path, run, shard=shard) as store:
            store.add(StoredVideo(Finished(name, 3, 120, 120, 1, 0.0), records))
    assert export_texts(tmp_path / "out.json", tmp_path) == 2
    texts = ["Anomalous scenes. A man falls.", "", "", "Normal scenes."]
    assert json.loads((tmp_path / "out.json").read_text()) == {"a": texts, "b": texts}


def test_published_texts_become_a_store_with_the_times_of_their_segments(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"a": ["Normal scenes. Calm.", "??", "Anomalous scenes."], "b": ["Normal scenes. x"]}))
    assert import_texts(path, TWO, tmp_path / "store") == 2
    first, _ = read_videos(tmp_path / "store")
    assert [(each.index, each.frame, each.time_s, each.score, each.text) for each in first.windows] == [
        (0, 29, 0.967, 0.0, "Calm."),
        (1, 59, 1.967, None, None),
        (2, 69, 2.3, 1.0, None),
    ]
    assert first.finished.frames == 70


def test_texts_that_lack_a_video_are_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"a": ["Normal scenes. Calm."] * 3}))
    with pytest.raises(ConfigError, match="1 of 2"):
        import_texts(path, TWO, tmp_path / "store")
    assert import_texts(path, TWO, tmp_path / "store", allow_missing=True) == 1


@pytest.mark.skipif(not UCF.exists(), reason="the published responses are not here")
def test_the_published_responses_come_back_with_the_same_verdicts_and_sentences(tmp_path: Path) -> None:
    dataset = load_dataset("ucf-crime", UCF / "annotations.json")
    count = import_texts(UCF / "responses.json", dataset, tmp_path)
    assert export_texts(tmp_path / "again.json", tmp_path) == count == 145
    published, again = read_responses(UCF / "responses.json"), read_responses(tmp_path / "again.json")
    for name, texts in again.items():
        assert [judgement_of(text) for text in texts] == [judgement_of(text) for text in published[name][: len(texts)]]
