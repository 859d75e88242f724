"""The motion scorer on real footage, decoded and sampled as live: the first picture of every eighth of a second."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import av
import numpy as np
import pytest

from engine.motion import MotionScorer
from engine.types import Frame, Judgement, Window

CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "clips"
RATE = 8


def frames(path: Path, width: int, height: int) -> Iterator[Frame]:
    last_slot = -1
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            assert picture.time is not None
            slot = int(picture.time * RATE)
            if slot > last_slot:
                last_slot = slot
                image = np.asarray(picture.reformat(width, height, format="rgb24").to_ndarray(), np.uint8)
                yield Frame(path.stem, 0, slot, picture.time, picture.time, picture.time, image)


def judge(name: str) -> dict[int, Judgement]:
    """The judgement of every second of a clip, by the second's number."""
    path = CLIPS / name
    if not path.exists():
        pytest.skip(f"the clip {name} is not here")
    scorer = MotionScorer()
    judged = {}
    for second, group in groupby(frames(path, *scorer.frame_size), key=lambda frame: frame.slot // RATE):
        [judged[second]] = scorer.score([Window(path.stem, 0, second, tuple(group), length_s=1.0)])
    return judged


@dataclass
class Event:
    start: int
    end: int


def events(judged: dict[int, Judgement]) -> list[Event]:
    """What an alert policy would hold open: 2 s smoothing, open at 0.6, closed after 3 s below 0.36."""
    found: list[Event] = []
    smooth, below, is_open = 0.0, 0, False
    for second, judgement in judged.items():
        if judgement.score is not None:
            smooth += (1 - math.exp(-1 / 2)) * (judgement.score - smooth)
        below = below + 1 if smooth < 0.36 else 0
        if not is_open and smooth >= 0.6:
            found.append(Event(second, second))
            is_open = True
        if is_open:
            found[-1].end = second
            is_open = below < 3
    return found


def most(judged: dict[int, Judgement], seconds: range) -> float:
    """The highest score of these seconds, which must all be known."""
    scores = [judged[second].score for second in seconds]
    known = [score for score in scores if score is not None]
    assert len(known) == len(scores)
    return max(known)


def test_the_car_and_the_robbery_are_two_events_and_the_calm_is_calm() -> None:
    judged = judge("ucf_robbery102.mp4")
    assert all(judged[second].reason == "warming up" for second in range(8))
    assert most(judged, range(24, 27)) < 0.3
    assert most(judged, range(57, 60)) < 0.3

    car, robbery = events(judged)
    assert 14 <= car.start < car.end < 33
    assert 35 <= robbery.start <= 41
    assert robbery.end >= 52


def test_the_robbery_is_placed_where_the_robbers_are() -> None:
    judged = judge("ucf_robbery102.mp4")
    for second in range(37, 42):
        box = judged[second].boxes[0]
        assert (box.x1 + box.x2) / 2 > 0.6
        assert "right" in (judged[second].text or "")


def test_cuts_between_cameras_are_unknown_and_still_stretches_low() -> None:
    judged = judge("cctv_door.mp4")
    for cut in (30, 50, 98):
        assert [judged[second].reason for second in (cut, cut + 1)] == ["the whole picture changed"] * 2
    assert most(judged, range(25, 30)) < 0.3
    assert most(judged, range(54, 58)) < 0.3
    assert most(judged, range(80, 98)) < 0.35
    assert most(judged, range(100, 101)) < 0.3


def test_people_in_the_night_view_are_an_event_that_ends() -> None:
    judged = judge("cctv_door.mp4")
    at_night = [event for event in events(judged) if event.start >= 62]
    assert at_night
    assert at_night[0].start <= 66
    assert at_night[-1].end <= 84
