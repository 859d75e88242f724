"""Old evidence goes by age and by size, the oldest first, and never that of an open event."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stream.evidence.paths import CLEAN, event_path
from stream.evidence.retention import Retention, Swept

DAY_S = 86_400.0
NOW_S = 1_700_000_000.0
FOREVER_S = 10_000 * DAY_S
ANY_SIZE = 10**12


def event(data: Path, age_days: float, name: str, size_bytes: int = 1000, camera: str = "gate") -> Path:
    """An event's path with two snapshots of 50 bytes and a clip for the rest."""
    changed_s = NOW_S - age_days * DAY_S
    path = event_path(data, changed_s, camera, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    for ending, size in ((".jpg", 50), (CLEAN, 50), (".mp4", size_bytes - 100)):
        path.with_suffix(ending).write_bytes(bytes(size))
        os.utime(path.with_suffix(ending), (changed_s, changed_s))
    return path


def there(path: Path) -> bool:
    jpg, mp4 = path.with_suffix(".jpg").exists(), path.with_suffix(".mp4").exists()
    assert jpg == mp4 == path.with_suffix(CLEAN).exists(), "half an event was deleted"
    return jpg


def test_events_older_than_the_age_are_deleted_with_their_empty_folders(tmp_path: Path) -> None:
    old, new = event(tmp_path, 8, "old"), event(tmp_path, 6, "new")
    swept = Retention(tmp_path, max_age_s=7 * DAY_S, max_bytes=ANY_SIZE).sweep(NOW_S)
    assert swept == Swept(events=1, freed_bytes=1000, kept_bytes=1000)
    assert not there(old)
    assert there(new)
    assert not old.parent.parent.exists()


def test_the_oldest_go_first_until_the_rest_fits(tmp_path: Path) -> None:
    events = [event(tmp_path, age, f"e{age}", camera=f"c{age % 2}") for age in range(6)]
    swept = Retention(tmp_path, max_age_s=FOREVER_S, max_bytes=3500).sweep(NOW_S)
    assert [there(path) for path in events] == [True, True, True, False, False, False]
    assert swept == Swept(events=3, freed_bytes=3000, kept_bytes=3000)


def test_open_events_are_kept_whatever_their_age_and_size(tmp_path: Path) -> None:
    open_one, other = event(tmp_path, 9, "open", 10_000), event(tmp_path, 8, "other")
    part = open_one.with_name("open.part.mp4")
    part.write_bytes(bytes(10))
    Retention(tmp_path, max_age_s=DAY_S, max_bytes=10).sweep(NOW_S, keep={open_one})
    assert there(open_one)
    assert part.exists()
    assert not there(other)


def test_what_a_crash_left_behind_goes_with_its_event(tmp_path: Path) -> None:
    path = event(tmp_path, 9, "crashed")
    part = path.with_name("crashed.part.mp4")
    part.write_bytes(bytes(10))
    os.utime(part, (NOW_S - 9 * DAY_S,) * 2)
    Retention(tmp_path, max_age_s=DAY_S, max_bytes=ANY_SIZE).sweep(NOW_S)
    assert not part.exists()


def test_one_sweep_deletes_no_more_than_its_share_and_the_next_goes_on(tmp_path: Path) -> None:
    for number in range(7):
        event(tmp_path, 30 - number, f"e{number}")
    retention = Retention(tmp_path, max_age_s=DAY_S, max_bytes=ANY_SIZE, most_per_sweep=3)
    assert [retention.sweep(NOW_S).events for _ in range(4)] == [3, 3, 1, 0]


def test_other_peoples_files_and_todays_folders_are_left_alone(tmp_path: Path) -> None:
    today = tmp_path / "events" / "2023-11-14" / "gate"  # NOW_S's day
    today.mkdir(parents=True)
    notes = tmp_path / "events" / "2020-01-01" / "gate" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    elsewhere = tmp_path / "events" / "family" / "gate" / "holiday.jpg"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(bytes(10))
    os.utime(elsewhere, (0, 0))
    Retention(tmp_path, max_age_s=DAY_S, max_bytes=1).sweep(NOW_S)
    assert today.exists()
    assert notes.exists()
    assert elsewhere.exists()


def test_no_evidence_at_all_is_nothing_to_do(tmp_path: Path) -> None:
    assert Retention(tmp_path, max_age_s=1.0, max_bytes=1).sweep(NOW_S) == Swept(0, 0, 0)


def test_what_can_not_be_deleted_is_said_and_does_not_stop_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, old = event(tmp_path, 9, "stuck"), event(tmp_path, 8, "old")
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith("stuck"):
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    swept = Retention(tmp_path, max_age_s=DAY_S, max_bytes=ANY_SIZE).sweep(NOW_S)
    assert swept.events == 1
    assert there(stuck)
    assert not there(old)
    assert "can't delete old evidence" in caplog.text
