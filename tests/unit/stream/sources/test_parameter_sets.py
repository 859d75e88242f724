"""Parameter sets in hand-written packets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.sources.parameter_sets import is_annex_b, parameter_sets

SPS, PPS, SEI, IDR, AUD = b"\x67sps", b"\x68pps", b"\x06sei", b"\x65slice", b"\x09\xf0"


def joined(*units: bytes, start: bytes = b"\x00\x00\x00\x01") -> bytes:
    return b"".join(start + unit for unit in units)


@pytest.mark.parametrize("start", [b"\x00\x00\x01", b"\x00\x00\x00\x01"])
def test_h264_sets_are_found_among_other_units(start: bytes) -> None:
    data = joined(AUD, SPS, PPS, SEI, IDR, start=start)
    assert is_annex_b(data)
    assert parameter_sets("h264", data) == (SPS, PPS)
    assert parameter_sets("h264", joined(SPS, PPS, start=start)) == (SPS, PPS)


def test_h265_sets_are_found_among_other_units() -> None:
    vps, sps, pps, idr = b"\x40\x01v", b"\x42\x01s", b"\x44\x01p", b"\x26\x01slice"
    assert parameter_sets("hevc", joined(vps, sps, pps, idr)) == (vps, sps, pps)


def test_what_follows_the_first_slice_is_not_looked_at() -> None:
    assert parameter_sets("h264", joined(SPS, IDR, PPS)) == (SPS,)


def test_other_codecs_and_mp4s_form_have_none() -> None:
    assert parameter_sets("mjpeg", joined(SPS, PPS)) == ()
    assert parameter_sets("h264", b"\x00\x00\x00\x05" + SPS) == ()
    assert parameter_sets("h264", b"") == ()


@given(st.sampled_from(["h264", "hevc"]), st.lists(st.sampled_from([b"\0\0\1", b"\0", b"\x67", b"\x42", b"\xff"])))
def test_any_bytes_are_looked_through_without_failing(codec: str, parts: list[bytes]) -> None:
    found = parameter_sets(codec, b"\x00\x00\x01" + b"".join(parts))
    assert all(found)
