from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.replies import LONGEST_SENTENCE, Reply, judgement_of, parse_reply, sentence_of
from engine.types import Judgement


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("```\nAnomalous scenes.\nA man falls.\n```", Reply(True, "A man falls.")),
        ("```\nNormal scenes.\nA car parks.\n```", Reply(False, "A car parks.")),
        ("```text\nnormal scenes\n\n  A car  parks.  \n```\nI hope this helps!", Reply(False, "A car parks.")),
        ("Anomalous scenes. A man falls.", Reply(True, "A man falls.")),
        ("ANOMALOUS SCENE: a man falls", Reply(True, "a man falls")),
        ("```\nAnomalous scenes.", Reply(True, None)),
        ("```\nNormal scenes.\n...\n```", Reply(False, None)),
    ],
)
def test_the_reply_that_is_asked_for_is_understood_also_when_it_is_a_little_off(text: str, reply: Reply) -> None:
    assert parse_reply(text) == reply


@pytest.mark.parametrize(
    "text",
    [
        "",
        "```\n```",
        "A man falls.",
        "The frames show Normal scenes.",
        "Not anomalous scenes.",
        "Normal",
        "Normal sceneslike",
        "Anomalous scenes.\nNormal scenes.\nA man.",
        'Normal scenes. Anomalous scenes. "One of these."',
        "0",
        "\x00\x00",
        "[0.9]",
    ],
)
def test_a_reply_without_one_clear_verdict_is_unknown_never_normal(text: str) -> None:
    assert parse_reply(text) == Reply(None, None)


@given(st.text())
def test_garbage_is_unknown_and_raises_nothing(text: str) -> None:
    if not text.strip("` \n").lower().startswith(("normal scene", "anomalous scene")):
        assert parse_reply(text).anomalous is not False


@given(st.sampled_from(["Anomalous", "Normal"]), st.text())
def test_whatever_follows_a_verdict_the_sentence_can_be_shown(verdict: str, rest: str) -> None:
    reply = parse_reply(f"```\n{verdict} scenes.\nThen {rest}")
    assert reply.anomalous is (verdict == "Anomalous")
    assert reply.sentence is not None
    assert reply.sentence.startswith("Then")
    assert reply.sentence.isprintable()
    assert len(reply.sentence) <= LONGEST_SENTENCE


def test_a_sentence_is_the_first_line_with_words_in_it() -> None:
    assert sentence_of("\n```\n--\nA man\tfalls.\x1b[31m\nHe gets up.") == "A man falls. [31m"
    assert sentence_of(" \n```") is None


def test_a_sentence_without_an_end_is_cut() -> None:
    sentence = sentence_of("word " * 200)
    assert sentence is not None
    assert len(sentence) == LONGEST_SENTENCE
    assert sentence.endswith("…")


def test_a_verdict_is_a_score_and_none_is_unknown() -> None:
    assert judgement_of("```\nAnomalous scenes.\nA man falls.\n```") == Judgement(1.0, text="A man falls.")
    assert judgement_of("Normal scenes.") == Judgement(0.0)
    assert judgement_of("A man falls.") == Judgement.unknown("the model's reply has no verdict")
