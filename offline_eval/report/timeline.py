"""One video's timeline: scores, events and alerts over time as SVG, and as numbers for the page's script.

Scores are drawn in a few hundred columns, each as high as the highest score in it, so that no peak is lost. What
is outside of 0 to 1 is drawn at the edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from offline_eval.metrics.tracks import Floats, Ints, Track
from offline_eval.report import words
from offline_eval.report.data import ReportInput, VideoReport
from offline_eval.report.markup import Markup, element, fragment, number
from offline_eval.report.outcomes import Outcome

COLUMNS = 600
SCORE_HEIGHT, LANE_HEIGHT, LANE_GAP = 100, 14, 4
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_TICKS = 8  # at most
_LEVELS = 5  # of a stage's shading

Moments = dict[str, list[int] | list[list[int]] | float]


def drawing(outcome: Outcome, report: ReportInput, said: str) -> Markup:
    """From the top: the score with its events and threshold, a shaded lane per earlier stage, and the alerts."""
    each = outcome.report
    frames = each.video.known_frame_count()
    lanes = len(each.stages) + 1
    height = SCORE_HEIGHT + lanes * (LANE_HEIGHT + LANE_GAP)
    scale = 1000 / frames
    columns = _columns(each.track)
    stages = [_shades(_columns(stage), _lane(row)) for row, stage in enumerate(each.stages.values())]
    alerts = [
        _span(alert.start * scale, alert.end * scale, _lane(lanes - 1), LANE_HEIGHT, "right" if right else "wrong")
        for alert, right in zip(each.alerted.alerts, outcome.right, strict=True)
    ]
    told = "".join(
        f"M{number(min(alert.told, frames) * scale)} {_lane(lanes - 1) - LANE_GAP}v{LANE_HEIGHT + LANE_GAP}"
        for alert in each.alerted.alerts
    )
    shapes = element(
        "svg",
        (
            _span(start * scale, end * scale, 0, SCORE_HEIGHT, "event missed" if late == np.inf else "event")
            for (start, end), late in zip(each.video.spans, outcome.delays_s, strict=True)
        ),
        _area(columns),
        _threshold(report.open_threshold),
        element("path", class_="base", d=f"M0 {SCORE_HEIGHT}H1000"),
        stages,
        alerts,
        element("path", class_="told", d=told) if told else None,
        viewBox=f"0 0 1000 {height}", preserveAspectRatio="none", width="100%", height=float(height),
    )  # fmt: skip
    # Outside of what is stretched to the page's width.
    names = (element("text", name, x=3.0, y=_lane(row) + 11.0) for row, name in enumerate([*each.stages, "alerts"]))
    return element("svg", shapes, names, height=float(height), role="img", aria_label=said)


def ruler(frames: int, fps: float) -> Markup:
    """Times below a timeline. In per cent, as a text in the timeline itself would be stretched with it."""
    length_s = frames / fps
    step = next((step for step in _STEPS_S if length_s / step <= _TICKS), _STEPS_S[-1])
    kept = [mark for mark in np.arange(0, length_s, step).tolist() if mark <= 0.92 * length_s]
    return element(
        "svg",
        (_mark(words.clock(mark), 100 * mark / length_s, "middle" if mark else "start") for mark in kept),
        _mark(words.clock(length_s), 100, "end"),
        class_="ruler", aria_hidden="true",
    )  # fmt: skip


def _mark(text: str, percent: float, anchor: str) -> Markup:
    return element("text", text, x=f"{number(percent, 2)}%", y=12.0, text_anchor=anchor)


def moments(each: VideoReport, fps: float, texts: dict[str, int]) -> Moments:
    """What a reader steps through: where each begins (tenths of a second), the scores then, and which text was said.

    Scores are in per cent, -1 when unknown; the first row is the evaluated one. A text is its place in `texts`,
    which grows; -1 is nothing said. Without remarks the moments are the timeline's columns.
    """
    frames = each.video.known_frame_count()
    starts = _starts(each, frames)
    spoken = {remark.start: remark.text for remark in each.remarks}
    said = [texts.setdefault(words.clipped(spoken[start]), len(texts)) if start in spoken else -1 for start in starts]
    tracks = [each.track, *each.stages.values()]
    ends = [*starts[1:], frames]
    middles = [(start + end - 1) // 2 for start, end in zip(starts, ends, strict=True)]
    return {
        "end": round(frames / fps * 10),
        "at": [round(start / fps * 10) for start in starts],
        "scores": [_percents(track, middles) for track in tracks],
        "texts": said,
    }


def _starts(each: VideoReport, frames: int) -> list[int]:
    if not each.remarks:
        return [int(start) for start in _column_starts(frames)]
    holes = [one.end for one, after in pairwise(each.remarks) if one.end < after.start]
    edges = {0, *(remark.start for remark in each.remarks), *holes, each.remarks[-1].end}
    return sorted(edge for edge in edges if edge < frames)


def _percents(track: Track, at: Sequence[int]) -> list[int]:
    values = track.values[np.searchsorted(np.cumsum(track.lengths), at, side="right")]
    return [int(percent) for percent in np.nan_to_num(np.round(values.clip(0, 1) * 100), nan=-1)]


def _columns(track: Track) -> Floats:
    """The highest known score of each column, NaN where none is known."""
    scores = track.frames()
    highest: Floats = np.fmax.reduceat(scores, _column_starts(len(scores)))
    return highest


def _column_starts(frames: int) -> Ints:
    return np.linspace(0, frames, min(COLUMNS, frames), endpoint=False).astype(np.int64)


def _lane(row: int) -> int:
    return SCORE_HEIGHT + LANE_GAP + row * (LANE_HEIGHT + LANE_GAP)


def _span(start: float, end: float, top: int, height: int, kind: str) -> Markup:
    return element("rect", class_=kind, x=start, y=float(top), width=max(end - start, 1.5), height=float(height))


def _threshold(score: float | None) -> Markup:
    if score is None:
        return Markup()
    return element("path", class_="threshold", d=f"M0 {number(SCORE_HEIGHT * (1 - score))}H1000")


def _area(columns: Floats) -> Markup:
    """The score as a filled shape with a line on top, and what is unknown as a shape of its own."""
    levels = np.nan_to_num(np.round(SCORE_HEIGHT * (1 - columns.clip(0, 1))), nan=-1).astype(np.int64)
    line: list[str] = []
    fill: list[str] = []
    unknown: list[str] = []
    before = -1
    for start, end, level in _runs(levels):
        x, to = number(start), number(end)
        if level < 0:
            unknown.append(f"M{x} 0H{to}V{SCORE_HEIGHT}H{x}Z")
        else:
            line.append(f"M{x} {level}H{to}" if before < 0 else f"V{level}H{to}")
            fill.append(f"M{x} {SCORE_HEIGHT}V{level}H{to}V{SCORE_HEIGHT}Z")
        before = level
    return fragment(
        element("path", class_="unknown", d="".join(unknown)) if unknown else None,
        element("path", class_="area", d="".join(fill)),
        element("path", class_="score", d="".join(line)),
    )


def _shades(columns: Floats, top: int) -> Markup:
    """A lane that is the darker the higher the score: one shape per shade, and one for what is unknown."""
    levels = np.nan_to_num(np.ceil(columns.clip(0, 1) * _LEVELS), nan=-1).astype(np.int64)
    shapes: dict[int, list[str]] = {}
    for start, end, level in _runs(levels):
        if level:
            shapes.setdefault(level, []).append(f"M{number(start)} {top}H{number(end)}v{LANE_HEIGHT}H{number(start)}Z")
    return fragment(
        element("rect", class_="lane", x=0.0, y=float(top), width=1000.0, height=float(LANE_HEIGHT)),
        (
            element("path", class_="unknown" if level < 0 else f"stage s{level}", d="".join(shape))
            for level, shape in sorted(shapes.items())
        ),
    )


def _runs(levels: Ints) -> list[tuple[float, float, int]]:
    """Stretches of equal level: from and to (of 1000), and the level."""
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
    scale = 1000 / len(levels)
    return [(start * scale, end * scale, int(levels[start])) for start, end in pairwise(edges)]
