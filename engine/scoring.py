"""How a score is had from a model: what it is asked, and what its answers' likelihoods come to. Knows no model.

A model asked for a number says only a few of them; what it would have said, weighed by how likely, ranks windows far
better (Probe-VAD, arXiv 2609.17211). So answers are given to it, and only their likelihoods are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError
from engine.prompts.texts import prompt_text
from engine.types import Definition

FENCE = "```\n"  # a reply begins with it, as the prompt demands
THRESHOLDS = tuple(f"{tenths / 10:.1f}" for tenths in range(1, 10))
DIGITS = tuple("0123456789")

USUAL = Definition()  # the usual crimes, accidents and dangers

_COMMANDS = ("<image>", "<img>", "</img>", "<IMG_CONTEXT>", "<|", "|>", "<s>", "</s>")

Likelihoods = NDArray[np.float32]  # [B, Q, A]: the logarithm of how likely each answer is to each question


class Scoring(StrEnum):
    """Where a score comes from."""

    LIKELIHOOD = "likelihood"  # CoReVAD's prompt: "Anomalous" against "Normal" where the verdict stands
    SCALE = "scale"  # the mean of the digits 0 to 9
    THRESHOLDS = "thresholds"  # Probe-VAD's nested questions: is it 0.1 or higher, 0.2 or higher, ...
    FAITHFUL = "faithful"  # CoReVAD (arXiv 2605.23116): the verdict is written out, for every window


@dataclass(frozen=True, slots=True)
class Wording:
    """What a user can say in a prompt: what counts as abnormal, and what to look by, as VERA's guiding questions
    (arXiv 2412.01095). The definition comes last, so that what is asked by several of them begins alike."""

    definition: Definition = USUAL
    questions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.definition.text or "", self.definition.ignore or "", *self.questions):
            if found := next((mark for mark in _COMMANDS if mark in text), None):
                raise UsageError(f"a definition or question holds {found!r}, which a model takes for a command")

    def ask(self, name: str, **values: str) -> str:
        """The text `name` of engine/prompts with the user's words in it."""
        listed = " ".join(question.strip() for question in self.questions)
        return prompt_text(
            name,
            questions=prompt_text("questions", list=listed) + "\n" if listed else "",
            definition=self._definition(),
            **values,
        )

    def _definition(self) -> str:
        abnormal = (self.definition.text or prompt_text("definition")).strip()
        ignore = (self.definition.ignore or "").strip()
        return abnormal + "\n" + prompt_text("ignore", ignore=ignore) if ignore else abnormal


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked after the frames, what the reply is made to begin with, and the answers that are weighed."""

    text: str
    opening: str = ""
    answers: tuple[str, ...] = ()


def questions(scoring: Scoring, wording: Wording) -> tuple[Question, ...]:
    """What is weighed for each window; nothing where verdicts are written out."""
    match scoring:
        case Scoring.LIKELIHOOD:
            return (Question(wording.ask("verdict"), FENCE, ("Anomalous", "Normal")),)
        case Scoring.SCALE:
            return (Question(wording.ask("scale"), answers=DIGITS),)
        case Scoring.THRESHOLDS:
            return tuple(
                Question(wording.ask("threshold", threshold=threshold), answers=("Yes", "No"))
                for threshold in THRESHOLDS
            )
        case Scoring.FAITHFUL:
            return ()


def scores(scoring: Scoring, likelihoods: Likelihoods) -> NDArray[np.float64]:
    """[B] in [0, 1], from likelihoods [B, Q, A] for the questions above; NaN where a model's numbers are."""
    each = np.exp(likelihoods.astype(np.float64) - likelihoods.max(axis=2, keepdims=True))
    each /= each.sum(axis=2, keepdims=True)  # of a question, what share each answer has
    found: NDArray[np.float64]
    match scoring:
        case Scoring.SCALE:
            found = each[:, 0] @ np.arange(len(DIGITS)) / (len(DIGITS) - 1)
        case Scoring.THRESHOLDS:
            # What is not 0.3 or higher is not 0.4 or higher either, whatever the model says.
            found = np.minimum.accumulate(each[:, :, 0], axis=1).mean(axis=1)
        case _:
            found = each[:, 0, 0]
    return found.clip(0.0, 1.0)  # rounding can lead a little beyond


def whole_reply(wording: Wording) -> Question:
    """Asks for the whole reply."""
    return Question(wording.ask("verdict"))


def is_anomalous(score: float) -> bool:
    """The verdict that a window's score comes to: of two words, the likelier one."""
    return score >= 0.5


def rest_of_reply(wording: Wording, *, anomalous: bool) -> Question:
    """Asks for what is left of a reply whose verdict is known."""
    said = "Anomalous" if anomalous else "Normal"
    return Question(wording.ask("verdict"), f"{FENCE}{said} scenes.\n")


def explanation(wording: Wording, score: float) -> Question:
    """Asks for a sentence that fits a window's score."""
    return rest_of_reply(wording, anomalous=is_anomalous(score))


def event_explanation(wording: Wording, said: Sequence[str] = ()) -> Question:
    """Asks what is abnormal in a window of an open event, or for a summary where something was `said` of it before.

    An event opens where a definition says, and on scores that are smoothed: that there is one is the verdict.
    """
    return summary(wording, said) if said else rest_of_reply(wording, anomalous=True)


def summary(wording: Wording, said: Sequence[str]) -> Question:
    """Asks for one sentence that sums up an event, of which `said` was said before, oldest first."""
    return Question(wording.ask("summary", said=_harmless(" ".join(said))))


def whereabouts(sentence: str) -> Question:
    """Asks where in the one frame before it that is what a sentence speaks of; the reply is begun as it always begins.

    The reply goes on with boxes as `engine.grounding` reads them.
    """
    reference = f"<ref>{_harmless(sentence)}</ref>"
    return Question(prompt_text("whereabouts", reference=reference), f"{reference}<box>")


def _harmless(text: str) -> str:
    """What a model wrote, without the marks that commands to it are made with."""
    return text.translate({ord("<"): " ", ord(">"): " "})
