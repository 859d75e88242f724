from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import ConfigError
from offline_eval.datasets import load_dataset
from offline_eval.datasets.base import Dataset, Video
from offline_eval.responses import judgement_of, read_responses
from offline_eval.videos.exchange import export_texts, import_texts
from offline_eval.videos.records import Finished, WindowRecord
from offline_eval.videos.store import ResponseStore, StoredVideo, read_videos
from tests.unit.offline_eval.videos.made import RUN, judged, meta, stored

UCF = Path(__file__).parents[4].parent / "shared" / "data" / "ucf"
TWO = Dataset("made", 30.0, (Video("a", frame_count=70), Video("b", ("Fire",), frame_count=30)))


def test_a_store_is_exported_with_verdicts_and_empty_texts_for_what_is_unknown(tmp_path: Path) -> None:
    with ResponseStore(tmp_path, RUN) as store:
        store.add(stored("a", (0.1, None, 0.9)))
    assert export_texts(tmp_path, tmp_path / "out.json") == 1
    content = json.loads((tmp_path / "out.json").read_text())
    assert content == {"a": ["Normal scenes. Nothing moves.", "", "Anomalous scenes. A man falls."]}


def test_a_window_that_was_not_made_keeps_its_place(tmp_path: Path) -> None:
    places = [(0, 0), (0, 2), (1, 1)]
    windows = tuple(WindowRecord.of(meta("a", index, segment), judged(0.1), 0.0) for segment, index in places)
    with ResponseStore(tmp_path, RUN) as store:
        store.add(StoredVideo(Finished("a", 3, 30, 1, 0.0), windows))
    export_texts(tmp_path, tmp_path / "out.json")
    text = "Normal scenes. Nothing moves."
    assert json.loads((tmp_path / "out.json").read_text()) == {"a": [text, "", text, "", text]}


def test_published_texts_become_a_store_with_the_times_of_their_segments(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(json.dumps({"a": ["Normal scenes. Calm.", "??", "Anomalous scenes."], "b": ["Normal scenes. x"]}))
    assert import_texts(path, TWO, tmp_path / "store") == 2
    first, _ = read_videos(tmp_path / "store")
    assert [(window.index, window.time_s, window.score, window.text) for window in first.windows] == [
        (0, 0.967, 0.0, "Calm."),
        (1, 1.967, None, None),
        (2, 2.3, 1.0, None),
    ]


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
    assert export_texts(tmp_path, tmp_path / "again.json") == count == 145
    published, again = read_responses(UCF / "responses.json"), read_responses(tmp_path / "again.json")
    for name, texts in again.items():
        assert [judgement_of(text) for text in texts] == [judgement_of(text) for text in published[name][: len(texts)]]
