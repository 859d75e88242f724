"""Evidence: snapshots at once, better ones soon, clips when they are over, and nothing that blocks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.types import Box, Image
from stream.evidence import album
from stream.evidence.clip import ClipRecording, ClipResult, ClipSettings
from stream.evidence.paths import CLEAN
from stream.evidence.recorder import EvidenceWorker
from stream.evidence.retention import Retention
from stream.evidence.snapshot import write_snapshot
from stream.remux import part_path
from stream.rings import PacketRing
from tests.unit.stream.clips import Video, encode, fill, picture, pictures, read

EPOCH_S = 1_700_000_000.0  # 2023-11-14 in UTC
SETTINGS = ClipSettings(pre_roll_s=1.0, post_roll_s=1.0, longest_s=60.0)
SMALL: Image = np.full((64, 64, 3), 128, np.uint8)
NATIVE = (160, 120)
WAIT_S = 20.0


class Clock:
    """A monotonic clock that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no hung disk."""
    monkeypatch.setattr(album, "WRITE_WAIT_S", WAIT_S)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def worker(tmp_path: Path, clock: Clock) -> Iterator[EvidenceWorker]:
    worker = EvidenceWorker(tmp_path / "data", clock=clock)
    yield worker
    worker.close(WAIT_S)
    assert "vigil-evidence" not in {thread.name for thread in threading.enumerate()}


@pytest.fixture
def video(tmp_path: Path) -> Video:
    return read(encode(tmp_path / "source.mp4", seconds=8.0))


@pytest.fixture
def ring(video: Video) -> PacketRing:
    """A ring with all the packets of `video`."""
    ring = PacketRing(60.0, 10**8)
    fill(ring, video, epoch_s=EPOCH_S)
    return ring


def load(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return np.asarray(image, np.uint8)


def eventually(true: Callable[[], bool]) -> bool:
    """Whether `true` becomes so within the wait of a test."""
    until_s = time.monotonic() + WAIT_S
    while not true() and time.monotonic() < until_s:
        threading.Event().wait(0.01)
    return true()


def open_event(worker: EvidenceWorker, ring: PacketRing | None, *, worst_s: float = 3.0, name: str = "E1") -> Path:
    """Open an event from 2.5 s on; its path without ending."""
    snapshot = worker.open_event(
        name, "gate", ring, SMALL, NATIVE, [Box(0.1, 0.1, 0.4, 0.4)], EPOCH_S + worst_s, EPOCH_S + 2.5, clip=SETTINGS
    )
    assert snapshot.path is not None
    return snapshot.path.with_suffix("")


def test_the_snapshot_is_there_when_the_event_opens(worker: EvidenceWorker, tmp_path: Path) -> None:
    snapshot = worker.open_event("E1", "gate", None, SMALL, NATIVE, [], EPOCH_S, EPOCH_S)
    assert snapshot.path == tmp_path / "data" / "events" / "2023-11-14" / "gate" / "E1.jpg"
    assert snapshot.path.read_bytes() == snapshot.jpeg
    assert load(snapshot.path).shape == (64, 85, 3)  # in the camera's shape
    assert snapshot.error == ""


def test_the_snapshot_becomes_the_worst_frame_at_full_size(worker: EvidenceWorker, ring: PacketRing) -> None:
    jpg = open_event(worker, ring, worst_s=3.0).with_suffix(".jpg")
    assert eventually(lambda: load(jpg).shape == (120, 160, 3))
    difference = np.abs(load(jpg).astype(int) - picture(30))
    assert np.median(difference) < 6
    assert difference[20:40, 14:18].max() > 30, "its box is missing"


def test_the_snapshot_is_there_without_its_boxes_too(worker: EvidenceWorker, ring: PacketRing) -> None:
    drawn = open_event(worker, ring, worst_s=3.0).with_suffix(".jpg")
    clean = drawn.with_suffix(CLEAN)
    assert load(clean).shape == load(drawn).shape
    assert eventually(lambda: load(clean).shape == load(drawn).shape == (120, 160, 3))
    difference = np.abs(load(clean).astype(int) - picture(30))
    assert np.median(difference) < 6
    assert difference[20:40, 14:18].max() <= 30, "a box is drawn"


def test_a_worse_frame_replaces_the_snapshot(worker: EvidenceWorker, ring: PacketRing) -> None:
    jpg = open_event(worker, ring, worst_s=1.0).with_suffix(".jpg")
    snapshot = worker.improve("E1", SMALL, [], EPOCH_S + 6.0)
    assert snapshot.path == jpg
    assert eventually(lambda: load(jpg).shape == (120, 160, 3) and np.median(np.abs(load(jpg) - 1.0 * picture(60))) < 6)


def test_a_moment_that_the_ring_no_longer_has_keeps_the_small_snapshot(
    worker: EvidenceWorker, ring: PacketRing
) -> None:
    jpg = open_event(worker, ring, worst_s=-30.0).with_suffix(".jpg")
    worker.end_event("E1", EPOCH_S + 3.0).result(WAIT_S)
    assert load(jpg).shape == (64, 85, 3)


def test_an_event_that_ends_gives_its_clip(worker: EvidenceWorker, ring: PacketRing) -> None:
    path = open_event(worker, ring)
    result = worker.end_event("E1", EPOCH_S + 5.0).result(WAIT_S)
    assert result.path == path.with_suffix(".mp4")
    assert result.error == result.note == ""
    assert result.start_time_s is not None
    assert result.end_time_s is not None
    assert result.start_time_s <= EPOCH_S + 1.5
    assert result.end_time_s >= EPOCH_S + 6.0
    assert 45 <= len(pictures(result.path)) <= 60


def test_the_clip_grows_while_the_event_is_open(worker: EvidenceWorker, video: Video) -> None:
    ring = PacketRing(60.0, 10**8)
    fill(ring, video, epoch_s=EPOCH_S, until_s=3.5)
    part = part_path(open_event(worker, ring).with_suffix(".mp4"))
    assert eventually(part.exists)
    fill(ring, video, epoch_s=EPOCH_S, after_s=3.5)
    assert eventually(lambda: part.stat().st_size > 6000)
    assert len(pictures(part)) > 20


def test_a_clip_waits_for_its_post_roll_but_not_for_ever(worker: EvidenceWorker, video: Video, clock: Clock) -> None:
    ring = PacketRing(60.0, 10**8)
    fill(ring, video, epoch_s=EPOCH_S, until_s=4.0)
    open_event(worker, ring)
    done = worker.end_event("E1", EPOCH_S + 4.0)
    with pytest.raises(TimeoutError):
        done.result(0.8)
    clock.now_s += 30.0
    result = done.result(WAIT_S)
    assert result.path is not None
    assert "sent no more" in result.note


def test_a_clip_does_not_wait_for_what_comes_no_more(worker: EvidenceWorker, video: Video) -> None:
    ring = PacketRing(60.0, 10**8)
    fill(ring, video, epoch_s=EPOCH_S, until_s=4.5)
    open_event(worker, ring)
    done = worker.end_event("E1", EPOCH_S + 4.0)
    ring.end()
    result = done.result(WAIT_S)  # the clock stands still: it is not the deadline
    assert result.note == "ends where the source ended"
    assert result.end_time_s is not None
    assert EPOCH_S + 4.0 < result.end_time_s < EPOCH_S + 5.0


def test_a_clip_that_has_its_post_roll_says_nothing_of_the_sources_end(
    worker: EvidenceWorker, ring: PacketRing
) -> None:
    open_event(worker, ring)
    ring.end()
    assert worker.end_event("E1", EPOCH_S + 4.0).result(WAIT_S).note == ""


def test_a_camera_without_packets_has_snapshots_only(worker: EvidenceWorker) -> None:
    open_event(worker, None)
    result = worker.end_event("E1", EPOCH_S + 5.0).result(WAIT_S)
    assert result == ClipResult(None, note="no clip is made of this camera")


def test_clips_and_snapshots_are_left_out_when_not_wanted(worker: EvidenceWorker, ring: PacketRing) -> None:
    times = (EPOCH_S + 3.0, EPOCH_S + 2.5)
    without_clip = worker.open_event("E1", "gate", ring, SMALL, NATIVE, [], *times, clip=None)
    without_snapshot = worker.open_event("E2", "gate", ring, None, NATIVE, [], *times, clip=SETTINGS)
    results = [worker.end_event(name, EPOCH_S + 5.0).result(WAIT_S) for name in ("E1", "E2")]
    assert without_clip.path is not None
    assert results[0].path is None
    assert without_snapshot.path is None
    assert results[1].path is not None
    folder = without_clip.path.parent
    assert eventually(lambda: {path.name for path in folder.iterdir()} == {"E1.jpg", "E2.mp4"})


def test_what_is_asked_of_an_unknown_event_is_answered(worker: EvidenceWorker) -> None:
    assert worker.end_event("nobody", EPOCH_S).result(WAIT_S).path is None
    assert worker.improve("nobody", SMALL, [], EPOCH_S).error


def test_events_of_several_cameras_do_not_mix(worker: EvidenceWorker, ring: PacketRing, tmp_path: Path) -> None:
    colour = read(encode(tmp_path / "other.mp4", "libx265", seconds=8.0, width=320, height=240))
    other = PacketRing(60.0, 10**8)
    fill(other, colour, epoch_s=EPOCH_S)
    open_event(worker, ring)
    worker.open_event("E2", "yard", other, SMALL, (320, 240), [], EPOCH_S + 3.0, EPOCH_S + 2.5, clip=SETTINGS)
    results = [worker.end_event(name, EPOCH_S + 4.0).result(WAIT_S) for name in ("E1", "E2")]
    shapes = [pictures(result.path)[0].shape for result in results if result.path is not None]
    assert shapes == [(120, 160, 3), (240, 320, 3)]
    assert "H.265" in results[1].note


def test_closing_finishes_every_clip(tmp_path: Path, video: Video) -> None:
    worker = EvidenceWorker(tmp_path / "data")
    ring = PacketRing(60.0, 10**8)
    fill(ring, video, epoch_s=EPOCH_S, until_s=4.0)
    still_open, ending = open_event(worker, ring, name="E1"), open_event(worker, ring, name="E2")
    done = worker.end_event("E2", EPOCH_S + 4.0)
    worker.close(WAIT_S)
    worker.close(WAIT_S)
    assert done.done()
    assert "was stopped" in done.result().note
    assert worker.end_event("E1", EPOCH_S + 4.0).result(WAIT_S).path == still_open.with_suffix(".mp4")
    for path in (still_open, ending):
        assert len(pictures(path.with_suffix(".mp4"))) > 20
    late = worker.open_event("E3", "gate", ring, SMALL, NATIVE, [], EPOCH_S, EPOCH_S)
    assert (late.path, late.jpeg[:2]) == (None, b"\xff\xd8"), "the alert can still carry it"
    assert "Vigil ends" in late.error
    assert worker.end_event("E3", EPOCH_S).result(WAIT_S).path is None


def test_an_unwritable_folder_costs_the_evidence_only(
    worker: EvidenceWorker, ring: PacketRing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("in the way")
    snapshot = worker.open_event("E1", "gate", ring, SMALL, NATIVE, [], EPOCH_S + 3.0, EPOCH_S + 2.5, clip=SETTINGS)
    assert snapshot.path is None
    assert snapshot.jpeg.startswith(b"\xff\xd8"), "the alert can still carry it"
    assert "can't write the snapshot" in snapshot.error
    result = worker.end_event("E1", EPOCH_S + 5.0).result(WAIT_S)
    assert result.path is None
    assert "can't write the clip" in result.error
    clips = [record for record in caplog.records if "the clip" in record.getMessage()]
    assert len(clips) == 1
    assert clips[0].__dict__["camera"] == "gate"


def test_a_box_that_cannot_be_drawn_costs_the_snapshot_only(
    worker: EvidenceWorker, ring: PacketRing, caplog: pytest.LogCaptureFixture
) -> None:
    boxes = [Box(float("nan"), 0.1, 0.4, 0.4)]
    snapshot = worker.open_event("E1", "gate", ring, SMALL, NATIVE, boxes, EPOCH_S + 3.0, EPOCH_S + 2.5, clip=SETTINGS)
    assert snapshot.path is None
    assert "internal error" in snapshot.error
    assert "a snapshot failed" in caplog.text


def test_a_failure_inside_costs_one_events_evidence_and_not_the_thread(
    worker: EvidenceWorker, ring: PacketRing, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(PacketRing):
        def around(self, time_s: float) -> list[object]:  # type: ignore[override]
            raise RuntimeError("a bug")

    with caplog.at_level(logging.ERROR):
        open_event(worker, Broken(1.0, 1), name="E1")
        assert eventually(lambda: "evidence failed" in caplog.text)
    open_event(worker, ring, name="E2")
    assert worker.end_event("E2", EPOCH_S + 5.0).result(WAIT_S).path is not None


def test_old_evidence_is_swept_but_not_that_of_open_events(tmp_path: Path, ring: PacketRing, clock: Clock) -> None:
    data = tmp_path / "data"
    old = data / "events" / "2020-01-01" / "gate" / "OLD.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    retention = Retention(data, max_age_s=60.0, max_bytes=10**9)
    worker = EvidenceWorker(data, retention=retention, clock=clock, wall_clock=lambda: time.time() + 3600.0)
    try:
        path = open_event(worker, ring)
        assert eventually(lambda: not old.exists())
        clock.now_s += 120.0
        assert worker.end_event("nobody", EPOCH_S).result(WAIT_S).path is None  # wakes nothing, waits for nothing
        assert path.with_suffix(".jpg").exists()
        assert worker.end_event("E1", EPOCH_S + 5.0).result(WAIT_S).path == path.with_suffix(".mp4")
    finally:
        worker.close(WAIT_S)


class Disk:
    """A disk that takes no picture until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = threading.Event()

        def hang(path: Path, jpeg: bytes) -> None:
            assert self.answers.wait(WAIT_S)
            write_snapshot(path, jpeg)

        monkeypatch.setattr(album, "write_snapshot", hang)
        monkeypatch.setattr(album, "WRITE_WAIT_S", 0.05)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.answers.set()


