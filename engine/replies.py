"""What a model's reply says. Whatever it holds, a verdict is only what was said in so many words: unclear is unknown.

The reply that is asked for is a code fence with two lines: "Anomalous scenes." or "Normal scenes.", and a sentence.
Knows no model and no prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.types import Judgement

LONGEST_SENTENCE = 300  # characters; a model that does not stop is cut here

_FENCE = re.compile(r"```[a-z]*", re.IGNORECASE)
_VERDICT = re.compile(r"(anomalous|normal) scenes?\b[\s.:,;-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """`anomalous` is None when the verdict is unknown; `sentence` is None when there is none."""

    anomalous: bool | None
    sentence: str | None


def parse_reply(text: str) -> Reply:
    """The verdict that a reply begins with, and the sentence after it.

    The fence may be missing, and so may the line's end. A reply that gives both verdicts has none.
    """
    text = _FENCE.sub("\n", text).strip()
    said = _VERDICT.match(text)
    if said is None:
        return Reply(None, None)
    rest = text[said.end() :]
    if _VERDICT.match(rest):
        return Reply(None, None)
    return Reply(said[1].lower() == "anomalous", sentence_of(rest))


def judgement_of(text: str) -> Judgement:
    """A reply's verdict as a score, 1 or 0, with its sentence."""
    reply = parse_reply(text)
    if reply.anomalous is None:
        return Judgement.unknown("the model's reply has no verdict")
    return Judgement(float(reply.anomalous), text=reply.sentence)


def sentence_of(text: str) -> str | None:
    """The first line with words in it, `shown`."""
    for line in _FENCE.sub("\n", text).splitlines():
        if any(letter.isalnum() for letter in line):
            return shown(line)
    return None


def shown(text: str) -> str:
    """The text fit to be shown: one line, printable, single spaces, of bounded length."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= LONGEST_SENTENCE else line[: LONGEST_SENTENCE - 1].rstrip() + "…"
