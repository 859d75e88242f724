"""How much video is held of a camera."""

from __future__ import annotations

from itertools import count
from typing import Any

from engine.scorer import Explanation, Scorer
from engine.scripted import ScriptedLanguageScorer, ScriptedScorer
from stream.config import from_mapping
from stream.ids import Ids
from stream.rings import PacketRing
from stream.wiring.cameras import PACKETS_BYTES, make_desk, watched

WORDS: dict[str, Any] = {"scorer": {"kind": "recorded", "responses": "x"}, "console": {"bind": "127.0.0.1:0"}}


def ring(scorer: Scorer, evidence: dict[str, Any], /, **sections: Any) -> PacketRing:
    config = from_mapping({"cameras": {"front": {"source": "synthetic://", "evidence": evidence}}} | sections)
    return make_desk("front", watched(config)["front"], Ids(count().__next__), scorer).packets


def test_enough_is_held_to_try_wordings_on_where_somebody_can() -> None:
    language = ScriptedLanguageScorer([], lambda _request: Explanation(""))
    assert (ring(language, {}, **WORDS).max_s, ring(language, {}, **WORDS).max_bytes) == (120.0, 60 << 20)
    longer = ring(language, {"recent": "5m"}, **WORDS)
    assert (longer.max_s, longer.max_bytes) == (300.0, 150 << 20)


def test_nothing_is_held_for_that_without_a_console_or_words_or_when_it_is_not_wanted() -> None:
    usual = ring(ScriptedScorer([]), {})
    assert usual.max_s < 20
    for other in (
        ring(ScriptedLanguageScorer([], lambda _request: Explanation("")), {}, scorer=WORDS["scorer"]),
        ring(ScriptedScorer([]), {}, **WORDS),
        ring(ScriptedLanguageScorer([], lambda _request: Explanation("")), {"recent": 0}, **WORDS),
    ):
        assert (other.max_s, other.max_bytes) == (usual.max_s, PACKETS_BYTES)
