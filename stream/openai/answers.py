"""How likely each answer is, from the tokens that a server might have written. Pure.

A server tells likelihoods of single tokens, so a word is weighed by its beginnings: "Anomalous" by all of "An", "Anom",
"Anomalous" that are among the most likely tokens. That is the word's own likelihood as long as nothing else that the
model might say begins so, which the prompts see to. In one process whole words are weighed instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream.openai.wire import Token, TopToken

_FENCE = "`"
_SPACES = " \t\r\n▁"  # the last is how some tokenizers write a space
_LEAST = -9999.0


def answer_place(tokens: Sequence[Token]) -> int | None:
    """Where the first token stands that is more than the beginning of a code fence; None where there is none."""
    return next((place for place, token in enumerate(tokens) if token.token.strip(_SPACES + _FENCE)), None)


def begins_with_a_fence(top: Sequence[TopToken]) -> bool:
    """Whether a space or a code fence is likelier here than any word."""
    return not max(top, key=lambda each: each.logprob).token.strip(_SPACES + _FENCE)


def likelihoods(top: Sequence[TopToken], answers: Sequence[str]) -> list[float] | None:
    """The logarithm of how likely each answer is to begin here; None when none is among the most likely.

    One that is not among them can be as likely as the least of them, and is taken for that: a doubtful reply then has
    a doubtful score.
    """
    known = [(each.token.strip(_SPACES), min(max(each.logprob, _LEAST), 0.0)) for each in top]
    found = [[logprob for token, logprob in known if token and answer.startswith(token)] for answer in answers]
    if not any(found):
        return None
    least = min(logprob for _, logprob in known)
    return [float(np.logaddexp.reduce(each)) if each else least for each in found]
