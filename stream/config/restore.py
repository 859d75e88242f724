"""Takes a change of one mapping in a configuration's text back, to the byte, where it is still as the change left it.

Knows nothing of Vigil's keys, and of files. Keeps no more of the text than what the change replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from engine.errors import UsageError
from stream.config.edit import span_of


@dataclass(frozen=True, slots=True)
class Replaced:
    """The `text` that was where `length` characters are now, `at` so many from the mapping's beginning.

    `digest` is of the whole mapping's text as it is now.
    """

    at: int
    length: int
    text: str
    digest: str


def replaced(before: str, after: str, path: Sequence[str]) -> Replaced:
    """What a change within the mapping at `path` replaced. Raises UsageError when the mapping is not in both."""
    was, now = (text[slice(*span_of(text, path))] for text in (before, after))
    at = _alike(was, now)
    behind = _alike(was[at:][::-1], now[at:][::-1])
    return Replaced(at, len(now) - behind - at, was[at : len(was) - behind], _digest(now))


def restored(text: str, path: Sequence[str], was: Replaced) -> str | None:
    """The text as it was before the change; None when the mapping is not as the change left it."""
    try:
        start, end = span_of(text, path)
    except UsageError:
        return None
    if _digest(text[start:end]) != was.digest:
        return None
    return text[: start + was.at] + was.text + text[start + was.at + was.length :]


def _alike(one: str, other: str) -> int:
    """With how many characters both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