def test_a_disk_that_hangs_makes_the_snapshot_late_and_holds_up_nobody(
    disk: Disk, worker: EvidenceWorker, ring: PacketRing
) -> None:
    first = worker.open_event("E1", "gate", ring, SMALL, NATIVE, [], EPOCH_S + 3.0, EPOCH_S + 2.5, clip=SETTINGS)
    assert (first.path, first.jpeg[:2]) == (None, b"\xff\xd8"), "the alert can still carry it"
    assert "not taken the snapshot yet" in first.error
    assert first.late is not None
    better = worker.improve("E1", SMALL, [], EPOCH_S + 6.0)
    clip = worker.end_event("E1", EPOCH_S + 5.0).result(WAIT_S)
    assert clip.path is not None, "the clip's thread does not wait for pictures"
    assert not first.late.done()
    disk.answers.set()
    assert first.late.result(WAIT_S).exists()
    assert better.late is not None
    jpg = better.late.result(WAIT_S)
    assert jpg == clip.path.with_suffix(".jpg")


def test_a_clip_that_hangs_delays_no_snapshot(
    worker: EvidenceWorker, ring: PacketRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, over = threading.Event(), threading.Event()
    follow = ClipRecording.follow

    def hang(recording: ClipRecording) -> None:
        hanging.set()
        assert over.wait(WAIT_S)
        follow(recording)

    monkeypatch.setattr(ClipRecording, "follow", hang)
    try:
        open_event(worker, ring, name="E1")
        assert hanging.wait(WAIT_S)
        assert open_event(worker, ring, name="E2").with_suffix(".jpg").exists()
        assert worker.improve("E1", SMALL, [], EPOCH_S + 6.0).path is not None
    finally:
        over.set()
