from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UsageError
from offline_eval.methods import METHODS, Recorded, Vectors, corevad

YES, NO = "Anomalous scenes. A man falls.", "Normal scenes. A man walks."


def test_segments_are_thirty_frames_and_the_last_is_what_is_left() -> None:
    assert corevad.segments(61) == [(0, 30), (30, 60), (60, 61)]
    assert corevad.segments(60) == [(0, 30), (30, 60)]


def test_a_segment_shows_eight_frames_or_all_it_has() -> None:
    assert corevad.segment_pictures(30, 60).tolist() == [30, 34, 38, 42, 46, 50, 54, 59]
    assert corevad.segment_pictures(60, 69).tolist() == [60, 61, 62, 63, 64, 65, 66, 68]
    assert corevad.segment_pictures(60, 68).tolist() == [60, 61, 62, 63, 64, 65, 66, 67]
    assert corevad.segment_pictures(60, 61).tolist() == [60]


def test_a_label_is_what_the_response_begins_with_and_anything_else_is_normal() -> None:
    texts = [YES, NO, "ANOMALOUS SCENES. x", "anomalous scene. x", "", "The Anomalous scenes.", "Anomalous scenes"]
    assert corevad.labels(texts).tolist() == [1, 0, 1, 0, 0, 0, 1]


def test_the_kernel_is_lopsided_as_published() -> None:
    kernel = corevad.gaussian_kernel()
    wanted = np.exp(-(np.linspace(-5, 4, 9) ** 2) / 50)
    np.testing.assert_allclose(kernel, wanted / wanted.sum())
    assert kernel.sum() == pytest.approx(1)
    assert kernel[0] < kernel[-1]


def test_smoothing_is_zero_padded_so_that_ends_are_lower() -> None:
    kernel = corevad.gaussian_kernel()
    smoothed = corevad.offline_gaussian(np.ones(20))
    assert smoothed[10] == pytest.approx(1)
    assert smoothed[0] == pytest.approx(kernel[:5].sum())
    assert smoothed[-1] == pytest.approx(kernel[4:].sum())
    pulse = np.zeros(20)
    pulse[10] = 1
    np.testing.assert_allclose(corevad.offline_gaussian(pulse)[6:15], kernel)


def test_fewer_segments_than_the_kernel_come_back_as_many_as_it() -> None:
    smoothed = corevad.offline_gaussian(np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(smoothed, [*corevad.gaussian_kernel()[1:], 0])
    assert len(corevad.gaussian(Recorded("a", (YES, NO, NO), 80))) == 80


def test_each_segment_fills_its_frames_and_the_last_is_cut() -> None:
    frames = corevad.to_frames(np.array([1.0, 2.0, 3.0]), 65)
    assert np.unique(frames, return_counts=True)[1].tolist() == [30, 30, 5]


def test_the_prior_is_one_in_the_middle_and_one_width_away_e_to_the_minus_half() -> None:
    prior = corevad.offline_position_prior(101)
    assert prior[50] == 1
    assert prior[[0, 100]] == pytest.approx([np.exp(-0.5)] * 2)
    np.testing.assert_allclose(corevad.offline_position_prior(1), [1])
    even = corevad.offline_position_prior(4)  # the middle is frame 2, the width 2
    np.testing.assert_allclose(even, np.exp([-0.5, -0.125, 0, -0.125]))


def test_the_causal_mean_starts_from_zero_and_never_sees_the_future() -> None:
    values = np.array([1.0, 1.0, 0.0])
    assert corevad.causal_ewma(values, 0.5).tolist() == [0.5, 0.75, 0.375]
    changed = values.copy()
    changed[2] = 1
    assert corevad.causal_ewma(changed)[:2].tolist() == corevad.causal_ewma(values)[:2].tolist()


def test_cleaning_takes_the_neighbour_that_fits_best_and_only_a_neighbour() -> None:
    eye = np.eye(4)
    # Segment 0 is described by response 3, which is too far; 1 by response 2; 2 by itself; 3 by 2.
    segments = np.stack([eye[3] + 0.1 * eye[1], eye[2], eye[2], eye[2] + 0.5 * eye[3]])
    assert corevad.offline_cleaning(Vectors(segments, eye, eye)).tolist() == [1, 2, 2, 2]


def test_cleaning_does_not_reach_around_the_ends() -> None:
    opposite = np.array([[-1.0, 0], [-1, 0], [1, 0]])
    segments = np.array([[-1.0, 0], [0, 0], [-1, 0]])
    assert corevad.offline_cleaning(Vectors(segments, opposite, opposite)).tolist() == [0, 0, 1]
    assert corevad.offline_cleaning(Vectors(-opposite[:1], opposite[:1], opposite[:1])).tolist() == [0]


def test_refinement_is_a_softmax_over_the_whole_video() -> None:
    sentences = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    segments = np.array([[0.1, 0.05], [0.0, 0.0], [0.0, 5.0]])
    scores = corevad.offline_refinement(sentences, segments, np.array([1.0, 0.0, 0.0]))
    assert scores == pytest.approx([np.exp(2) / (np.exp(2) + 2 * np.exp(1)), 1 / 3, 0], abs=1e-9)


def test_refined_and_full_differ_by_cleaning_only() -> None:
    rng = np.random.default_rng(0)
    vectors = Vectors(*rng.normal(size=(3, 12, 6)))
    recorded = Recorded("a", tuple(rng.choice([YES, NO], 12)), 345, vectors)
    best = corevad.offline_cleaning(vectors)
    assert (best != np.arange(12)).any()
    clean = Vectors(vectors.segments, vectors.responses[best], vectors.sentences[best])
    cleaned = Recorded("a", tuple(recorded.responses[i] for i in best), 345, clean)
    np.testing.assert_array_equal(corevad.cleaned_and_refined(recorded), corevad.refined(cleaned))
    labels = corevad.labels(cleaned.responses)
    by_hand = corevad.offline_gaussian(corevad.offline_refinement(clean.sentences, clean.segments, labels))
    wanted = np.repeat(by_hand, 30)[:345] * corevad.offline_position_prior(345)
    np.testing.assert_allclose(corevad.refined(cleaned), wanted)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_scores_every_frame(name: str) -> None:
    rng = np.random.default_rng(0)
    for count, frames in ((3, 61), (12, 360), (20, 571)):
        vectors = Vectors(*rng.normal(size=(3, count, 4)))
        for text, low in ((YES, 1e-3), (NO, 0)):
            scores = METHODS[name](Recorded("a", (text,) * count, frames, vectors))
            assert scores.shape == (frames,)
            assert ((scores >= low) & (scores <= (1 + 1e-12) * (text == YES))).all()


@pytest.mark.parametrize("name", ["corevad-refined", "corevad-full"])
def test_methods_with_vectors_refuse_to_do_without_or_with_others(name: str) -> None:
    with pytest.raises(UsageError, match="a: this method needs CLIP vectors"):
        METHODS[name](Recorded("a", (YES,), 30))
    with pytest.raises(UsageError, match=r"a: vectors of shapes \(2, 4\) for 1 responses"):
        METHODS[name](Recorded("a", (YES,), 30, Vectors(*np.ones((3, 2, 4)))))
