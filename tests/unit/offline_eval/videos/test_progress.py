from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable

import pytest

from offline_eval.datasets.base import Video
from offline_eval.videos.progress import BarProgress, Estimate, PlainProgress, Progress, Tally, in_words, progress_on

VIDEOS = [Video("long", frame_count=3000), Video("short", frame_count=1000)]


class Watch:
    """A clock that shows what it is told."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_estimate_is_what_is_left_at_the_pace_of_the_last_minutes() -> None:
    estimate = Estimate()
    for now_s in range(0, 101):
        estimate.push(now_s, 100 * now_s)
    assert estimate.left_s(100, 5000) == pytest.approx(50)
    for now_s in range(101, 600):  # now a tenth as fast, for longer than the pace is remembered
        estimate.push(now_s, 10_000 + 10 * (now_s - 100))
    assert estimate.left_s(599, 5000) == pytest.approx(500)


def test_nothing_is_said_before_it_can_be_known_and_a_standstill_makes_it_longer() -> None:
    estimate = Estimate()
    assert estimate.left_s(0, 100) is None
    estimate.push(0, 0)
    estimate.push(2, 500)
    assert estimate.left_s(2, 100) is None
    estimate.push(10, 1000)
    assert estimate.left_s(10, 1000) == pytest.approx(10)
    assert estimate.left_s(20, 1000) == pytest.approx(20)


def test_a_failed_video_is_no_work_left() -> None:
    tally = Tally(Watch())
    tally.begin(VIDEOS)
    tally.reading("long", 500)
    tally.end("long", failed=True)
    assert (tally.read, tally.frames, str(tally)) == (500, 1500, "0 of 2 videos, 1 failed, 33 %")
    tally.end("short", failed=False)
    assert (tally.read, tally.frames, str(tally)) == (1500, 1500, "1 of 2 videos, 1 failed, 100 %")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 s"), (43, "45 s"), (89, "90 s"), (100, "2 min"), (3000, "50 min"), (12_000, "3 h 20 min")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def play(progress: Progress, wait: Callable[[float], None] = lambda _seconds: None) -> None:
    with progress:
        progress.begin(VIDEOS, resumed=3)
        for step in range(1, 11):
            wait(10)
            progress.reading("long", 300 * step)
        progress.finished("long")
        progress.failed("short", "is no video")


def test_plain_lines_tell_each_end_and_now_and_then_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch()

    def wait(seconds: float) -> None:
        watch.now_s += seconds

    with caplog.at_level(logging.INFO):
        play(PlainProgress(watch), wait)
    assert [record.message for record in caplog.records] == [
        "2 videos to replay, 3 were done before",
        "0 of 2 videos, 22 %, about 2 min left",
        "0 of 2 videos, 45 %, about 75 s left",
        "0 of 2 videos, 67 %, about 45 s left",
        "long is finished: 1 of 2 videos, 75 %, about 35 s left",
        "short failed: is no video",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_bars_and_the_log_above_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    handler = logging.StreamHandler(terminal)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        progress = progress_on(terminal)
        assert isinstance(progress, BarProgress)
        play(progress)
    finally:
        root.removeHandler(handler)
    assert handler.stream is terminal
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "1 of 2 videos, 1 failed" in shown
    assert "short failed: is no video\n" in shown
    assert isinstance(progress_on(io.StringIO()), PlainProgress)
