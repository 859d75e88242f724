from __future__ import annotations

import re
from dataclasses import replace
from math import nan

from offline_eval.report.outcomes import outcome
from offline_eval.report.timeline import COLUMNS, drawing, moments, ruler
from tests.unit.offline_eval.report.runs import FPS, run, video_report


def paths(svg: str, kind: str) -> list[str]:
    return re.findall(rf'<path class="{kind}" d="([^"]*)"', svg)


def test_scores_are_drawn_as_runs() -> None:
    each = video_report("v", [0.0] * 30 + [1.0] * 30)
    svg = drawing(outcome(each, FPS), run([each]), "said")
    assert paths(svg, "score") == ["M0 100H500V0H1000"]


def test_a_single_high_frame_of_a_long_video_is_still_drawn_at_its_height() -> None:
    each = video_report("v", [0.0] * 50_000 + [0.87] + [0.0] * 50_000)
    assert "V13H" in paths(drawing(outcome(each, FPS), run([each]), "said"), "score")[0]


def test_what_is_unknown_is_a_gap_in_the_line() -> None:
    each = video_report("v", [0.5] * 20 + [nan] * 20 + [0.5] * 20, stages={"raw": [0.5] * 30 + [nan] * 30})
    svg = drawing(outcome(each, FPS), run([each]), "said")
    assert paths(svg, "score") == ["M0 50H333.3M666.7 50H1000"]
    assert paths(svg, "unknown") == ["M333.3 0H666.7V100H333.3Z", "M500 104H1000v14H500Z"]


def test_events_and_alerts_say_what_they_are() -> None:
    each = video_report("v", [0.9] * 100, [(10, 20), (50, 60)], [(10, 30), (80, 90)])
    svg = drawing(outcome(each, FPS), replace(run([each]), open_threshold=0.6), "A <b> & c")
    found = re.findall(r'<rect class="([^"]*)" x="([^"]*)" y="[^"]*" width="([^"]*)"', svg)
    assert found == [
        ("event", "100", "100"),
        ("event missed", "500", "100"),
        ("right", "100", "200"),
        ("wrong", "800", "100"),
    ]
    assert paths(svg, "told") == ["M110 100v18M810 100v18"]
    assert paths(svg, "threshold") == ["M0 40H1000"]
    assert 'aria-label="A &lt;b&gt; &amp; c"' in svg


def test_the_ruler_has_round_times_and_the_end() -> None:
    assert re.findall(r">([\d:]+)<", ruler(610, FPS)) == ["0:00", "0:10", "0:20", "0:30", "0:40", "0:50", "1:01"]


def test_moments_follow_the_remarks_and_their_gaps() -> None:
    each = video_report("v", [0.0] * 20 + [0.5] * 20 + [nan] * 20, said={0: "calm", 20: "a man", 30: "calm"})
    texts: dict[str, int] = {}
    assert moments(each, FPS, texts) == {
        "end": 60,
        "at": [0, 10, 20, 30, 40],
        "scores": [[0, 0, 50, 50, -1]],
        "texts": [0, -1, 1, 0, -1],
    }
    assert list(texts) == ["calm", "a man"]


def test_without_remarks_there_are_as_many_moments_as_columns() -> None:
    found = moments(video_report("v", [0.5] * 5000), FPS, {})
    assert found["texts"] == [-1] * COLUMNS
