"""Pictures on disk by a thread: in order, the newest of each, bounded, and nobody waits for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import EvidenceError
from stream.evidence import album as album_module
from stream.evidence.album import Album
from stream.evidence.snapshot import write_snapshot

WAIT_S = 20.0


class Disk:
    """Notes what is written, and waits with that while it hangs."""

    def __init__(self) -> None:
        self.written: list[tuple[str, bytes]] = []
        self.busy = threading.Event()
        self.answers = threading.Event()
        self.answers.set()

    def write(self, path: Path, jpeg: bytes) -> None:
        self.busy.set()
        assert self.answers.wait(WAIT_S)
        write_snapshot(path, jpeg)
        self.written.append((path.name, jpeg))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    monkeypatch.setattr(album_module, "write_snapshot", disk.write)
    yield disk
    disk.answers.set()


@pytest.fixture
def album(disk: Disk) -> Iterator[Album]:
    album = Album()
    yield album
    disk.answers.set()
    album.close(WAIT_S)
    assert "vigil-pictures" not in {thread.name for thread in threading.enumerate()}


def test_a_picture_is_there_within_a_moment(album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(album_module, "WRITE_WAIT_S", WAIT_S)
    written = album.put(tmp_path / "day" / "one.jpg", b"1")
    assert album.wait(written)
    assert written.result().read_bytes() == b"1"


def test_while_one_is_overdue_no_other_is_waited_for_and_all_are_there_in_the_end(
    album: Album, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.answers.clear()
    monkeypatch.setattr(album_module, "WRITE_WAIT_S", 0.05)
    first = album.put(tmp_path / "0.jpg", b"0")
    assert not album.wait(first)
    monkeypatch.setattr(album_module, "WRITE_WAIT_S", 3600.0)
    others = [album.put(tmp_path / f"{number}.jpg", b"x") for number in range(1, 4)]
    assert [album.wait(other) for other in others] == [False] * 3
    disk.answers.set()
    assert all(written.result(WAIT_S).exists() for written in (first, *others))
    assert album.wait(album.put(tmp_path / "again.jpg", b"y"))


def test_of_the_pictures_that_wait_for_one_place_only_the_newest_is_written(
    album: Album, disk: Disk, tmp_path: Path
) -> None:
    disk.answers.clear()
    album.put(tmp_path / "busy.jpg", b"")
    assert disk.busy.wait(WAIT_S)
    older, newer = (album.put(tmp_path / "one.jpg", jpeg) for jpeg in (b"older", b"newer"))
    disk.answers.set()
    assert older.result(WAIT_S) == newer.result(WAIT_S) == tmp_path / "one.jpg"
    assert disk.written == [("busy.jpg", b""), ("one.jpg", b"newer")]


def test_beyond_what_memory_holds_the_oldest_are_given_up(
    album: Album, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(album_module, "MOST_WAITING", 2)
    disk.answers.clear()
    album.put(tmp_path / "busy.jpg", b"")
    assert disk.busy.wait(WAIT_S)
    waiting = [album.put(tmp_path / f"{number}.jpg", b"x") for number in range(4)]
    disk.answers.set()
    for given_up in waiting[:2]:
        with pytest.raises(EvidenceError, match="too many"):
            given_up.result(WAIT_S)
    assert [kept.result(WAIT_S).name for kept in waiting[2:]] == ["2.jpg", "3.jpg"]


def test_one_that_cannot_be_written_says_so_and_the_next_one_is(album: Album, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EvidenceError, match="can't write the snapshot"):
        album.put(tmp_path / "file" / "one.jpg", b"1").result(WAIT_S)
    assert album.put(tmp_path / "one.jpg", b"1").result(WAIT_S).exists()


def test_closing_writes_what_waits_and_gives_up_what_the_disk_does_not_take(disk: Disk, tmp_path: Path) -> None:
    kept = Album()
    written = kept.put(tmp_path / "kept.jpg", b"1")
    kept.close(WAIT_S)
    assert written.done()
    hung = Album()
    disk.busy.clear()
    disk.answers.clear()
    hung.put(tmp_path / "busy.jpg", b"")
    assert disk.busy.wait(WAIT_S)
    waiting = hung.put(tmp_path / "waiting.jpg", b"")
    hung.close(0.05)
    with pytest.raises(EvidenceError, match="before Vigil ended"):
        waiting.result(WAIT_S)
    with pytest.raises(EvidenceError, match="Vigil ends"):
        hung.put(tmp_path / "late.jpg", b"").result(WAIT_S)
    disk.answers.set()
    hung.close(WAIT_S)
