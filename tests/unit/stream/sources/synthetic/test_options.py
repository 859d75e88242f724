from __future__ import annotations

import math

import pytest

from engine.errors import UsageError
from stream.sources.synthetic.options import EventSpan, SceneOptions, parse_url


@pytest.mark.parametrize("url", ["synthetic://", "synthetic://?", "synthetic:///", "synthetic://?events=mix"])
def test_a_bare_url_is_the_usual_endless_day_scene(url: str) -> None:
    options = parse_url(url)
    assert options == SceneOptions()
    assert (options.width, options.height, options.fps, options.duration_s) == (640, 360, 15.0, math.inf)
    assert options.events is None


def test_every_option_is_read() -> None:
    url = "synthetic://?seed=7&size=320x240&fps=12.5&duration=90s&traffic=2&night=1&noise=0&events=run@25,fight@50.5+8"
    assert parse_url(url) == SceneOptions(
        seed=7,
        width=320,
        height=240,
        fps=12.5,
        duration_s=90.0,
        traffic=2.0,
        night=True,
        noise=0.0,
        events=(EventSpan("run", 25.0, 32.0, 0), EventSpan("fight", 50.5, 58.5, 1)),
    )


def test_an_encoded_plus_and_comma_mean_the_same() -> None:
    assert parse_url("synthetic://?events=run@5%2B3%2Csmoke@20") == parse_url("synthetic://?events=run@5+3,smoke@20")


def test_a_scene_without_events_can_be_asked_for() -> None:
    assert parse_url("synthetic://?events=none").events == ()


def test_night_is_noisier_unless_told_otherwise() -> None:
    assert parse_url("synthetic://?night=1").noise > parse_url("synthetic://").noise
    assert parse_url("synthetic://?noise=1&night=1").noise == 1.0


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("synthetic://?sead=3", "'sead'.*did you mean 'seed'"),
        ("synthetic://?colour=red", "'colour'.*known are seed, size, fps"),
        ("synthetic://?events=fihgt@5", "'fihgt'.*did you mean 'fight'"),
        ("synthetic://?events=earthquake@5", "known are fight, run, vehicle, smoke"),
        ("synthetic://?events=fight", "KIND@START"),
        ("synthetic://?events=fight@5,", "KIND@START"),
        ("synthetic://?events=run@5+0.2", "too short"),
        ("synthetic://?events=run@50&duration=40", "run@50 starts after the scene's end at 40 s"),
        ("synthetic://?size=640", "WIDTHxHEIGHT"),
        ("synthetic://?size=10x10", "out of range"),
        ("synthetic://?size=99999x10000", "out of range"),
        ("synthetic://?fps=0", "fps=0 .* 1 to 120"),
        ("synthetic://?fps=fast", "fps=fast"),
        ("synthetic://?fps=nan", "fps=nan"),
        ("synthetic://?seed=-1", "seed=-1"),
        ("synthetic://?seed", "seed="),
        ("synthetic://?night=yes", "neither 0 nor 1"),
        ("synthetic://?traffic=9", "0 to 4"),
        ("synthetic://?noise=1e3", "noise=1e3"),
        ("synthetic://?duration=0", "duration=0"),
        ("synthetic://seed=3", "options come after synthetic://\\?"),
        ("rtsp://camera", "no synthetic camera"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_write(url: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        parse_url(url)
    assert "\n" not in str(caught.value)
