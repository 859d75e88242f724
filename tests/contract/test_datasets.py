"""One suite over every data set's reader, on annotations in its format and on the published ones where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.errors import ConfigError
from offline_eval.datasets import DATASETS, LabelEnds, Span, Video, load_dataset

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


class Case(NamedTuple):
    """One format of one data set: a file with one anomalous and one normal video, and what is wrong with another."""

    dataset: str
    file: str
    good: str
    spans: tuple[Span, ...]  # of the anomalous one at 100 frames, ends exclusive
    categories: tuple[str, ...]
    bad: str  # two entries, each with a problem
    published: str = ""
    counts: tuple[int, int] = (0, 0)  # videos, anomalous ones


def frames_json(name: str, normal: str) -> str:
    return json.dumps(
        [
            {"video": name, "temporal_label": [10, 20, 50, 60], "length": 100},
            {"video": normal, "temporal_label": [-1, -1], "length": 40},
        ]
    )


def bad_frames_json(name: str) -> str:
    return json.dumps([{"video": name, "temporal_label": [20, 10], "length": 100}, {"video": name, "length": 100}])


def fractions_json(category: str) -> str:
    return json.dumps(
        [
            {"video_path": "videos/a.mp4", "class_name": category, "anomaly_span": [[0.1, 0.2], [0.5, 0.6]]},
            {"video_path": "videos/b.mp4", "class_name": "Normal", "anomaly_span": []},
        ]
    )


BAD_FRACTIONS = json.dumps(
    [
        {"video_path": "a.mp4", "class_name": "Fire", "anomaly_span": [[0.2, 1.1]]},
        {"video_path": "b.mp4", "class_name": "Normal", "anomaly_span": [[0.1, 0.2]]},
    ]
)
TWO = (Span(10, 20), Span(50, 60))
XD, XD_NORMAL = "v=a__#1_label_B4-G-0", "A Film__#00-05_label_A"
UCF_TEXT = "Abuse028_x264.mp4  Abuse  10  20  50  60\t\n\nNormal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1  \n"

CASES = {
    "ucf text": Case("ucf-crime", "ucf.txt", UCF_TEXT, TWO, ("Abuse",), "A.mp4 Abuse 20 10 -1 -1\nB.mp4 Abuse 1 2 3\n"),
    "ucf json": Case(
        "ucf-crime",
        "ucf.json",
        frames_json("frames/Abuse/Abuse028_x264.mp4", "frames/Normal/Normal_Videos_003_x264.mp4"),
        TWO,
        ("Abuse",),
        bad_frames_json("Abuse1.mp4"),
        "ucf/annotations.json",
        (145, 70),
    ),
    "xd text": Case(
        "xd-violence",
        "xd.txt",
        f"{XD} 10 20 50 60\n{XD_NORMAL}\n",
        TWO,
        ("Riot", "Explosion"),
        f"{XD} 10 20 50\nno category 1 2\n",
    ),
    "xd json": Case(
        "xd-violence",
        "xd.json",
        frames_json(XD, XD_NORMAL),
        TWO,
        ("Riot", "Explosion"),
        bad_frames_json(XD),
        "annotations/xd_violence_test.json",
        (800, 500),
    ),
    **{
        name: Case(
            name,
            f"{name}.json",
            fractions_json("Water_incident"),
            TWO,
            ("Water incident",),
            BAD_FRACTIONS,
            f"annotations/{name}_test.json",
            counts,
        )
        for name, counts in {
            "msad": (240, 120),
            "ubnormal": (211, 158),
            "dota": (1402, 1402),
            "tad": (100, 60),
            "lad": (560, 280),
        }.items()
    },
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def read(case: Case, folder: Path, text: str, ends: LabelEnds = LabelEnds.EXCLUSIVE) -> list[Video]:
    path = folder / case.file
    path.write_text(text, encoding="utf-8")
    return list(load_dataset(case.dataset, path, ends).videos())


def test_every_data_set_is_in_this_suite() -> None:
    assert {case.dataset for case in CASES.values()} == set(DATASETS)


def test_spans_categories_and_normality_are_read(case: Case, tmp_path: Path) -> None:
    anomalous, normal = read(case, tmp_path, case.good)
    assert anomalous.measured(100).spans == case.spans
    assert anomalous.categories == case.categories
    assert not anomalous.normal
    assert anomalous.path is not None
    assert anomalous.name in anomalous.path
    assert (normal.categories, normal.spans, normal.normal) == ((), (), True)


def test_inclusive_ends_hold_one_frame_more(case: Case, tmp_path: Path) -> None:
    anomalous, _ = read(case, tmp_path, case.good, LabelEnds.INCLUSIVE)
    assert anomalous.measured(100).spans == tuple(Span(start, end + 1) for start, end in case.spans)


def test_every_problem_is_told_at_once_with_its_place(case: Case, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(case, tmp_path, case.bad)
    place = ": item {}: " if case.file.endswith(".json") else ":{}: "
    assert [text.startswith(case.file + place.format(n)) for n, text in enumerate(caught.value.problems, 1)] == [
        True
    ] * 2
    assert "\n" not in str(caught.value)


def test_a_video_annotated_twice_is_a_problem(case: Case, tmp_path: Path) -> None:
    twice = json.dumps(json.loads(case.good) * 2) if case.file.endswith(".json") else case.good * 2
    with pytest.raises(ConfigError, match="is annotated twice"):
        read(case, tmp_path, twice)


def test_the_data_set_declares_its_name_and_frame_rate(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.file
    path.write_text(case.good, encoding="utf-8")
    dataset = load_dataset(case.dataset, path)
    assert dataset.name == case.dataset
    assert 1 < dataset.fps <= 60


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.published])
def test_published_annotations_are_read_whole(name: str) -> None:
    case = CASES[name]
    path = SHARED / case.published
    if not path.exists():
        pytest.skip(f"shared/data/{case.published} is not here")
    videos = [video.measured(video.frame_count or 1000) for video in load_dataset(case.dataset, path).videos()]
    assert (len(videos), sum(not video.normal for video in videos)) == case.counts
    assert len({video.name for video in videos}) == len(videos)
    for video in videos:
        edges = [0, *(edge for span in video.spans for edge in span), video.frame_count or 0]
        assert edges[1:-1] == sorted(set(edges[1:-1]))
        assert edges == sorted(edges)
        assert video.normal == (not video.spans)
