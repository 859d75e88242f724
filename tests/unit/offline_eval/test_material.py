"""What is evaluated, from texts and from stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError, UsageError
from engine.types import ModelInfo
from offline_eval.material import read_material, read_sentences
from offline_eval.methods.online import VERDICTS_ONLY
from offline_eval.procedures import online, published
from offline_eval.replay import replay
from offline_eval.results import metrics
from offline_eval.videos.exchange import import_texts
from offline_eval.videos.plan import RawSegments, plan_settings
from offline_eval.videos.records import Run
from offline_eval.videos.store import ResponseStore
from tests.unit.offline_eval.made import material, write_benchmark
from tests.unit.offline_eval.videos.made import stored

RUN = Run.of("ucf-crime", ModelInfo("motion", "motion", "abc"), {"window": "grid", "window.fps": "8"})
OFFICIAL = "Fire1.mp4  Fire  8  20  -1  -1\nNormal_2.mp4  Normal  -1  -1  -1  -1\n"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Without lengths, which stores know."""
    path = tmp_path / "labels.txt"
    path.write_text(OFFICIAL)
    return path


def make(folder: Path, *names: str, shard: str = "", run: Run = RUN) -> Path:
    with ResponseStore(folder, run, shard=shard) as store:
        for name in names:
            store.add(stored(name))
    return folder


def test_a_store_gives_videos_their_length_and_says_who_judged_them(labels: Path, tmp_path: Path) -> None:
    found = read_material("ucf-crime", labels, make(tmp_path / "out", "Fire1", "Normal_2"))
    assert [(video.name, video.frame_count) for video in found.coverage.videos] == [("Fire1", 24), ("Normal_2", 24)]
    assert [each.judgement.score for each in found.said["Fire1"].windows] == [0.1, None, 0.9]
    assert not found.verdicts
    sources = dict(found.sources)
    assert (sources["scorer"], sources["model"], sources["prompt sha256"]) == ("motion", "motion", "abc")
    assert sources["judged with"] == "window grid, window.fps 8"


def test_a_file_of_a_store_is_a_store_too(labels: Path, tmp_path: Path) -> None:
    make(tmp_path / "out", "Fire1", "Normal_2")
    found = read_material("ucf-crime", labels, tmp_path / "out" / "responses.jsonl")
    assert found.coverage.complete


def test_shards_of_one_folder_and_stores_of_several_are_evaluated_together(labels: Path, tmp_path: Path) -> None:
    make(tmp_path / "shared", "Fire1", shard="1-of-2")
    make(tmp_path / "shared", "Normal_2", shard="2-of-2")
    assert read_material("ucf-crime", labels, tmp_path / "shared").coverage.complete
    apart = make(tmp_path / "a", "Fire1"), make(tmp_path / "b", "Normal_2")
    assert read_material("ucf-crime", labels, *apart).coverage.complete
    with pytest.raises(ConfigError, match="only 1 of 2 videos"):
        read_material("ucf-crime", labels, apart[0])


def test_stores_that_do_not_belong_together_or_here_are_refused(labels: Path, tmp_path: Path) -> None:
    first = make(tmp_path / "first", "Fire1")
    other = make(tmp_path / "other", "Normal_2", run=Run.of("ucf-crime", ModelInfo("motion", "motion"), {}))
    with pytest.raises(UsageError, match=r"other.* does not belong to the other shards: prompt_sha256 None instead of"):
        read_material("ucf-crime", labels, first, other)
    with pytest.raises(UsageError, match="has Fire1 twice"):
        read_material("ucf-crime", labels, first, make(tmp_path / "again", "Fire1"))
    msad = make(tmp_path / "msad", "Fire1", run=Run.of("msad", ModelInfo("motion", "motion"), {}))
    with pytest.raises(UsageError, match="holds responses to msad, not to ucf-crime"):
        read_material("ucf-crime", labels, msad)
    with pytest.raises(UsageError, match="several responses must all be stores"):
        read_material("ucf-crime", labels, first, tmp_path / "texts.json")


def test_a_store_of_another_copy_of_a_video_is_of_the_wrong_length(tmp_path: Path) -> None:
    labels = tmp_path / "labels.json"
    labels.write_text(
        '[{"video": "Fire1.mp4", "temporal_label": [8, 20, -1, -1], "length": 26},'
        '{"video": "Normal_2.mp4", "temporal_label": [-1, -1, -1, -1], "length": 48}]'
    )
    found = read_material("ucf-crime", labels, make(tmp_path / "out", "Fire1", "Normal_2"), allow_missing=True)
    assert found.coverage.wrong_length == ("Normal_2 has 24 frames, its annotation 48",)
    assert [video.frame_count for video in found.coverage.videos] == [26]  # as annotated: decoders differ by as much


def test_windows_that_are_no_verdicts_on_segments_do_for_online_only(labels: Path, tmp_path: Path) -> None:
    segments = Run.of("ucf-crime", ModelInfo("internvl2", "8B"), plan_settings(RawSegments()))
    for name, run in (("grid", RUN), ("likely", segments)):
        found = read_material("ucf-crime", labels, make(tmp_path / name, "Fire1", "Normal_2", run=run))
        with pytest.raises(UsageError, match="corevad needs a verdict on every segment of 30 frames"):
            replay(found, published("corevad", 30.0), resamples=0)
        assert replay(found, online(VERDICTS_ONLY, None, "by hand"), resamples=0).segments == 6


def test_unknown_windows_are_counted_and_told(labels: Path, tmp_path: Path) -> None:
    found = read_material("ucf-crime", labels, make(tmp_path / "out", "Fire1", "Normal_2"))
    run = replay(found, online(VERDICTS_ONLY, None, "by hand"), resamples=0)
    told = metrics(run)
    assert (told["segments"], told["unknown_segments"]) == (6, 2)
    assert "2 of 6 windows have no known score." in told["quirks"]
    remarks = run.report.videos[0].remarks
    assert [(each.start, each.end, each.text) for each in remarks] == [
        (0, 8, "Nothing moves."),
        (8, 16, "Unknown: warming up"),
        (16, 24, "A man falls."),
    ]


def test_texts_and_the_store_that_is_made_of_them_give_the_same_figures(tmp_path: Path) -> None:
    files, texts = write_benchmark(tmp_path), material(tmp_path)
    import_texts(files.responses, texts.dataset, tmp_path / "store")
    store = read_material("ucf-crime", files.annotations, tmp_path / "store")
    assert texts.verdicts
    assert store.verdicts
    assert store.quirks == texts.quirks
    for procedure in (published("corevad", 30.0), online(VERDICTS_ONLY, None, "by hand")):
        one, other = (metrics(replay(each, procedure, resamples=0)) for each in (texts, store))
        assert other[one["final_stage"]] == pytest.approx(one[one["final_stage"]], abs=1e-9)
        for name, figure in one["figures"].items():
            assert other["figures"][name]["value"] == pytest.approx(figure["value"], abs=0.002), name


def test_sentences_are_those_of_texts_and_of_stores(tmp_path: Path) -> None:
    path = tmp_path / "texts.json"
    path.write_text(
        '{"a": ["Anomalous scenes. A man runs.", "Normal scenes."], "b": ["?", "Normal scenes. A man runs."]}'
    )
    assert read_sentences(path) == {"A man runs."}
    assert read_sentences(make(tmp_path / "out", "a", "b")) == {"Nothing moves.", "A man falls."}
