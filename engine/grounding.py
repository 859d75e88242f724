"""Where in a picture a model says that something is. Whatever it wrote, boxes are only what it gave in the one form.

The form is `[[x1,y1,x2,y2],...]`, anywhere in the reply, of whole numbers from 0 to 1000 across and down the picture.
A reply with a box that can't be, or with too many, has none at all. Knows no model and no prompt.
"""

from __future__ import annotations

import re

from engine.types import Box

MOST_BOXES = 16  # more are a model that does not stop
LONGEST_REPLY = 4000  # characters
SCALE = 1000

_NUMBERS = r"\s*,\s*".join([r"[0-9]{1,4}"] * 4)
_BOX = rf"\[\s*{_NUMBERS}\s*\]"
_BOXES = re.compile(rf"(?<!\[)\[\s*{_BOX}(?:\s*,\s*{_BOX})*\s*\](?!\])")


def parse_boxes(reply: str) -> tuple[Box, ...]:
    """The boxes of a reply, in fractions of the picture; none when it gives none, too many, or one that can't be."""
    lists = _BOXES.findall(reply) if len(reply) <= LONGEST_REPLY else []
    numbers = [int(number) for found in lists for number in re.findall(r"[0-9]+", found)]
    corners = [numbers[place : place + 4] for place in range(0, len(numbers), 4)]
    if len(corners) > MOST_BOXES or not all(map(_is_box, corners)):
        return ()
    return tuple(Box(x1 / SCALE, y1 / SCALE, x2 / SCALE, y2 / SCALE) for x1, y1, x2, y2 in corners)


def _is_box(corners: list[int]) -> bool:
    x1, y1, x2, y2 = corners
    return x1 < x2 <= SCALE and y1 < y2 <= SCALE
