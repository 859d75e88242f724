from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from math import nan
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RuntimeFault, UsageError
from offline_eval.datasets import Coverage
from offline_eval.report import Thumbnail, VideoReport, write_report
from offline_eval.report.html import page
from tests.unit.offline_eval.report.runs import HOSTILE, four_videos, run, video_report

_VOID = {"meta", "input", "img"}


class Read(HTMLParser):
    """A page's elements, checked to be well nested; text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag and wanted.items() <= attrs.items()]


def data(read: Read) -> Any:
    return json.loads(read.scripts[0])


def test_a_text_of_a_model_is_text_wherever_it_stands() -> None:
    hostile_name = video_report(HOSTILE, [0.5] * 20, said={0: HOSTILE})
    report = run([*four_videos(), hostile_name])
    text = page(replace(report, method=HOSTILE, quirks=(HOSTILE,), versions={HOSTILE: HOSTILE}))
    read = Read(text)
    assert len(read.scripts) == 2
    assert HOSTILE in data(read)["texts"]
    assert "onerror" not in {name for _, attrs in read.elements for name in attrs}
    assert read.all("img") == []
    assert "<script>alert" not in text


def test_the_page_loads_nothing_and_runs_only_its_own_script() -> None:
    text = page(run(four_videos()))
    read = Read(text)
    assert not [attrs for _, attrs in read.elements if "src" in attrs or (attrs.get("href") or "#")[0] != "#"]
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert not [attrs for _, attrs in read.elements if "style" in attrs]  # the policy would refuse them
    policy = read.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"] or ""
    script = base64.b64encode(hashlib.sha256(read.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{script}'" in policy
    assert "default-src 'none'" in policy


def test_every_video_is_there_once_and_its_numbers_are_at_its_index() -> None:
    read = Read(page(run(four_videos())))
    assert [attrs["data-kinds"] for attrs in read.all("article")] == ["missed", "false-alarm wrong", "", ""]
    assert read.all("article")[0]["data-categories"] == 'Odd "kind" <b>'
    assert [video["names"] for video in data(read)["videos"]] == [["score"], ["score"], ["score", "raw"], ["score"]]
    assert {attrs["data-index"] for attrs in read.all("div", **{"class": "track"})} == {"0", "1", "2", "3"}


def test_links_lead_somewhere_and_ids_are_unique() -> None:
    read = Read(page(run(four_videos())))
    ids = [attrs["id"] for _, attrs in read.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {(attrs["href"] or "")[1:] for attrs in read.all("a")} <= set(ids)


def test_it_can_be_read_without_eyes() -> None:
    read = Read(page(run(four_videos())))
    assert read.all("html")[0]["lang"] == "en"
    named = [attrs for attrs in read.all("svg") if attrs.get("role") == "img"]
    assert len(named) == 4 + 4  # the plots and the timelines
    assert all(attrs["aria-label"] for attrs in named)
    assert all(attrs["scope"] in ("col", "row") for attrs in read.all("th"))
    levels = [int(name[1]) for name, _ in read.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_both_readings_of_the_precision_recall_area_are_stated() -> None:
    text = page(run(four_videos()))
    assert "Average precision" in text
    assert "trapezoid" in text


def test_thumbnails_are_in_the_page() -> None:
    first, *rest = four_videos()
    read = Read(page(run([replace(first, thumbnails=(Thumbnail(25, b"jpeg"),)), *rest])))
    assert read.all("img") == [
        {"src": "data:image/jpeg;base64,anBlZw==", "alt": "The picture at 0:02", "loading": "lazy"}
    ]


def test_gaps_in_coverage_come_before_every_other_caution() -> None:
    videos = four_videos()
    coverage = Coverage(6, tuple(each.video for each in videos), missing=("gone <1>", "gone 2"))
    text = page(replace(run(videos), coverage=coverage))
    assert "<li>Partial: only 4 of 6 videos (2 missing) were evaluated.</li>" in text
    assert "gone &lt;1&gt;, gone 2" in text


@pytest.mark.parametrize(
    "videos",
    [
        [video_report("normal", [0.2] * 30)],
        [video_report("abnormal", [0.2] * 30, [(0, 30)])],
        [video_report("unknown", [nan] * 30, [(3, 9)]), video_report("unknown too", [nan] * 30)],
        [video_report("one frame", [1.0], [(0, 1)], [(0, 1)])],
    ],
    ids=["only normal", "only abnormal", "unknown", "one frame"],
)
def test_runs_in_which_figures_are_undefined_are_still_reported(videos: list[VideoReport]) -> None:
    text = page(run(videos))
    Read(text)
    assert "undefined" in text
    assert "nan" not in re.sub(r"<script.*?</script>", "", text, flags=re.S)


def test_without_a_reported_event_no_median_delay_is_told() -> None:
    text = page(run([video_report("missed", [0.1] * 60, [(20, 40)])]))
    assert "Median undefined" not in text
    assert "undefined seconds" not in text
    assert "people are told. missed" not in text


def test_writing_replaces_what_cannot_be_written(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    write_report(out, run([video_report("half \ud800 a character", [0.9] * 30, alerts=[(3, 9)])]))
    assert "half ? a character" in (out / "report.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.md"]


def test_a_folder_that_cannot_be_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeFault, match=r"cannot be written to .*file"):
        write_report(tmp_path / "file", run(four_videos()))


def test_a_video_is_not_reported_with_the_alerts_of_another() -> None:
    one, other = four_videos()[:2]
    with pytest.raises(UsageError, match="missed and reported"):
        VideoReport(one.track, other.alerted)
