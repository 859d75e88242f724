from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cleaning import Identity
from engine.meaning import MeaningSettings
from engine.policy import PolicySettings
from engine.smoothing import Ewma, NoSmoothing
from engine.timeline import CameraTimeline, WindowMeta
from engine.types import Judgement, ScorePoint
from offline_eval.datasets import Span, Video
from offline_eval.methods.online import (
    decide_alerts,
    make_cleaners,
    score_points,
    track,
    track_of_own_windows,
)
from offline_eval.metrics import Alert
from offline_eval.metrics.events import event_figures
from offline_eval.metrics.tracks import Floats
from offline_eval.said import JudgedWindow, said_in_texts
from tests.unit.engine.sentences import WordEncoder

FPS = 30.0
YES, NO = "Anomalous scenes. A man falls.", "Normal scenes. A man walks."
NEW_CLEANER = make_cleaners(MeaningSettings(), WordEncoder())
AT_ONCE = PolicySettings(open=0.5, close=0.5, close_hold_s=0.0, merge_gap_s=0.0, cooldown_s=0.0)


def video(frames: int) -> Video:
    return Video("a", ("Fire",), (Span(0, 1),), frame_count=frames)


def windows_of(frames: int, texts: list[str]) -> tuple[JudgedWindow, ...]:
    return said_in_texts(video(frames), texts, FPS).windows


def plain_points(windows: tuple[JudgedWindow, ...]) -> list[ScorePoint]:
    return score_points(video(0), windows, Identity(), NoSmoothing())


def frames_of(windows: tuple[JudgedWindow, ...], frames: int) -> Floats:
    return track(video(frames), windows, [point.score for point in plain_points(windows)]).frames()


def alerts_of(windows: tuple[JudgedWindow, ...], settings: PolicySettings = AT_ONCE) -> tuple[Alert, ...]:
    return decide_alerts(video(0), windows, plain_points(windows), settings).alerts


def on_a_grid(*scores: float | None, fps: float = 25.0, length_s: float = 1.0) -> tuple[JudgedWindow, ...]:
    """A window a second, at eight pictures a second, of a video that has its own frame rate."""
    times_s = [index + 0.875 for index in range(len(scores))]
    return tuple(
        JudgedWindow(WindowMeta("a", 0, index, time_s, time_s, length_s), judged(score), int(time_s * fps))
        for index, (time_s, score) in enumerate(zip(times_s, scores, strict=True))
    )


def judged(score: float | None) -> Judgement:
    return Judgement.unknown("warming up") if score is None else Judgement(score)


def test_a_score_counts_from_its_segments_last_frame_until_the_next_one() -> None:
    scores = frames_of(windows_of(75, [YES, NO, YES]), 75)
    assert np.isnan(scores[:29]).all()
    assert scores[29:59].tolist() == [1.0] * 30
    assert scores[59:74].tolist() == [0.0] * 15
    assert scores[74] == 1.0  # the last segment is short


def test_on_their_own_windows_scores_begin_before_they_exist() -> None:
    scores = track_of_own_windows(video(75), windows_of(75, [YES, NO, YES]), [1.0, None, 0.5]).frames()
    assert scores[:30].tolist() == [1.0] * 30
    assert np.isnan(scores[30:60]).all()
    assert scores[60:].tolist() == [0.5] * 15


@pytest.mark.parametrize("frames", [1, 29, 30, 31])
def test_short_videos_are_scored_too(frames: int) -> None:
    scores = frames_of(windows_of(frames, [YES, NO]), frames)
    assert len(scores) == frames
    assert scores[-1] == (0.0 if frames == 31 else 1.0)


def test_a_response_without_a_verdict_is_unknown_and_holds_the_score() -> None:
    points = plain_points(windows_of(120, ["?", YES, "I cannot say.", NO]))
    assert [point.score for point in points] == [None, 1.0, 1.0, 0.0]
    assert [point.held for point in points] == [False, False, True, False]


def test_responses_go_through_the_live_timeline() -> None:
    responses = [YES, NO, YES, YES]
    points = score_points(video(120), windows_of(120, responses), Identity(), Ewma(2.0))
    timeline = CameraTimeline("a", Identity(), Ewma(2.0), 10)
    for index, score in enumerate((1.0, 0.0, 1.0, 1.0)):
        time_s = (30 * index + 29) / FPS
        point = timeline.push(WindowMeta("a", 0, index, time_s, time_s, 29 / FPS), Judgement(score))
        assert points[index].score == point.score
        assert points[index].time_s == time_s


def test_an_alert_begins_with_its_window_and_is_told_at_the_windows_last_frame() -> None:
    windows = windows_of(240, [NO, NO, YES, YES, NO, NO, YES, NO])
    assert alerts_of(windows) == (Alert(60, 120, told=89, score=1.0), Alert(180, 210, told=209, score=1.0))


def test_an_alert_that_is_open_at_the_end_ends_there() -> None:
    assert alerts_of(windows_of(75, [NO, YES, YES])) == (Alert(30, 75, told=59, score=1.0),)


