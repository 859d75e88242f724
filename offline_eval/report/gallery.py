"""The page's list of videos: the worst of each kind, filters, a legend, and every video, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from offline_eval.report.data import ReportInput
from offline_eval.report.markup import Markup, element
from offline_eval.report.outcomes import Outcome, worst_false_alarms, worst_misses
from offline_eval.report.videos import NORMAL, section, verdict
from offline_eval.report.words import count

WORST = 5


def gallery(report: ReportInput, outcomes: Sequence[Outcome], empty: Sequence[str] = ()) -> Markup:
    """`outcomes` are in the order to show them in: a video's place there is its index in the page. `empty` names the
    videos of which no frame was measured: there is nothing to draw."""
    places = {each.name: index for index, each in enumerate(outcomes)}
    listed = {"Worst misses": worst_misses(outcomes), "Worst false alarms": worst_false_alarms(outcomes)}
    return element(
        "section",
        element("h2", "Videos"),
        element(
            "p",
            "The worst come first: of the misses, where the score stayed lowest during the event; of the false alarms, "
            "where it rose highest.",
        ),
        element(
            "div",
            (_worst(title, found[:WORST], places) for title, found in listed.items() if found),
            class_="worst",
        ),
        _filters(outcomes),
        _legend(report),
        (section(each, report, places[each.name]) for each in outcomes),
        element("p", f"No frame was measured of {', '.join(empty)}.") if empty else None,
        id="videos",
    )


def _worst(title: str, outcomes: Sequence[Outcome], places: Mapping[str, int]) -> Markup:
    items = (
        element("li", element("a", each.name, href=f"#video-{places[each.name]}"), f" {verdict(each)}")
        for each in outcomes
    )
    return element("div", element("h3", title), element("ol", items))


def _filters(outcomes: Sequence[Outcome]) -> Markup:
    """Shown by the script, as they do nothing without it."""
    kinds = sorted({kind for each in outcomes for kind in each.report.video.categories})
    normal = [NORMAL] if any(each.report.video.normal for each in outcomes) else []
    choices = {
        "": ("All", len(outcomes)),
        "missed": ("Missed", sum(each.missed > 0 for each in outcomes)),
        "false-alarm": ("False alarm", sum(each.false_alarms > 0 for each in outcomes)),
        "wrong": ("Any wrong alert", sum(each.wrong > 0 for each in outcomes)),
    }
    return element(
        "form",
        element(
            "fieldset",
            element("legend", "Show"),
            (
                element(
                    "label",
                    element("input", type="radio", name="kind", value=kind, checked=not kind),
                    element("span", f"{said} ({number})"),
                )
                for kind, (said, number) in choices.items()
            ),
        ),
        element(
            "label",
            "Category ",
            element(
                "select",
                element("option", "All categories", value=""),
                (element("option", kind, value=kind) for kind in [*kinds, *normal]),
                id="category",
            ),
        ),
        element("p", count(len(outcomes), "video"), id="shown", role="status"),
        id="filters", hidden=True,
    )  # fmt: skip


def _legend(report: ReportInput) -> Markup:
    stages = dict.fromkeys(stage for each in report.videos for stage in each.stages)
    entries = {
        "score": "score",
        "event": "annotated event",
        "event missed": "missed event",
        "right": "alert",
        "wrong": "alert beside any event",
        "unknown": "no known score",
        **({"threshold": f"alerts open at {report.open_threshold:g}"} if report.open_threshold is not None else {}),
        **({"stage s4": f"{' and '.join(stages)} score, the darker the higher"} if stages else {}),
    }
    swatches = (element("li", element("span", class_=f"swatch {kind}"), said) for kind, said in entries.items())
    hint = "Point at a timeline, or focus it and use the arrow keys, to read what was said at each moment."
    return element("div", element("ul", swatches, class_="legend"), element("p", hint, class_="hint"), class_="key")
