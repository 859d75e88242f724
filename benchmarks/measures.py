"""What a benchmark found, beside what was aimed at. Knows nothing of how it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """One number. `target` is the most it should be, or with `at_least` the least; None: it is only told."""

    name: str
    value: float
    unit: str = ""
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def as_dict(self) -> dict[str, str | float | bool | None]:
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "at_least": self.at_least,
            "met": self.met,
        }


def table(measures: Sequence[Measure]) -> str:
    """In Markdown."""
    lines = ["| | measured | target | |", "|---|---:|---:|---|"]
    for each in measures:
        target = "" if each.target is None else f"{'≥' if each.at_least else '≤'} {_number(each.target, each.unit)}"
        verdict = {None: "", True: "met", False: "**missed**"}[each.met]
        lines.append(f"| {each.name} | {_number(each.value, each.unit)} | {target} | {verdict} |")
    return "\n".join(lines)


def _number(value: float, unit: str) -> str:
    shown = f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return f"{shown} {unit}".rstrip()
