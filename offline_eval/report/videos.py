"""One video's section of the page: what became of it, its timeline, its events and alerts in words, its pictures."""

from __future__ import annotations

import math
from base64 import b64encode
from bisect import bisect_right

import numpy as np

from offline_eval.metrics.alerts import Alert
from offline_eval.report import words
from offline_eval.report.data import Remark, ReportInput, Thumbnail, VideoReport
from offline_eval.report.markup import Content, Markup, element
from offline_eval.report.outcomes import Outcome
from offline_eval.report.timeline import drawing, ruler

NORMAL = "Normal"


def section(outcome: Outcome, report: ReportInput, index: int) -> Markup:
    """`index` names the video in the page and in the numbers of its script."""
    each = outcome.report
    frames = each.video.known_frame_count()
    kinds = {"missed": outcome.missed, "false-alarm": outcome.false_alarms, "wrong": outcome.wrong}
    return element(
        "article",
        element("h3", each.video.name, id=f"name-{index}"),
        element(
            "p",
            ", ".join(each.video.categories) or NORMAL,
            f", {words.duration(frames / report.fps)}. ",
            element("strong", verdict(outcome), class_="verdict"),
            class_="about",
        ),
        element(
            "div",
            element("div", drawing(outcome, report, _said(outcome)), class_="track", data_index=str(index)),
            ruler(frames, report.fps),
            element("p", _peak(each, report.fps), class_="readout"),
            class_="timeline",
        ),
        _pictures(each, report.fps),
        _table(outcome, report),
        element("details", element("summary", "All that was said"), class_="said", data_index=str(index))
        if each.remarks
        else None,
        class_="video", id=f"video-{index}", aria_labelledby=f"name-{index}",
        data_categories="|".join(each.video.categories) or NORMAL,
        data_kinds=" ".join(kind for kind, there in kinds.items() if there),
    )  # fmt: skip


def verdict(outcome: Outcome) -> str:
    """What became of the video, in a few words."""
    events, wrong = len(outcome.delays_s), outcome.wrong
    if outcome.report.video.normal:
        return words.count(wrong, "false alarm") if wrong else "Quiet, as it should be"
    if outcome.missed:
        told = "Missed" if events == 1 else f"Missed {outcome.missed} of {events} events"
    elif events == 1:
        told = f"Reported {_after(outcome.delays_s[0], in_time=outcome.in_time[0])}"
    else:
        told = f"Reported all {events} events"
    return f"{told}, {words.count(wrong, 'alert')} beside" if wrong else told


def _said(outcome: Outcome) -> str:
    alerts = words.count(len(outcome.right), "alert")
    events = words.count(len(outcome.delays_s), "event")
    return (
        f"Timeline of {outcome.name}: {events}, {alerts}. {verdict(outcome)}. The table below says the same in words."
    )


def _after(delay_s: float, *, in_time: bool) -> str:
    said = f"after {delay_s:.1f} s" if delay_s else "at once"
    return said if in_time else f"{said}, when it had ended"


def _peak(each: VideoReport, fps: float) -> list[Content]:
    """Where the score was highest and what was said there: what stands below a timeline until somebody asks."""
    if np.isnan(each.track.values).all():
        return ["No score is known."]
    run = int(np.nanargmax(each.track.values))
    frame = int(each.track.lengths[:run].sum())
    when = f"Highest score {each.track.values[run]:.2f} at {words.clock(frame / fps)}. "
    return [when, _quote(each.remarks, max(frame - 1, 0))]


def _quote(remarks: tuple[Remark, ...], frame: int) -> Markup | None:
    """What was last said before or at this frame."""
    place = bisect_right(remarks, frame, key=lambda remark: remark.start)
    return element("q", words.clipped(remarks[place - 1].text)) if place else None


def _table(outcome: Outcome, report: ReportInput) -> Markup | None:
    each, fps = outcome.report, report.fps
    rows = [
        (start, _event_row(start, end, late, peak, fps, in_time=in_time))
        for (start, end), late, in_time, peak in zip(
            each.video.spans, outcome.delays_s, outcome.in_time, outcome.peaks, strict=True
        )
    ]
    rows += [
        (alert.start, _alert_row(alert, right, each, fps))
        for alert, right in zip(each.alerted.alerts, outcome.right, strict=True)
    ]
    if not rows:
        return None
    head = element("tr", (element("th", title, scope="col") for title in ("", "From", "To", "What became of it")))
    body = (row for _, row in sorted(rows, key=lambda pair: pair[0]))
    return element("table", element("thead", head), element("tbody", body), class_="moments")


def _event_row(start: int, end: int, late: float, peak: float, fps: float, *, in_time: bool) -> Markup:
    if math.isinf(late):
        return _row("Event", "event missed", start, end, fps, f"Missed. The highest score was {peak:.2f}.")
    return _row("Event", "event", start, end, fps, f"Reported {_after(late, in_time=in_time)}.")


def _alert_row(alert: Alert, right: bool, each: VideoReport, fps: float) -> Markup:
    fate = "Right" if right else "False alarm" if each.video.normal else "Beside the event"
    told = f"{fate}. Told at {words.clock(alert.told / fps)}, score up to {alert.score:.2f}. "
    quote = _quote(each.remarks, alert.told - 1)
    return _row("Alert", "right" if right else "wrong", alert.start, alert.end, fps, told, quote)


def _row(kind: str, style: str, start: int, end: int, fps: float, *fate: Content) -> Markup:
    return element(
        "tr",
        element("th", kind, scope="row", class_=style),
        element("td", words.clock(start / fps)),
        element("td", words.clock(end / fps)),
        element("td", *fate),
    )


def _pictures(each: VideoReport, fps: float) -> Markup | None:
    if not each.thumbnails:
        return None
    return element("div", (_picture(thumbnail, fps) for thumbnail in each.thumbnails), class_="pictures")


def _picture(thumbnail: Thumbnail, fps: float) -> Markup:
    when = words.clock(thumbnail.frame / fps)
    source = f"data:image/jpeg;base64,{b64encode(thumbnail.jpeg).decode()}"
    return element(
        "figure",
        element("img", src=source, alt=f"The picture at {when}", loading="lazy"),
        element("figcaption", when),
    )
