"""Makes text safe to show. What models, cameras and foreign errors say is data: nothing in it may steer a terminal."""

from __future__ import annotations

import re
import unicodedata

_STEERING = {"Cc", "Cs", "Cn", "Zl", "Zp"}  # Unicode categories that are no text
_REORDERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # makes text read otherwise than it is


def printable(text: str) -> str:
    """The text with every character that could steer a terminal or reorder the line shown as �."""
    text = _REORDERING.sub("�", text)
    return "".join("�" if unicodedata.category(character) in _STEERING else character for character in text)
