"""Numbers and times as people read them."""

from __future__ import annotations

import math

MAX_CHARACTERS = 400


def value(figure: float, digits: int = 3) -> str:
    return "undefined" if math.isnan(figure) else f"{figure:.{digits}f}"


def between(low: float, high: float, digits: int = 3) -> str:
    return "no interval" if math.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def clock(seconds: float) -> str:
    """1:05 or 1:01:05."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """In the largest unit that says it well: 4.2 s, 3.5 min, 12.1 h."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clipped(text: str) -> str:
    """In one line and no longer than a page can bear: a model may say anything.

    Without what has no picture, such as marks that turn the direction of all that follows.
    """
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(filter(str.isprintable, line))
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1] + "…"
