"""The short text of a report: the headline table, what to know before quoting it, and the circumstances."""

from __future__ import annotations

import re

from offline_eval.report.data import ReportInput
from offline_eval.report.headline import cautions, headlines
from offline_eval.report.outcomes import outcome, worst_false_alarms, worst_misses
from offline_eval.report.words import clipped

WORST = 5


def summary(report: ReportInput) -> str:
    outcomes = [outcome(each, report.fps) for each in report.videos]
    facts = {**report.settings, **{f"{name} version": version for name, version in report.versions.items()}}
    worst = {"missed": worst_misses(outcomes), "false alarm": worst_false_alarms(outcomes)}
    lines = [
        f"# {_text(report.method)} on {_text(report.dataset)} ({_text(report.split)})",
        "",
        f"{_text(str(report.coverage))}, evaluated {report.created:%Y-%m-%d %H:%M %Z}".strip(),
        "",
        "| figure | value | 95 % interval | meaning |",
        "|---|---:|---|---|",
        *(
            f"| {each.title} | {each.value} | {each.interval} | {each.meaning} |"
            for each in headlines(report, outcomes)
        ),
        "",
        "Before quoting:",
        "",
        *(f"- {_text(note)}" for note in cautions(report)),
        "",
        *(
            f"Worst {kind}: {', '.join(_text(each.name) for each in found[:WORST])}\n"
            for kind, found in worst.items()
            if found
        ),
        "| setting | value |",
        "|---|---|",
        *(f"| {_text(name)} | {_text(said)} |" for name, said in facts.items()),
    ]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """One line in which nothing is markup."""
    return re.sub(r"([\\`*_|<>\[\]&#])", r"\\\1", clipped(text))
