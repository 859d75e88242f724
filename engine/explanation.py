"""What is said of one event: it begins with nothing, grows with each explanation, and ends with a summary.

Pure: asks nobody. The sentence that people are told is cleaned as CoReVAD's responses are (arXiv 2605.23116, Local
Response Cleaning): of all that was said of the event, the one that fits best what its worst window looks like.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from engine.scorer import Explanation
from engine.types import Box

MOST_SENTENCES = 8  # that are remembered, the first and the latest among them
PEAK_STEP = 0.05  # by so much a score has to exceed the explained one for a new explanation


class ExplanationState(StrEnum):
    PENDING = "pending"  # nothing is known yet
    PROVISIONAL = "provisional"
    FINAL = "final"


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    score: float
    explanation: Explanation


class EventExplanation:
    """One event's. The scores are those of the windows that are explained."""

    def __init__(self) -> None:
        self._said: list[_Said] = []
        self._summary: str | None = None
        self._asked_about = -1.0  # the score that an explanation was last asked for
        self.asked = False  # whether one is being made

    def worth(self, score: float) -> bool:
        """Whether a window of this score should be explained: the first, and later one that is clearly worse."""
        return score >= self._asked_about + PEAK_STEP

    def ask(self, score: float) -> None:
        """An explanation of such a window is being made."""
        self.asked, self._asked_about = True, score

    def told(self, score: float, explanation: Explanation) -> bool:
        """It came; whether it changes what people should be told."""
        self.asked = False
        if explanation.text is None:
            return False
        before = self.text, self.boxes
        if len(self._said) == MOST_SENTENCES:
            del self._said[1]
        self._said.append(_Said(score, explanation))
        return (self.text, self.boxes) != before

    def shows(self, explanation: Explanation) -> bool:
        """Whether it is of the worst window that was explained, whose picture belongs beside the boxes."""
        return self._worst is not None and self._worst.explanation is explanation

    def sum_up(self, summary: str | None) -> None:
        """The event is over."""
        self._summary = summary

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that was said, oldest first, each once."""
        return tuple(dict.fromkeys(each.explanation.text for each in self._said if each.explanation.text))

    @property
    def text(self) -> str | None:
        """What people are told by now."""
        if self._summary is not None:
            return self._summary
        return None if self._worst is None else self._fitting(self._worst).explanation.text

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Where it was in the worst picture."""
        return () if self._worst is None else self._worst.explanation.boxes

    @property
    def _worst(self) -> _Said | None:
        return max(self._said, key=lambda each: each.score, default=None)

    def _fitting(self, worst: _Said) -> _Said:
        vector = worst.explanation.vector
        if vector is None:
            return worst
        candidates = [each for each in self._said if each.explanation.text_vector is not None]
        return max(
            candidates,
            key=lambda each: float(np.dot(vector, each.explanation.text_vector)),  # type: ignore[arg-type]
            default=worst,
        )
