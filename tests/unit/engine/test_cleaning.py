from __future__ import annotations

from engine.cleaning import Cleaner, Identity
from engine.types import Box, Judgement


def test_identity_passes_every_judgement_through_as_it_is() -> None:
    cleaner: Cleaner = Identity()
    judgements = [
        Judgement(0.7, text="A man runs.", boxes=(Box(0.1, 0.1, 0.2, 0.2),)),
        Judgement.unknown("scorer failed"),
        Judgement(0.0),
    ]
    assert [cleaner.push(judgement) for judgement in judgements] == judgements
    cleaner.reset()
    assert cleaner.push(judgements[0]) is judgements[0]
