from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.memory import VERA, Compares, Floats, Habit, Memory, MemorySettings, Refinement
from engine.types import Judgement
from tests.unit.engine.sentences import GivenVectors


def units(count: int, seed: int = 0, dimensions: int = 4) -> Floats:
    vectors: Floats = np.random.default_rng(seed).normal(size=(count, dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def pushed(memory: Refinement, vector: Floats, score: float) -> float:
    refined = memory.refine(vector, score)
    memory.keep()
    return refined


def test_nothing_is_surprising_before_there_is_a_past() -> None:
    assert Habit(10).surprise(units(1)[0]) == 0


def test_surprise_is_the_weighted_mean_distance_to_what_came_before() -> None:
    vectors, habit = units(6), Habit(4)
    for vector in vectors[:5]:
        habit.add(vector)
    weights = 0.75 ** np.arange(4, -1, -1)
    wanted = 1 - weights @ (vectors[:5] @ vectors[5]) / weights.sum()
    assert habit.surprise(vectors[5]) == pytest.approx(wanted)


def test_a_habit_of_one_window_is_the_window_before() -> None:
    vectors, habit = units(3), Habit(1)
    habit.add(vectors[0])
    habit.add(vectors[1])
    assert habit.surprise(vectors[1]) == pytest.approx(0)


def test_a_habit_does_not_change_the_vectors_it_is_given() -> None:
    vectors, habit = units(3), Habit(5)
    for vector in vectors:
        habit.add(vector)
    np.testing.assert_array_equal(vectors, units(3))


@given(st.integers(1, 12), st.floats(0.02, 2), st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_refinement_is_a_softmax_over_the_last_windows(size: int, temperature: float, scores: list[float]) -> None:
    vectors, memory = units(len(scores)), Refinement(size, temperature)
    refined = [pushed(memory, vector, score) for vector, score in zip(vectors, scores, strict=True)]
    for index, value in enumerate(refined):
        first = max(0, index - size + 1)
        weights = np.exp(vectors[first : index + 1] @ vectors[index] / temperature)
        assert value == pytest.approx(weights @ scores[first : index + 1] / weights.sum(), abs=1e-9)
        assert min(scores) - 1e-12 <= value <= max(scores) + 1e-12


def test_one_odd_answer_about_the_same_thing_is_outvoted() -> None:
    memory, (vector, other) = Refinement(60, 0.1), np.eye(2)
    for score in (0.0, 0.0, 0.0):
        pushed(memory, vector, score)
    assert pushed(memory, vector, 1.0) == 0.25
    assert pushed(memory, other, 1.0) > 0.99  # of something else, the past says nothing


def test_reset_forgets() -> None:
    vector, other = units(2)
    habit, memory = Habit(5), Refinement(5, 0.1)
    habit.add(vector)
    pushed(memory, vector, 1.0)
    habit.reset()
    memory.reset()
    assert habit.surprise(other) == 0
    assert pushed(memory, vector, 0.2) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Habit(0.5),
        lambda: Refinement(0, 0.1),
        lambda: Refinement(3, 0.0),
        lambda: MemorySettings(size=0),
        lambda: MemorySettings(temperature=float("nan")),
        lambda: MemorySettings(share=0.0),
        lambda: MemorySettings(alike=1.5),
        lambda: MemorySettings(cap=0.5),
    ],
)
def test_what_remembers_nothing_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(UsageError):
        make()


WORDS = [f"{number}." for number in range(8)]
ENCODER = GivenVectors(dict(zip(WORDS, units(8, seed=3).tolist(), strict=True)))
BOTH = pytest.mark.parametrize("compares", Compares)


def plainly_refined(said: Sequence[Judgement], settings: MemorySettings) -> float:
    """The newest judgement's score by the formula, entry by entry."""
    vector, entries = seen(said[-1]), said[-settings.size :]
    if settings.compares is Compares.SENTENCES:
        keys = [ENCODER.embed((each.text or "",))[0] for each in entries]
    else:
        keys = [seen(each) / np.linalg.norm(seen(each)) for each in entries]
        vector = keys[-1]
    fits = [float(key @ vector) for key in keys]
    most = max(1, int(settings.share * len(entries)))
    chosen = [j for j in range(len(keys)) if fits[j] > sorted(fits)[-most] - 1e-6 or j == len(keys) - 1]
    weights = {}
    for j in chosen:
        crowd = sum(i == j or float(keys[i] @ keys[j]) >= settings.alike for i in chosen)
        weights[j] = np.exp(fits[j] / settings.temperature) * min(1, settings.cap / crowd)
    return float(sum(weights[j] * (entries[j].score or 0) for j in chosen) / sum(weights.values()))


def seen(judgement: Judgement) -> Floats:
    assert judgement.vector is not None
    return judgement.vector


def refined(memory: Memory, judgements: Sequence[Judgement]) -> list[float | None]:
    return [memory.push(judgement).now.score for judgement in judgements]


vectors = st.integers(0, 9).map(lambda seed: 0.7 * units(1, seed)[0].astype(np.float32))
answers = st.builds(Judgement, st.floats(0, 1), st.sampled_from(WORDS), vectors)
memories = st.builds(
    MemorySettings,
    st.sampled_from(Compares),
    size=st.integers(1, 12),
    temperature=st.floats(0.05, 1),
    share=st.floats(0.05, 1),
    alike=st.floats(0.1, 0.95),
    cap=st.floats(1, 5),
)


@given(st.lists(answers, min_size=1, max_size=30), memories)
def test_memory_refines_by_the_formula(said: list[Judgement], settings: MemorySettings) -> None:
    memory = Memory(ENCODER, settings)
    for index, score in enumerate(refined(memory, said)):
        assert score == pytest.approx(plainly_refined(said[: index + 1], settings), abs=1e-4)


anything = st.one_of(
    st.just(Judgement.unknown("?")), st.builds(Judgement, st.floats(0, 1), st.sampled_from([None, *WORDS]), st.none())
)


@given(st.lists(answers | anything, max_size=30), st.integers(0, 30), memories)
def test_memory_keeps_scores_in_range_and_knows_no_later_window(
    said: list[Judgement], cut: int, settings: MemorySettings
) -> None:
    scores = refined(Memory(ENCODER, settings), said)
    assert all(score is None or 0 <= score <= 1 for score in scores)
    assert scores[:cut] == refined(Memory(ENCODER, settings), said[:cut])


@given(st.lists(st.tuples(answers | anything, st.none() | answers | anything), max_size=12), memories)
def test_an_amended_judgement_is_refined_and_remembered_as_if_it_had_been_pushed(
    said: list[tuple[Judgement, Judgement | None]], settings: MemorySettings
) -> None:
    memory, settled = Memory(ENCODER, settings), list[Judgement]()
    for judgement, amended in said:
        amended = amended if settled else None
        cleaned = memory.push(judgement, amended)
        if amended is not None:
            settled[-1] = amended
            assert cleaned.amended is not None
            assert cleaned.amended.score == refined(Memory(ENCODER, settings), settled)[-1]
        else:
            assert cleaned.amended is None
        settled.append(judgement)
        assert cleaned.now.score == refined(Memory(ENCODER, settings), settled)[-1]


@pytest.mark.parametrize(("compares", "own_fit"), [(Compares.SENTENCES, 0.5**0.5), (Compares.PICTURES, 1.0)])
def test_a_scene_that_stood_still_has_one_vote_however_long_it_did(compares: Compares, own_fit: float) -> None:
    encoder = GivenVectors({"A street.": (1, 0), "A street again.": (0.995, 0.1), "A fight.": (0, 1)})
    street = Judgement(0.0, text="A street.", vector=np.array([1, 0], np.float32))
    again = Judgement(0.0, text="A street again.", vector=np.array([0.995, 0.1], np.float32))
    fight = Judgement(1.0, text="A fight.", vector=np.array([0.5**0.5, 0.5**0.5], np.float32))

    def after(said: Sequence[Judgement], cap: float = 1.0) -> float | None:
        settings = MemorySettings(compares, size=1001, temperature=0.1, cap=cap)
        return refined(Memory(encoder, settings), [*said, fight])[-1]

    votes = np.exp((np.array([0.5**0.5, 1.095 * 0.5**0.5]) - own_fit) / 0.1)  # of a street, and again, beside one
    assert after([street]) == pytest.approx(1 / (1 + votes[0]), abs=1e-4)
    assert after([street] * 1000) == pytest.approx(1 / (1 + votes[0]), abs=1e-4)
    assert after([street] * 90 + [again] * 90) == pytest.approx(1 / (1 + votes.mean()), abs=1e-4)
    assert after([street] * 100, cap=100) == pytest.approx(1 / (1 + 100 * votes[0]), abs=1e-4)


@BOTH
def test_cap_says_as_how_many_near_identical_entries_count(compares: Compares) -> None:
    memory = Memory(GivenVectors({"A.": (1, 0), "B.": (0, 1)}), MemorySettings(compares, temperature=1.0, cap=3.0))
    same = Judgement(0.0, text="A.", vector=np.array([1, 0], np.float32))
    refined(memory, [same] * 50)
    other = Judgement(1.0, text="B.", vector=np.array([0, 1], np.float32))
    assert memory.push(other).now.score == pytest.approx(np.e / (np.e + 3))


def test_by_sentences_a_wordless_window_is_left_alone_and_by_pictures_it_is_not() -> None:
    vector = np.array([1, 0], np.float32)
    encoder = GivenVectors({"A.": (1, 0)})
    for compares, wanted in ((Compares.SENTENCES, 1.0), (Compares.PICTURES, 0.5)):
        memory = Memory(encoder, MemorySettings(compares))
        memory.push(Judgement(0.0, text="A.", vector=vector))
        assert memory.push(Judgement(1.0, vector=vector)).now.score == wanted


@BOTH
def test_unknown_and_unseen_windows_are_left_alone_and_leave_no_trace(compares: Compares) -> None:
    settings = MemorySettings(compares, size=3)
    unknown, unseen = Judgement.unknown("no answer"), Judgement(0.9, text="1.")
    said = [Judgement(score, text="1.", vector=units(1)[0]) for score in (1.0, 0.0, 0.5, 0.5)]
    memory = Memory(ENCODER, settings)
    mixed = [memory.push(each).now for each in (said[0], unknown, said[1], unseen, unknown, said[2], said[3])]
    assert mixed[1] is unknown
    assert mixed[3] is unseen
    assert [each.score for each in mixed if each not in (unknown, unseen)] == refined(Memory(ENCODER, settings), said)


def test_by_pictures_only_the_most_alike_count() -> None:
    angles = np.deg2rad(np.arange(20) * 4.0)
    said = [Judgement(0.0, vector=np.array([np.cos(angle), np.sin(angle)], np.float32)) for angle in angles]
    said[-1], said[-2], said[-3] = (replace(each, score=1.0) for each in (said[-1], said[-2], said[-3]))
    assert refined(Memory(ENCODER, VERA), said)[-1] == 1.0  # 3 of 20
    assert (refined(Memory(ENCODER, replace(VERA, share=0.2)), said)[-1] or 1.0) < 0.95


def test_memory_forgets_on_a_reset_and_not_in_a_gap() -> None:
    first, second = (Judgement(score, text="1.", vector=units(1)[0]) for score in (1.0, 0.0))
    memory = Memory(ENCODER, MemorySettings())
    memory.push(first)
    memory.skip()
    assert memory.push(second).now.score == pytest.approx(0.5)
    memory.reset()
    assert memory.push(second).now.score == 0.0
