"""Evidence lies under its day, camera and event, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.evidence.paths import event_path, safe_name


def test_an_events_files_lie_under_its_utc_day_and_camera(tmp_path: Path) -> None:
    path = event_path(tmp_path, 1_718_987_129.3, "front-door", "01JD0")
    assert path == tmp_path / "events" / "2024-06-21" / "front-door" / "01JD0"


@given(st.text(max_size=300))
def test_any_name_is_one_safe_part_of_a_path(name: str) -> None:
    safe = safe_name(name)
    assert Path(safe).name == safe
    assert safe.isascii()
    assert "." not in safe
    assert 0 < len(safe) <= 110


@pytest.mark.parametrize(("one", "other"), [("a/b", "a_b"), ("a/b", "a.b"), ("", "_"), ("x" * 150, "x" * 151)])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert safe_name(one) != safe_name(other)
