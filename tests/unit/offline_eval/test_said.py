from __future__ import annotations

import pytest

from engine.types import Judgement
from offline_eval.datasets import Video
from offline_eval.said import judgement_of, said_in_store, said_in_texts
from offline_eval.videos.records import Finished, WindowRecord
from offline_eval.videos.store import StoredVideo
from tests.unit.offline_eval.videos.made import meta, stored

YES, NO = "Anomalous scenes. A man falls.", "Normal scenes. A man walks."


@pytest.mark.parametrize(
    ("said", "score", "text"),
    [
        ("Anomalous scenes. A man falls.", 1.0, "A man falls."),
        ("Normal scenes. It is 5 o'clock. A dog.", 0.0, "It is 5 o'clock. A dog."),
        (" ANOMALOUS SCENE: a man\nfalls", 1.0, "a man\nfalls"),
        ("Normal scenes.", 0.0, None),
        ("", None, None),
        ("The anomalous scenes. A man falls.", None, None),
        ("Anomalous scenesx", None, None),
    ],
)
def test_a_text_is_a_verdict_and_a_sentence_or_unknown(said: str, score: float | None, text: str | None) -> None:
    judgement = judgement_of(said)
    assert (judgement.score, judgement.text) == (score, text)
    assert (score is None) == bool(judgement.reason)


def test_a_text_is_a_window_that_ends_with_its_segment() -> None:
    said = said_in_texts(Video("a", frame_count=40), [YES, NO, "more than there are segments"], 30.0)
    assert [each.frame for each in said.windows] == [29, 39]
    first, last = (each.window for each in said.windows)
    assert (first.time_s, first.length_s) == pytest.approx((29 / 30, 29 / 30))
    assert (last.time_s, last.length_s) == pytest.approx((39 / 30, 9 / 30))
    assert [each.judgement.score for each in said.windows] == [1.0, 0.0]
    assert said.texts[:2] == (YES, NO)


def verdicts(**scores: float | None) -> StoredVideo:
    """A window by index, such as `_0=1.0`."""
    windows = tuple(
        WindowRecord.of(meta("a", int(key[1:])), 30 * int(key[1:]) + 29, Judgement(score, "A man."), 0.0)
        for key, score in scores.items()
    )
    return StoredVideo(Finished("a", len(windows), 100, 100, 0, 0.0), windows)


def test_a_store_of_verdicts_on_segments_has_texts_and_empty_ones_for_what_is_unknown() -> None:
    said = said_in_store(verdicts(_0=1.0, _2=None, _3=0.0), 100, segments=True)
    assert said.texts == ("Anomalous scenes. A man.", "", "", "Normal scenes. A man.")
    assert [each.frame for each in said.windows] == [29, 89, 99]  # the last one within the video


def test_other_windows_and_other_scores_have_no_texts() -> None:
    assert said_in_store(verdicts(_0=1.0), 100, segments=False).texts == ()
    assert said_in_store(verdicts(_0=0.0, _1=0.3), 100, segments=True).texts == ()


def test_all_windows_of_a_store_are_there_with_the_unknown_ones() -> None:
    said = said_in_store(stored("a", (0.1, None, 0.9)), 24, segments=False)
    assert [each.judgement.score for each in said.windows] == [0.1, None, 0.9]
    assert [each.window.time_s for each in said.windows] == [0.875, 1.875, 2.875]
