from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.config.durations import BYTES, SECONDS, format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10.0),
        ("500ms", 0.5),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("7d", 604800.0),
        ("1.5h", 5400.0),
        (" 3 S ", 3.0),
        ("0", 0.0),
        ("2.5", 2.5),
        (4, 4.0),
        (0.1, 0.1),
        ("0.1s", 0.1),
        ("9ms", 0.009),
    ],
)
def test_durations_are_read(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "s", "-1s", "1 0s", "1e3", "10x", "5min", "٣s", "nan", "inf", -1, float("nan"), float("inf"), True, None],
)
def test_what_is_no_duration_is_refused_and_told_what_is(value: object) -> None:
    with pytest.raises(ValueError, match="must be a duration such as"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MB", 512 * 10**6),
        ("5gb", 5 * 10**9),
        ("2GiB", 2 * 2**30),
        ("1.5 kB", 1500),
        ("100", 100),
        (7, 7),
        ("1TiB", 2**40),
    ],
)
def test_sizes_are_read(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("value", ["", "MB", "-1MB", "5XB", "5s", True, None])
def test_what_is_no_size_is_refused_and_told_what_is(value: object) -> None:
    with pytest.raises(ValueError, match="must be a size such as"):
        parse_size(value)


@given(st.integers(0, 10**12).map(lambda milliseconds: milliseconds / 1000))
def test_a_written_duration_reads_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(0, 10**15))
def test_a_written_size_reads_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 10**6), st.sampled_from(sorted(SECONDS)))
def test_a_duration_is_its_number_times_its_unit(count: int, unit: str) -> None:
    assert parse_duration(f"{count}{unit}") == float(count * SECONDS[unit])


@given(st.integers(0, 10**6), st.sampled_from(sorted(BYTES)))
def test_a_size_is_its_number_times_its_unit(count: int, unit: str) -> None:
    assert parse_size(f"{count}{unit}") == count * BYTES[unit]


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_duration(text) >= 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (0.5, "500ms"), (2.8, "2.8s"), (90.0, "90s"), (300.0, "5m"), (604800.0, "7d")]
)
def test_durations_are_written_as_people_do(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0B"), (5 * 10**9, "5GB"), (2**30, "1GiB"), (1001, "1001B")])
def test_sizes_are_written_as_people_do(size: int, text: str) -> None:
    assert format_size(size) == text
