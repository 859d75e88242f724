from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.meaning import Meaning, MeaningSettings, Scenes
from engine.memory import Floats
from engine.prompts.scenes import ABNORMAL, CALM
from engine.types import Judgement
from tests.unit.engine.sentences import WordEncoder

ENCODER = WordEncoder()
SCENES = Scenes.of(ENCODER)
OFF = MeaningSettings(slope=0, offset=50, change_weight=0, scene_weight=0, memory_windows=1)


def scores(judgements: list[Judgement], settings: MeaningSettings | None = None) -> list[float | None]:
    meaning = Meaning(ENCODER, SCENES, settings or MeaningSettings())
    return [meaning.push(judgement).now.score for judgement in judgements]


def around(centre: Floats, count: int, seed: int) -> Floats:
    vectors: Floats = centre + 0.3 * np.random.default_rng(seed).normal(size=(count, len(centre)))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def test_the_written_scenes_are_sentences_and_none_is_there_twice() -> None:
    assert max(Counter(ABNORMAL + CALM).values()) == 1
    assert len(ABNORMAL) > 40
    assert len(CALM) > 40
    assert all(scene[0].isupper() and scene.endswith(".") for scene in ABNORMAL + CALM)


def test_the_lean_tells_unseen_sentences_apart_by_the_written_ones() -> None:
    left, right = np.eye(8)[:2]
    scenes = Scenes(around(left, 30, 0), around(right, 50, 1))
    assert np.mean([scenes.lean(vector) for vector in around(left, 200, 2)]) == pytest.approx(1, abs=0.25)
    assert np.mean([scenes.lean(vector) for vector in around(right, 200, 3)]) == pytest.approx(-1, abs=0.25)


def test_an_encoder_whose_vectors_lie_close_together_gives_the_same_lean() -> None:
    abnormal, calm = around(np.eye(8)[0], 20, 0), around(np.eye(8)[1], 20, 1)

    def narrow(vectors: Floats) -> Floats:
        moved: Floats = 0.2 * vectors + np.eye(8)[7]
        return moved

    wide, close = Scenes(abnormal, calm), Scenes(narrow(abnormal), narrow(calm))
    for vector in around(np.eye(8)[0], 5, 2):
        assert close.lean(narrow(vector)) == pytest.approx(wide.lean(vector))


def test_the_spread_is_the_mean_distance_of_scenes() -> None:
    vectors = around(np.eye(8)[0], 12, 0)
    assert Scenes(vectors[:6], vectors[6:]).spread == pytest.approx(1 - (vectors @ vectors.T).mean())


def test_an_alarming_sentence_counts_more_than_a_calm_one() -> None:
    said = [Judgement(1.0, text="Two men are fighting and throwing punches."), Judgement(1.0, text="A man walks.")]
    settings = replace(MeaningSettings(), change_weight=0.0)
    alarming, calm = (scores([judgement], settings)[0] for judgement in said)
    assert alarming is not None
    assert calm is not None
    assert alarming > calm + 0.1


def test_what_is_new_for_the_camera_scores_even_when_the_verdict_is_normal() -> None:
    same, new = Judgement(0.0, text="A quiet empty street."), Judgement(0.0, text="Smoke rises from one roof.")
    usual, unusual = (scores([same] * 10 + [last])[-1] for last in (same, new))
    assert usual == pytest.approx(0, abs=1e-6)
    assert unusual is not None
    assert 0.01 < unusual <= 0.1


def test_with_every_part_off_the_score_is_as_it_was() -> None:
    judgements = [Judgement(score, text=f"A man {index}.") for index, score in enumerate((0.0, 1.0, 0.3))]
    assert scores(judgements, OFF) == pytest.approx([0.0, 1.0, 0.3])


def test_unknown_and_wordless_judgements_stay_as_they_are_and_leave_no_trace() -> None:
    unknown, wordless = Judgement.unknown("no answer"), Judgement(0.4)
    said = [Judgement(1.0, text="A man runs."), Judgement(0.0, text="A car stops.")]
    meaning = Meaning(ENCODER, SCENES, MeaningSettings())
    mixed = [meaning.push(each).now for each in (said[0], unknown, wordless, said[1])]
    assert mixed[1] is unknown
    assert mixed[2] is wordless
    assert [mixed[0].score, mixed[3].score] == scores(said)


def test_all_but_the_score_is_kept_and_each_sentence_is_embedded_once() -> None:
    encoder, judgement = WordEncoder(), Judgement(1.0, text="A man runs.", worst=3)
    meaning = Meaning(encoder, SCENES, MeaningSettings())
    assert replace(meaning.push(judgement).now, score=1.0) == judgement
    assert encoder.calls == 1


def test_a_reset_begins_anew() -> None:
    judgements = [Judgement(1.0, text="A man runs."), Judgement(0.0, text="A car stops.")]
    meaning = Meaning(ENCODER, SCENES, MeaningSettings())
    first = [meaning.push(each).now.score for each in judgements]
    meaning.reset()
    assert [meaning.push(each).now.score for each in judgements] == first


sentences = st.sampled_from([*ABNORMAL[:6], *CALM[:6], "A man runs.", ""])
judgements = st.one_of(
    st.just(Judgement.unknown("?")),
    st.builds(lambda score, text: Judgement(score, text=text), st.floats(0, 1), sentences),
)
settings = st.builds(
    MeaningSettings,
    slope=st.floats(-1000, 1000),
    offset=st.floats(-1000, 1000),
    change_weight=st.floats(0, 1),
    scene_weight=st.floats(0, 1),
    memory_windows=st.integers(1, 8),
)


@given(st.lists(judgements, max_size=25), st.integers(0, 25), settings)
def test_scores_stay_in_range_and_do_not_depend_on_what_comes_later(
    sequence: list[Judgement], cut: int, chosen: MeaningSettings
) -> None:
    found = scores(sequence, chosen)
    assert all(score is None or 0 <= score <= 1 for score in found)
    assert found[:cut] == scores(sequence[:cut], chosen)


@given(st.lists(st.tuples(judgements, st.none() | judgements), max_size=12), settings)
def test_an_amended_judgement_counts_as_if_it_had_been_pushed(
    sequence: list[tuple[Judgement, Judgement | None]], chosen: MeaningSettings
) -> None:
    meaning, settled = Meaning(ENCODER, SCENES, chosen), list[Judgement]()
    for judgement, amended in sequence:
        amended = amended if settled else None
        cleaned = meaning.push(judgement, amended)
        if amended is not None:
            settled[-1] = amended
            assert cleaned.amended is not None
            assert cleaned.amended.score == scores(settled, chosen)[-1]
        settled.append(judgement)
        assert cleaned.now.score == scores(settled, chosen)[-1]


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="each is a share"):
        MeaningSettings(change_weight=1.2)
    with pytest.raises(UsageError, match="finite"):
        MeaningSettings(slope=float("nan"))
    with pytest.raises(UsageError, match="abnormal scenes, calm scenes"):
        Scenes.of(ENCODER, (), ("A man walks.",))
    with pytest.raises(UsageError, match="the same vector"):
        Scenes(np.ones((2, 3)), np.ones((2, 3)))
