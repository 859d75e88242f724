from __future__ import annotations

import re
from dataclasses import replace

from offline_eval.report.markdown import summary
from tests.unit.offline_eval.report.runs import four_videos, run


def test_the_headline_table_has_every_figure_with_its_interval() -> None:
    text = summary(run(four_videos()))
    rows = dict(re.findall(r"^\| ([\w\-, ]+) \| +([\d.]+) \| [\d.]+ to", text, re.M))
    assert rows["Events reported"] == "0.500"
    assert rows["Events reported in time"] == "0.500"
    assert rows["False alarms per hour"] == "300.0"  # one in twelve seconds
    assert rows["Median delay, seconds"] == "0.3"
    assert rows["Alert precision"] == "0.500"
    assert "1 of 2 events met by an alert, 1 missed." in text
    assert "Worst missed: missed" in text
    assert "Worst false alarm: alarmed" in text


def test_texts_cannot_make_markup_or_columns() -> None:
    text = summary(replace(run(four_videos()), method="a|b <script> *c*\n# d"))
    assert text.startswith("# a\\|b \\<script\\> \\*c\\* \\# d on ")
    assert "<script>" not in text.replace("\\<script\\>", "")