def test_the_cool_down_begins_with_the_alert_as_it_does_live() -> None:
    windows = windows_of(240, [YES, NO, NO, YES, NO, NO, NO, YES])
    cool = PolicySettings(open=0.5, close=0.5, close_hold_s=0.0, merge_gap_s=0.0, cooldown_s=5.0)
    assert [alert.start for alert in alerts_of(windows, cool)] == [0, 210]


def test_windows_of_the_live_grid_count_from_the_frame_at_which_they_ended() -> None:
    windows = on_a_grid(None, 0.25, 0.75, fps=25.0)
    assert [each.frame for each in windows] == [21, 46, 71]
    scores = frames_of(windows, 90)
    assert np.isnan(scores[:46]).all()
    assert scores[46:71].tolist() == [0.25] * 25
    assert scores[71:].tolist() == [0.75] * 19
    own = track_of_own_windows(video(90), windows, [None, 0.25, 0.75]).frames()
    assert np.isnan(own[[0, 21, 72, 89]]).all()
    assert own[[22, 46, 47, 71]].tolist() == [0.25, 0.25, 0.75, 0.75]


def test_alerts_of_the_live_grid_are_in_the_videos_own_frames() -> None:
    windows = on_a_grid(0.0, 0.0, 0.9, 0.9, 0.0, fps=25.0)
    assert alerts_of(windows) == (Alert(46, 97, told=71, score=0.9),)


def test_an_alert_of_a_first_window_begins_with_the_video() -> None:
    assert alerts_of(on_a_grid(0.9, 0.0, length_s=3.0)) == (Alert(0, 22, told=21, score=0.9),)


def test_alerts_whose_windows_overlap_do_not_overlap() -> None:
    first, second = alerts_of(on_a_grid(0.9, 0.0, 0.9, 0.0, length_s=4.0))
    assert (first.end, second.start, second.told) == (22, 22, 71)


def test_a_video_without_a_window_is_unknown_and_quiet() -> None:
    assert np.isnan(frames_of((), 10)).all()
    assert np.isnan(track_of_own_windows(video(10), (), []).frames()).all()
    assert alerts_of(()) == ()


@given(st.lists(st.sampled_from([YES, NO, "?"]), min_size=1, max_size=20), st.integers(0, 20))
def test_what_is_shown_up_to_a_moment_does_not_depend_on_later_responses(responses: list[str], cut: int) -> None:
    frames = 30 * len(responses)

    def run(said: list[str]) -> tuple[Floats, list[tuple[int, int]]]:
        windows = windows_of(frames, said)
        points = score_points(video(frames), windows, NEW_CLEANER(), Ewma(2.0))
        alerts = decide_alerts(video(frames), windows, points, AT_ONCE).alerts
        scores = track(video(frames), windows, [point.score for point in points]).frames()
        return scores, [(alert.start, alert.told) for alert in alerts]

    changed = responses[:cut] + [YES] * (len(responses) - cut)
    (scores, told), (other, other_told) = run(responses), run(changed)
    shown = max(0, 30 * (cut + 1) - 1)  # the first frame that shows a response that was changed
    np.testing.assert_array_equal(scores[:shown], other[:shown])
    assert [each for each in told if each[1] < shown] == [each for each in other_told if each[1] < shown]


@given(st.lists(st.sampled_from([YES, NO, "?"]), min_size=1, max_size=20), st.integers(0, 20))
def test_whether_an_event_is_told_in_time_does_not_depend_on_what_is_said_after_it(
    responses: list[str], cut: int
) -> None:
    frames = 30 * len(responses)
    shown = min(frames, max(1, 30 * (cut + 1) - 1))  # the first frame that shows a response that was changed
    event = Video("a", ("Fire",), (Span(max(0, shown - 60), shown),), frame_count=frames)

    def in_time(said: list[str]) -> float:
        windows = windows_of(frames, said)
        points = score_points(event, windows, NEW_CLEANER(), Ewma(2.0))
        alerted = decide_alerts(event, windows, points, AT_ONCE)
        return float(event_figures([alerted], FPS, np.ones((1, 1)))["event_recall_in_time"][0])

    assert in_time(responses) == in_time(responses[:cut] + [YES] * (len(responses) - cut))


def test_an_alert_that_is_decided_after_the_event_is_not_told_in_time() -> None:
    event = Video("a", ("Fire",), (Span(60, 90),), frame_count=240)
    windows = windows_of(240, [NO, NO, YES, YES, YES, NO, NO, NO])
    points = score_points(event, windows, Identity(), NoSmoothing())
    for waits_s, told_in_time in ((0.0, 1), (1.0, 0)):
        alerted = decide_alerts(event, windows, points, replace(AT_ONCE, min_duration_s=waits_s))
        figures = event_figures([alerted], FPS, np.ones((1, 1)))
        assert (figures["event_recall"][0], figures["event_recall_in_time"][0]) == (1, told_in_time)


def test_without_an_encoder_a_judgement_is_its_verdict() -> None:
    for cleaner in (make_cleaners(MeaningSettings(), None)(), make_cleaners(None, WordEncoder())()):
        assert cleaner.push(Judgement(1.0, text="A man walks.")).now.score == 1.0
