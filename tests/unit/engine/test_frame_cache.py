from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from engine.frame_cache import FrameCache
from engine.types import Frame, Window
from tests.unit.engine.frames import frame, window

Name = tuple[str, int, int]


def name(of: Frame) -> Name:
    return of.camera, of.segment, of.slot


def span(first: int, count: int = 4, *, camera: str = "front", segment: int = 0) -> Window:
    frames = tuple(frame(slot, camera=camera, segment=segment) for slot in range(first, first + count))
    return replace(window(camera=camera), segment=segment, frames=frames)


class Maker:
    """Makes of a frame its name, and remembers how many frames it was given each time."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, frames: Sequence[Frame]) -> list[Name]:
        self.calls.append(len(frames))
        return [name(each) for each in frames]


def test_each_window_gets_what_was_made_of_its_own_frames() -> None:
    windows = [span(0), span(2), span(0, 1, camera="yard"), span(0, segment=1)]
    cache: FrameCache[Name] = FrameCache(100)
    for _ in range(2):  # made, then remembered
        assert cache.of(windows, Maker()) == [[name(each) for each in window.frames] for window in windows]
    assert cache.of([], Maker()) == []


def test_a_frame_is_made_once_and_those_that_are_new_together() -> None:
    cache, maker = FrameCache[Name](100), Maker()
    cache.of([span(0), span(2), span(0, camera="yard")], maker)
    cache.of([span(2)], maker)
    cache.of([span(3)], maker)
    cache.of([span(3, segment=1)], maker)
    assert maker.calls == [6 + 4, 1, 4]


def test_frames_that_no_coming_window_can_hold_are_given_up() -> None:
    cache, maker = FrameCache[Name](1000), Maker()
    for first in range(0, 400, 2):
        cache.of([span(first), span(first, camera="yard")], maker)
        assert len(cache) == 8
    cache.of([span(0, segment=1)], maker)
    assert len(cache) == 8
    cache.forget("yard")
    assert len(cache) == 4
    cache.clear()
    assert len(cache) == 0


def test_memory_is_bounded_and_the_camera_seen_longest_ago_makes_room() -> None:
    cache, maker = FrameCache[Name](6), Maker()
    windows = [span(0, camera=f"camera-{number}") for number in range(5)]
    for _ in range(3):
        assert cache.of(windows, maker) == [[name(each) for each in window.frames] for window in windows]
        assert len(cache) == 6
    cache.of([windows[-1]], maker)
    assert maker.calls[-1] != 4  # the newest was kept
    nothing = FrameCache[Name](0)
    assert nothing.of(windows, maker)[4] == [name(each) for each in windows[4].frames]
    assert len(nothing) == 0


def test_what_could_not_be_made_is_asked_for_again() -> None:
    cache, maker = FrameCache[Name](100), Maker()

    def fail(frames: Sequence[Frame]) -> list[Name]:
        raise MemoryError

    with pytest.raises(MemoryError):
        cache.of([span(0)], fail)
    assert len(cache) == 0
    cache.of([span(0)], maker)
    assert maker.calls == [4]
