from __future__ import annotations

from dataclasses import replace

from engine.cleaning import Chain, Cleaned, Cleaner, Identity
from engine.types import Box, Judgement


class Halved:
    """Halves scores, and counts what it was told."""

    def __init__(self) -> None:
        self.skipped = self.forgotten = 0

    def push(self, judgement: Judgement, amended: Judgement | None = None) -> Cleaned:
        return Cleaned(halved(judgement), amended and halved(amended))

    def skip(self) -> None:
        self.skipped += 1

    def reset(self) -> None:
        self.forgotten += 1


def halved(judgement: Judgement) -> Judgement:
    return judgement if judgement.score is None else replace(judgement, score=judgement.score / 2)


def test_identity_passes_every_judgement_through_as_it_is() -> None:
    cleaner: Cleaner = Identity()
    judgements = [
        Judgement(0.7, text="A man runs.", boxes=(Box(0.1, 0.1, 0.2, 0.2),)),
        Judgement.unknown("scorer failed"),
        Judgement(0.0),
    ]
    for judgement in judgements:
        assert cleaner.push(judgement) == Cleaned(judgement)
    cleaner.reset()
    assert cleaner.push(judgements[0], judgements[2]) == Cleaned(judgements[0], judgements[2])


def test_a_chain_cleans_what_the_cleaner_before_said_amendments_too() -> None:
    chain = Chain(Halved(), Identity(), Halved())
    assert chain.push(Judgement(1.0)) == Cleaned(Judgement(0.25))
    assert chain.push(Judgement(0.4), Judgement(0.8)) == Cleaned(Judgement(0.1), Judgement(0.2))


def test_a_chain_tells_all_of_gaps_and_resets() -> None:
    first, second = Halved(), Halved()
    chain = Chain(first, second)
    chain.skip()
    chain.reset()
    assert [(each.skipped, each.forgotten) for each in (first, second)] == [(1, 1), (1, 1)]
