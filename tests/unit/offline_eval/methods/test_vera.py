from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.prompts.questions import VERA_UCF_CRIME, VERA_XD_VIOLENCE
from engine.timeline import WindowMeta
from engine.types import Judgement
from offline_eval.datasets import Video
from offline_eval.methods import vera
from offline_eval.methods.vera import METHODS, Features, Initial
from offline_eval.metrics.tracks import Floats
from offline_eval.said import JudgedWindow, Said

counts = st.integers(1, 40)
seeds = st.integers(0, 1000)


def made(count: int, seed: int) -> Initial:
    rng = np.random.default_rng(seed)
    return Initial(rng.integers(0, 2, count).astype(float), rng.normal(size=(count, 3)))


def plain_context(scores: Floats, features: Features, top: int) -> Floats:
    """Centre by centre, with sorting."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    mixed = []
    for row in unit @ unit.T:
        chosen = sorted(range(len(row)), key=lambda index: (row[index], index))[-top:]
        weights = np.exp(10 * row[chosen])
        mixed.append(float(weights @ scores[chosen] / weights.sum()))
    return np.array(mixed)


def test_centres_are_sixteen_frames_apart() -> None:
    assert list(vera.centres(33)) == [0, 16, 32]
    assert list(vera.centres(32)) == [0, 16]
    assert list(vera.centres(1)) == [0]


def test_a_window_reaches_five_seconds_to_each_side_and_shows_eight_frames() -> None:
    windows = vera.offline_windows(1000).tolist()
    assert windows[10] == [10, 47, 85, 122, 160, 197, 235, 272]  # 10 to 310
    assert windows[1] == [0, 20, 41, 62, 83, 103, 124, 145]  # 0 to 166
    assert windows[62] == [842, 861, 881, 901, 921, 940, 960, 980]  # 842 to 1000
    assert vera.offline_windows(5).tolist() == [[0, 0, 1, 1, 2, 3, 3, 4]]


@given(st.integers(1, 5000), st.data())
def test_pictures_are_those_of_the_published_expression(frame_count: int, data: st.DataObject) -> None:
    index, centre = data.draw(st.sampled_from(list(enumerate(vera.centres(frame_count)))))
    start, end = max(centre - 1 / 2 * 30 * 10, 0), min(centre + 1 / 2 * 30 * 10, frame_count)
    wanted = np.arange(start, end, (end - start) / 8).astype(int)
    np.testing.assert_array_equal(vera.offline_windows(frame_count)[index], wanted)


def test_six_centres_are_all_each_others_context() -> None:
    scores = np.array([1.0, 0, 0, 0, 0, 0])
    features = np.array([[0.0, 1.0]] + [[1.0, 0.0]] * 5)
    mixed = vera.offline_scene_context(scores, features)
    assert mixed[0] == pytest.approx(np.exp(10) / (np.exp(10) + 5))
    assert mixed[1:] == pytest.approx(1 / (5 * np.exp(10) + 1))


def test_from_seven_centres_on_the_context_is_the_nearest_which_is_the_centre_itself() -> None:
    scores = np.array([1.0, 0, 1, 0, 0, 1, 0])
    features = np.stack([[np.cos(angle), np.sin(angle)] for angle in np.linspace(0, 1, 7)])
    np.testing.assert_array_equal(vera.offline_scene_context(scores, features), scores)
    everything = vera.offline_scene_context(scores, features, all_up_to=10)
    np.testing.assert_allclose(everything, plain_context(scores, features, 7))


def test_of_those_that_look_the_same_the_later_are_the_context() -> None:
    scores = np.zeros(20)  # three are the context
    scores[[0, 17, 18]] = 1
    same = np.ones((20, 4))
    assert vera.offline_scene_context(scores, same) == pytest.approx(2 / 3)
    apart = same.copy()
    apart[0] = [1, 1, 1, -1]  # its cosine to the others is a half
    mixed = vera.offline_scene_context(scores, apart)
    assert mixed[1:] == pytest.approx(2 / 3)
    assert mixed[0] == pytest.approx((np.exp(5) + 1) / (np.exp(5) + 2))  # itself, 18 and 19


@given(counts, seeds, st.sampled_from([6, 10]))
def test_context_is_that_of_the_plain_reference(count: int, seed: int, all_up_to: int) -> None:
    video = made(count, seed)
    top = count if count <= all_up_to else int(0.15 * count)
    mixed = vera.offline_scene_context(video.scores, video.features, all_up_to=all_up_to)
    np.testing.assert_allclose(mixed, plain_context(video.scores, video.features, top))


def test_blocks_of_similarities_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    video = made(40, 0)
    whole = vera.offline_scene_context(video.scores, video.features)
    monkeypatch.setattr(vera, "_BLOCK", 100)
    np.testing.assert_allclose(vera.offline_scene_context(video.scores, video.features), whole)


@given(counts, seeds)
def test_the_order_of_what_is_seen_does_not_matter_to_context(count: int, seed: int) -> None:
    video = made(count, seed)
    order = np.random.default_rng(seed).permutation(count)
    mixed = vera.offline_scene_context(video.scores, video.features)
    other = vera.offline_scene_context(video.scores[order], video.features[order])
    np.testing.assert_allclose(other, mixed[order])


@given(counts, seeds)
def test_what_looks_like_nothing_else_in_the_video_has_no_say(count: int, seed: int) -> None:
    video = made(14 + count, seed)
    features = np.hstack([video.features, np.zeros((14 + count, 1))])
    features[:, 0] = np.abs(features[:, 0]) + 5  # all are much alike
    features[3] = [0, 0, 0, 1]  # but one
    changed = video.scores.copy()
    changed[3] = 1 - changed[3]
    mixed = vera.offline_scene_context(video.scores, features)
    np.testing.assert_array_equal(np.delete(vera.offline_scene_context(changed, features) == mixed, 3), True)


@given(counts, seeds, st.integers(0, 10))
def test_the_length_of_features_does_not_matter(count: int, seed: int, exponent: int) -> None:
    video = made(count, seed)
    longer = video.features * 2.0**exponent
    np.testing.assert_array_equal(
        vera.offline_scene_context(video.scores, longer), vera.offline_scene_context(video.scores, video.features)
    )


@given(counts, seeds, st.sampled_from([0.0, 0.25, 1.0]))
def test_context_leaves_a_constant_score_as_it_is(count: int, seed: int, score: float) -> None:
    mixed = vera.offline_scene_context(np.full(count, score), made(count, seed).features)
    np.testing.assert_allclose(mixed, score)


def test_smoothing_is_lopsided_and_zero_padded() -> None:
    bell = np.exp(-(np.linspace(-8, 7, 15) ** 2) / 200)
    pulse = np.zeros(31)
    pulse[15] = 1
    np.testing.assert_allclose(vera.offline_gaussian(pulse)[8:23], bell / bell.sum())
    level = vera.offline_gaussian(np.ones(31))
    np.testing.assert_allclose(level[7:24], 1)
    assert level[0] == pytest.approx((bell / bell.sum())[:8].sum())


def test_fewer_centres_than_the_kernel_are_smoothed_as_if_there_were_as_many() -> None:
    bell = np.exp(-(np.linspace(-8, 7, 15) ** 2) / 200)
    np.testing.assert_allclose(vera.offline_gaussian(np.array([1.0, 0, 0])), (bell / bell.sum())[1:4])


def test_rounding_goes_to_the_even_tenth_after_multiplying() -> None:
    halves = np.array([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95])
    assert vera.rounded(halves).tolist() == [0.0, 0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0.8, 0.8, 1.0]
    assert vera.rounded(np.array([0.0499, 0.0501])).tolist() == [0.0, 0.1]


def test_each_centre_fills_sixteen_frames_and_the_last_is_cut() -> None:
    frames = vera.to_frames(np.array([1.0, 2.0, 3.0]), 35)
    assert np.unique(frames, return_counts=True)[1].tolist() == [16, 16, 3]


def test_the_roc_protocol_is_a_chain_of_four_stages() -> None:
    video = made(25, 3)
    stages = METHODS["vera"](video, 395)
    assert list(stages) == ["initial", "scene_context", "gaussian_15_10", "gaussian_15_10_position_prior"]
    np.testing.assert_array_equal(stages["initial"], np.repeat(video.scores, 16)[:395])
    context = plain_context(video.scores, video.features, 3)
    np.testing.assert_allclose(stages["scene_context"], np.repeat(context, 16)[:395])
    bell = np.exp(-(np.linspace(-8, 7, 15) ** 2) / 200)
    smoothed = np.round(np.convolve(context, bell / bell.sum(), "same"), 1)
    np.testing.assert_allclose(stages["gaussian_15_10"], np.repeat(smoothed, 16)[:395])
    prior = np.exp(-0.5 * ((np.arange(395) - 197) / 197) ** 2)
    np.testing.assert_allclose(stages["gaussian_15_10_position_prior"], np.repeat(smoothed, 16)[:395] * prior)


@given(st.integers(15, 40), seeds)
def test_a_constant_score_stays_constant_but_for_the_ends_and_the_prior(count: int, seed: int) -> None:
    stages = METHODS["vera"](Initial(np.ones(count), made(count, seed).features), 16 * count)
    np.testing.assert_array_equal(stages["initial"], 1)
    np.testing.assert_allclose(stages["scene_context"], 1)
    inside = stages["gaussian_15_10"][16 * 7 : 16 * (count - 7)]
    np.testing.assert_array_equal(inside, 1)
    assert stages["gaussian_15_10_position_prior"].argmax() == 8 * count


def test_xd_violence_takes_all_of_up_to_ten_centres_for_roc_and_six_for_precision() -> None:
    for count, alike in ((6, True), (7, False), (10, False), (11, True)):
        video = made(count, 5)
        ucf, xd, ap = (METHODS[name](video, 16 * count)["scene_context"] for name in METHODS)
        assert np.array_equal(ucf, xd) is alike
        np.testing.assert_array_equal(ap, ucf[: len(ap)])


def test_precision_is_measured_without_the_last_frame_and_what_is_beyond_a_multiple_of_sixteen() -> None:
    def published(length: int) -> int:
        scores = list(range(length))
        odd = (length - 1) % 16
        scores = scores[:-1]
        return len(scores[:-odd] if odd else scores)

    lengths = range(1, 100)
    assert [vera.average_precision_frames(length) for length in lengths] == [published(length) for length in lengths]
    assert vera.average_precision_frames(81) == 80
    assert vera.average_precision_frames(80) == 64
    assert {len(scores) for scores in METHODS["vera-xd-ap"](made(5, 0), 80).values()} == {64}


def test_for_precision_scores_pass_a_sigmoid_unrounded_and_end_on_three_values() -> None:
    video = made(38, 8)
    stages = METHODS["vera-xd-ap"](video, 600)
    assert list(stages) == ["initial", "scene_context", "gaussian_15_10", "gaussian_15_10_sigmoid"]
    wanted = np.round(1 / (1 + np.exp(-stages["gaussian_15_10"])), 1)
    np.testing.assert_array_equal(stages["gaussian_15_10_sigmoid"], wanted)
    assert set(wanted) <= {0.5, 0.6, 0.7}
    rounded = METHODS["vera"](video, 600)["gaussian_15_10"][: len(wanted)]
    np.testing.assert_array_equal(np.round(stages["gaussian_15_10"], 1), rounded)


@pytest.mark.parametrize("name", METHODS)
@given(count=counts, seed=seeds, short=st.integers(0, 15))
def test_every_protocol_scores_every_frame_it_keeps(name: str, count: int, seed: int, short: int) -> None:
    frame_count = 16 * count - short
    stages = METHODS[name](made(count, seed), frame_count)
    kept = vera.average_precision_frames(frame_count) if name == "vera-xd-ap" else frame_count
    for scores in stages.values():
        assert scores.shape == (kept,)
        assert ((scores >= 0) & (scores <= 1 + 1e-12)).all()


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(UsageError, match=r"3 initial scores and features \(4, 2\) do not fit"):
        Initial(np.zeros(3), np.ones((4, 2)))
    with pytest.raises(UsageError, match="3 initial scores for the 4 centres of 49 frames"):
        METHODS["vera"](Initial(np.zeros(3), np.ones((3, 2))), 49)


def said(*judgements: Judgement, first: int = 0) -> Said:
    windows = [WindowMeta("a", 0, index, 0.0, 0.0, 1.0) for index in range(first, first + len(judgements))]
    return Said(tuple(JudgedWindow(*each, frame=0) for each in zip(windows, judgements, strict=True)))


def test_a_centre_that_is_unknown_counts_as_the_known_one_before_it() -> None:
    video = Video("a", frame_count=80)
    first, other = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    judgements = [
        Judgement.unknown("no answer"),
        Judgement(1.0, vector=first),
        Judgement(0.5),
        Judgement.unknown("no answer"),
        Judgement(0.25, vector=other),
    ]
    initial = vera.initial_of(video, said(*judgements))
    assert initial.scores.tolist() == [1, 1, 1, 1, 0.25]
    assert initial.features.tolist() == [[1, 0]] * 4 + [[0, 1]]
    with pytest.raises(UsageError, match="no window of a has both a score and a vector"):
        vera.initial_of(video, said(*[Judgement(1.0)] * 5))


def test_other_windows_are_refused() -> None:
    video = Video("a", frame_count=80)
    judgement = Judgement(1.0, vector=np.ones(2, np.float32))
    for windows in (said(*[judgement] * 3), said(*[judgement] * 5, first=1)):
        with pytest.raises(UsageError, match="what was said of a is not about windows around every 16th frame"):
            vera.initial_of(video, windows)


def test_the_question_sets_are_five_questions_each() -> None:
    for questions in (VERA_UCF_CRIME, VERA_XD_VIOLENCE):
        assert len(set(questions)) == 5
        assert all(question.endswith("?") and question.isascii() for question in questions)
