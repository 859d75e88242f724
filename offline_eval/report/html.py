"""The page of a report: one file that needs no other and no network, for screens of any size, dark mode and print.

Texts are escaped by `markup`; what the script reads is JSON in which no tag can begin. A content security policy
allows the page's own script and style and nothing else.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from math import isnan

from offline_eval.metrics.intervals import Figure
from offline_eval.report import plots
from offline_eval.report.curves import curves
from offline_eval.report.data import ReportInput
from offline_eval.report.gallery import gallery
from offline_eval.report.headline import cautions, figure_name, headlines
from offline_eval.report.markup import Content, Markup, element
from offline_eval.report.outcomes import Outcome, outcome, worst_first
from offline_eval.report.timeline import moments
from offline_eval.report.words import between, count, duration, value

_PER_CATEGORY = "roc_auc/"

# Stripes and dots say "wrong" and "unknown" on paper and to those who tell no colours apart.
_PATTERNS = Markup(
    '<svg class="patterns" aria-hidden="true">'
    '<pattern id="stripes" width="8" height="8" patternUnits="userSpaceOnUse"><path d="M-2 2L2 -2M0 8L8 0M6 10L10 6"/>'
    '</pattern><pattern id="dots" width="7" height="7" patternUnits="userSpaceOnUse"><circle cx="2" cy="2" r="1"/>'
    "</pattern></svg>"
)


def page(report: ReportInput) -> str:
    outcomes = worst_first(outcome(each, report.fps) for each in report.videos)
    drawn = [each for each in outcomes if each.report.video.known_frame_count()]
    style, script = _part("page.css"), _part("page.js")
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    title = f"{report.method} on {report.dataset}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title}: evaluation"),
        element("style", style),
    )
    body = element(
        "body",
        _PATTERNS,
        _header(report, title),
        element(
            "main",
            _headlines(report, outcomes),
            _curves(report, outcomes),
            _categories(report, outcomes),
            gallery(report, drawn, [each.name for each in outcomes if each not in drawn]),
            _circumstances(report),
        ),
        element("script", _data(report, drawn), type="application/json", id="data"),
        element("script", script),
    )
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en") + "\n"


def _header(report: ReportInput, title: str) -> Markup:
    frames = sum(each.video.known_frame_count() for each in report.videos)
    facts = {
        "Data": f"{report.dataset}, {report.split} split",
        "Method": report.method,
        "Coverage": f"{report.coverage}, {duration(frames / report.fps)} of video",
        "Evaluated": f"{report.created:%d %B %Y, %H:%M %Z}".strip(),
    }
    sections = {
        "headline": "Headline",
        "curves": "Curves",
        "categories": "Categories",
        "videos": "Videos",
        "how": "How",
    }
    return element(
        "header",
        element("p", "Vigil evaluation", class_="kicker"),
        element("h1", title),
        element("dl", (_fact(name, said) for name, said in facts.items()), class_="facts"),
        element("nav", (element("a", said, href=f"#{name}") for name, said in sections.items()), aria_label="Sections"),
    )


def _fact(name: str, said: str) -> Markup:
    return element("div", element("dt", name), element("dd", said))


def _headlines(report: ReportInput, outcomes: Sequence[Outcome]) -> Markup:
    cards = (
        element(
            "li",
            element("h3", each.title),
            element("p", each.value, class_="value"),
            element("p", "95 %: ", each.interval, class_="interval"),
            element("p", each.meaning),
        )
        for each in headlines(report, outcomes)
    )
    notes = element("ul", (element("li", note) for note in cautions(report)))
    return element(
        "section",
        element("h2", "Headline"),
        element("ul", cards, class_="cards"),
        element("aside", element("h3", "Before quoting these"), notes, aria_label="Before quoting these"),
        element("details", element("summary", "Every figure"), _every_figure(report.evaluation.figures())),
        id="headline",
    )


def _every_figure(figures: Mapping[str, Figure]) -> Markup:
    rows = (
        (figure_name(name), value(figure.value), between(figure.low, figure.high))
        for name, figure in figures.items()
        if not name.startswith(_PER_CATEGORY)
    )
    return _table(("Figure", "Value", "95 % interval"), rows)


def _curves(report: ReportInput, outcomes: Sequence[Outcome]) -> Markup:
    figures = report.evaluation.figures()
    drawn: list[Markup] = []
    if found := curves([each.track for each in report.videos], report.evaluation.seed):
        area, average = figures["roc_auc"], figures["average_precision"]
        drawn += [
            _figure(
                plots.roc(found.roc, f"ROC curve with area {_with_interval(area)}"),
                f"ROC over all frames. Area {_with_interval(area)}. Shaded: 95 % band; dashed: chance.",
            ),
            _figure(
                plots.precision_recall(
                    found.precision,
                    found.abnormal_share,
                    f"Precision-recall curve with average precision {_with_interval(average)}",
                ),
                f"Precision and recall over all frames. Average precision {_with_interval(average)}; trapezoid "
                f"{_with_interval(figures['trapezoid_pr_auc'])}. Dashed: chance, {found.abnormal_share:.3f}.",
            ),
        ]
    recall, alarms = figures["event_recall"], figures["false_alarms_per_hour"]
    late = [delay for each in outcomes for delay in each.delays_s]
    median = figures["delay_median_s"]
    said = "" if isnan(median.value) else f": median {value(median.value, 1)} seconds"
    drawn += [
        _figure(
            plots.operating(
                report.evaluation.curve,
                recall,
                alarms,
                f"Event recall against false alarms per hour. These alerts: recall {value(recall.value)} at "
                f"{value(alarms.value, 1)} per hour",
            ),
            f"What each threshold on the score would give. The point is what the alerts of this run gave: recall "
            f"{_with_interval(recall)} at {_with_interval(alarms, 1)} false alarms per hour. The line is dotted where "
            "more than half of normal time is under alert.",
            _at_recalls(figures),
        ),
        _figure(
            plots.delays(late, f"Delays of {count(len(late), 'event')}{said}"),
            "How long after an event begins people are told. "
            + ("" if isnan(median.value) else f"Median {_with_interval(median, 1)} s over those reported. ")
            + "Missed ones have their own bar.",
        ),
    ]
    return element("section", element("h2", "Curves"), element("div", drawn, class_="plots"), id="curves")


def _figure(plot: Markup, *caption: Content) -> Markup:
    return element("figure", plot, element("figcaption", *caption))


def _at_recalls(figures: Mapping[str, Figure]) -> Markup:
    prefix = "false_alarms_per_hour@recall "
    found = {name.removeprefix(prefix): figure for name, figure in figures.items() if name.startswith(prefix)}
    rows = ((recall, value(each.value, 1), between(each.low, each.high, 1)) for recall, each in found.items())
    return _table(("At recall", "False alarms per hour", "95 % interval"), rows)


def _categories(report: ReportInput, outcomes: Sequence[Outcome]) -> Markup:
    figures = report.evaluation.figures()
    kinds = sorted({kind for each in report.videos for kind in each.video.categories})
    rows = [
        _category(kind, [each for each in outcomes if kind in each.report.video.categories], figures) for kind in kinds
    ]
    normal = [each for each in outcomes if each.report.video.normal]
    alarms = sum(each.false_alarms for each in normal)
    return element(
        "section",
        element("h2", "Categories"),
        element(
            "p",
            "ROC-AUC is over a category's frames and those of all normal videos. "
            f"{count(len(normal), 'normal video')} with {count(alarms, 'false alarm')}.",
        ),
        _table(("Category", "Missed events", "ROC-AUC (95 %)", "0 to 1", "Wrong alerts", "Videos"), rows),
        id="categories",
    )


def _category(kind: str, outcomes: Sequence[Outcome], figures: Mapping[str, Figure]) -> tuple[Content, ...]:
    figure = figures[_PER_CATEGORY + kind]
    return (
        kind,
        f"{sum(each.missed for each in outcomes)} of {sum(len(each.delays_s) for each in outcomes)}",
        _with_interval(figure),
        plots.whisker(figure),
        str(sum(each.wrong for each in outcomes)),
        str(len(outcomes)),
    )


def _circumstances(report: ReportInput) -> Markup:
    facts = [*report.settings.items(), *((f"{name} version", version) for name, version in report.versions.items())]
    gaps = {
        name: getattr(report.coverage, name.replace(" ", "_"))
        for name in ("missing", "unreadable", "wrong length", "extra", "damaged")
    }
    return element(
        "section",
        element("h2", "How this was made"),
        _table(("Setting", "Value"), facts) if facts else None,
        (
            element("details", element("summary", f"Videos {name}: {len(names)}"), element("p", ", ".join(names)))
            for name, names in gaps.items()
            if names
        ),
        id="how",
    )


def _table(titles: Sequence[str], rows: Iterable[Sequence[Content]]) -> Markup:
    """The first column names its row. Scrolls sideways by itself where a screen is narrow."""
    head = element("tr", (element("th", title, scope="col") for title in titles))
    body = (
        element("tr", element("th", first, scope="row"), (element("td", cell) for cell in rest))
        for first, *rest in rows
    )
    table = element("table", element("thead", head), element("tbody", body))
    return element(
        "div", table, class_="scroll", tabindex="0", role="group", aria_label=f"Table by {titles[0].lower()}"
    )


def _with_interval(figure: Figure, digits: int = 3) -> str:
    return f"{value(figure.value, digits)} ({between(figure.low, figure.high, digits)})"


def _data(report: ReportInput, outcomes: Sequence[Outcome]) -> Markup:
    """What the script needs of each video, in the order of the page."""
    texts: dict[str, int] = {}
    videos = [moments(each.report, report.fps, texts) | {"names": ["score", *each.report.stages]} for each in outcomes]
    written = json.dumps({"texts": list(texts), "videos": videos}, separators=(",", ":"))
    return Markup(written.replace("<", "\\u003c"))


def _part(name: str) -> Markup:
    return Markup((files("offline_eval.report") / name).read_text(encoding="utf-8"))


def _hash(part: str) -> str:
    return f"'sha256-{b64encode(sha256(part.encode()).digest()).decode()}'"
