"""Says in a plain sentence what moved, where, how much more than usual and for how long. Knows numbers and boxes.

No figure is finer than what was measured: ratios are whole up to ten, then in fives, always rounded
down, and end at twenty.
"""

from __future__ import annotations

from engine.motion.features import Quantity
from engine.types import Box

LEAST_TIMES, MOST_TIMES = 2, 20
LEAST_FOR_S = 2.0
WHOLE_PICTURE = 0.6

WHAT = {
    Quantity.AREA: "much movement",
    Quantity.SPEED: "fast movement",
    Quantity.SURGE: "sudden movement",
    Quantity.DISORDER: "movement in all directions",
    Quantity.SETTLED: "something new or gone",
    Quantity.CHANGED: "something changed",
}
USUAL = {
    Quantity.AREA: "the usual amount",
    Quantity.SPEED: "the usual speed",
    Quantity.SURGE: "the usual jerkiness",
    Quantity.DISORDER: "the usual disorder",
    Quantity.CHANGED: "the usual amount",
}


def unusual_sentence(
    quantity: Quantity, times: float, boxes: tuple[Box, ...], *, lasted_s: float, at_least: bool, still_scene: bool
) -> str:
    """For a window whose strongest quantity is `times` the usual, `at_least` when the usual is too little to measure.

    A scene that is usually still has no usual to count in; nor has what settles. Less than twice is not counted out.
    """
    parts = [WHAT[quantity] + place(boxes)]
    if still_scene:
        parts.append("where it is usually still")
    elif quantity in USUAL and times >= LEAST_TIMES:
        parts.append(f"{_times(times, at_least)} {USUAL[quantity]}")
    if lasted_s >= LEAST_FOR_S:
        parts.append(f"for {lasted_s:.0f} s" if lasted_s < 90 else f"for {lasted_s / 60:.0f} min")
    sentence = ", ".join(parts)
    return sentence[0].upper() + sentence[1:] + "."


def usual_sentence(times: float, boxes: tuple[Box, ...]) -> str:
    """For a window whose score is not high."""
    if not boxes:
        return "Nothing moves."
    return f"Movement{place(boxes)}, {'no' if times <= 1 else 'a little'} more than usual."


def place(boxes: tuple[Box, ...]) -> str:
    """Where the first box lies, as " in the lower left"; empty without boxes."""
    if not boxes:
        return ""
    box = boxes[0]
    if box.x2 - box.x1 > WHOLE_PICTURE and box.y2 - box.y1 > WHOLE_PICTURE:
        return " all over the picture"
    across = _third(box.x1, box.x2, "left", "right")
    down = _third(box.y1, box.y2, "upper", "lower")
    if across and down:
        return f" in the {down} {across}"
    if across:
        return f" on the {across}"
    return f" in the {down} part" if down else " in the centre"


def _third(low: float, high: float, near: str, far: str) -> str:
    middle = (low + high) / 2
    return near if middle < 1 / 3 else far if middle > 2 / 3 else ""


def _times(times: float, at_least: bool) -> str:
    if times > MOST_TIMES:
        return f"more than {MOST_TIMES} times"
    rounded = int(times) if times < 10 else 5 * int(times / 5)
    return f"{'at least ' if at_least else ''}{rounded} times"
