from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

import pytest

from stream.console.tries import Tries, _how_many


@pytest.mark.parametrize(("each_s", "expected"), [(0.0, 4), (0.01, 4), (0.125, 4), (0.2, 2), (0.5, 1), (30.0, 1)])
def test_the_scorer_is_lent_for_as_many_windows_as_take_little_time(each_s: float, expected: int) -> None:
    assert _how_many(each_s, 4) == expected


class Queue:
    """A batcher whose oldest window is as old as it is told, one look after the other."""

    def __init__(self, ages_s: Iterator[float]) -> None:
        self._ages_s = ages_s
        self.looks = 0

    @property
    def waiting_s(self) -> float:
        self.looks += 1
        return next(self._ages_s)


def give_way(queue: Queue, longest_s: float) -> None:
    view: Any = SimpleNamespace(batcher=queue, clock=SimpleNamespace(time=lambda: 0.0))
    asyncio.run(Tries(view)._give_way(longest_s))


def test_cameras_that_wait_go_first() -> None:
    queue = Queue(chain([1.0, 1.1, 0.2], repeat(0.0)))
    give_way(queue, 60.0)
    assert queue.looks == 4


def test_a_try_has_its_turn_also_when_cameras_always_wait() -> None:
    queue = Queue(repeat(1.0))
    give_way(queue, 0.01)
    assert queue.looks >= 1
