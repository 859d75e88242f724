from __future__ import annotations

import os

import pytest

from benchmarks.vitals import Vitals, flatness, percentile, slope, vitals


def test_the_slope_is_that_of_the_best_line() -> None:
    assert slope([(0, 5.0), (1, 7.0), (2, 9.0)]) == pytest.approx(2.0)
    assert slope([(0, 1.0), (1, 0.0), (2, 1.0)]) == pytest.approx(0.0)
    assert slope([(3, 1.0)]) == 0.0


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([3, 1, 2], 1.0) == 3


def test_what_comes_and_goes_is_flat_and_what_stays_is_not() -> None:
    steady = [Vitals(rss_bytes=0, threads=5, files=9 + number % 2, sockets=3, children=0) for number in range(9)]
    assert all(each.met is not False for each in flatness("it", steady))
    leaking = [Vitals(rss_bytes=0, threads=5, files=9, sockets=3 + number, children=0) for number in range(9)]
    assert [each.name for each in flatness("it", leaking) if each.met is False] == ["it: sockets, more in the end"]


def test_a_process_has_a_thread_memory_and_files() -> None:
    mine = vitals(os.getpid())
    assert mine.threads >= 1
    assert mine.rss_bytes > 1e6
    assert mine.files >= mine.sockets
