import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import OutboxError
from stream import filesystem, outbox_file
from stream import outbox as outbox_module
from stream.clock import ManualClock
from stream.feed.messages import encode
from stream.outbox import Outbox, OutboxHistory
from stream.outbox_file import OutboxFile, Row
from tests.unit.stream.feed.made import an_alert

REPO = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_file, "WRITE_WITHIN_S", 0.05)
    monkeypatch.setattr(outbox_module, "RETRY_S", 0.05)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outbox.sqlite"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def fill(outbox: Outbox, count: int) -> None:
    for number in range(count):
        outbox.append(an_alert(id=f"E{number}", type="end", end_time=12.0))


def seqs(outbox: Outbox) -> list[int]:
    return [message.seq for message in outbox.since(0)]


def test_alerts_are_numbered_from_one_and_read_back_as_they_were_told(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        assert (outbox.first_seq, outbox.last_seq, outbox.since(0)) == (0, 0, [])
        told = [outbox.append(an_alert(camera=camera, explanation="門")) for camera in ("front", "back", "front")]
        assert [message.seq for message in told] == [1, 2, 3]
        assert {message.epoch for message in told} == {outbox.epoch}
        assert outbox.since(0) == told
        assert outbox.since(1) == told[1:]
        assert outbox.since(0, limit=2) == told[:2]
        assert outbox.since(3) == []


def test_epoch_and_count_outlive_the_process(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 2)
        epoch = outbox.epoch
    clock.advance(1000)
    with Outbox(path, clock.time) as outbox:
        assert outbox.epoch == epoch
        assert outbox.append(an_alert()).seq == 3
        assert outbox.set_aside is None


def test_another_file_has_another_epoch(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as one, Outbox(path.with_name("other"), clock.time) as other:
        assert one.epoch != other.epoch


def test_open_events_are_those_whose_last_message_is_no_end(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        outbox.append(an_alert(id="over"))
        outbox.append(an_alert(id="updated"))
        outbox.append(an_alert(id="over", type="end"))
        outbox.append(an_alert(id="fresh"))
        outbox.append(an_alert(id="updated", type="update"))
    with Outbox(path, clock.time) as outbox:
        assert [(message.id, message.seq) for message in outbox.open_events()] == [("fresh", 4), ("updated", 5)]


def test_pruning_by_age_takes_the_oldest_only(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 3)
        clock.advance(100)
        fill(outbox, 2)
        assert outbox.prune(max_age_s=50, max_bytes=10**9).result(10) == 3
        assert seqs(outbox) == [4, 5]
        assert outbox.first_seq == 4
        assert outbox.prune(max_age_s=50, max_bytes=10**9).result(10) == 0


def test_a_clock_that_was_wrong_for_a_while_makes_nothing_old(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 3)
        clock.set_back(1e9)  # a machine without a clock of its own starts in the past
        fill(outbox, 1)
        clock.set_back(-1e9)
        fill(outbox, 1)
        assert outbox.prune(max_age_s=100, max_bytes=10**9).result(10) == 0
        clock.advance(200)
        assert outbox.prune(max_age_s=100, max_bytes=10**9).result(10) == 4
        assert seqs(outbox) == [5]


def test_pruning_by_size_keeps_the_newest_that_fit(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 9)
        one = len(encode(outbox.since(8)[0]))
        assert outbox.prune(max_age_s=1e9, max_bytes=3 * one + one // 2).result(10) == 6
        assert seqs(outbox) == [7, 8, 9]


def test_pruning_everything_goes_on_counting(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        assert outbox.prune(max_age_s=0, max_bytes=0).result(10) == 0
        fill(outbox, 3)
        clock.advance(10)
        assert outbox.prune(max_age_s=1, max_bytes=0).result(10) == 2
    with Outbox(path, clock.time) as outbox:
        assert outbox.append(an_alert()).seq == 4


def test_pruning_gives_the_disk_its_room_back(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        for _ in range(50):
            outbox.append(an_alert(type="end", explanation="long " * 4000))
    full = path.stat().st_size
    with Outbox(path, clock.time) as outbox:
        outbox.prune(max_age_s=1e9, max_bytes=100_000).result(10)
    assert path.stat().st_size < full / 4


@settings(deadline=None, max_examples=20)  # each syncs to the disk
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["new", "update", "end"])), max_size=15), st.data())
def test_pruning_never_leaves_a_hole_nor_loses_an_open_event(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, str]], data: st.DataObject
) -> None:
    clock = ManualClock()
    with Outbox(tmp_path_factory.mktemp("outbox") / "outbox.sqlite", clock.time) as outbox:
        for event, kind in told:
            outbox.append(an_alert(id=event, type=kind))
            clock.advance(1)
        before = outbox.open_events()
        outbox.prune(max_age_s=data.draw(st.floats(0, 20)), max_bytes=data.draw(st.integers(0, 10_000))).result(10)
        assert outbox.open_events() == before
        assert outbox.last_seq == len(told)
        assert seqs(outbox) == list(range(outbox.first_seq, len(told) + 1))[: len(told)]
        for event, kind in data.draw(st.lists(st.tuples(st.sampled_from("abd"), st.sampled_from(["update", "end"])))):
            outbox.append(an_alert(id=event, type=kind))
            told.append((event, kind))
        outbox.prune(max_age_s=1e9, max_bytes=data.draw(st.integers(0, 10_000))).result(10)
        last = {event: (seq, kind) for seq, (event, kind) in enumerate(told, 1)}
        still_open = sorted((seq, event) for event, (seq, kind) in last.items() if kind != "end")
        assert [(message.seq, message.id) for message in outbox.open_events()] == still_open


def test_an_event_that_stays_open_for_months_holds_up_no_pruning(path: Path, clock: ManualClock) -> None:
    day_s = 86_400.0
    with Outbox(path, clock.time) as outbox:
        outbox.append(an_alert(id="offline camera", severity="fault"))
        for _ in range(200):
            clock.advance(day_s)
            fill(outbox, 1)
        assert outbox.prune(max_age_s=90 * day_s, max_bytes=10**9).result(10) == 110
        assert seqs(outbox) == list(range(111, 202))
        assert outbox.first_seq == 111
    with Outbox(path, clock.time) as outbox:
        history = OutboxHistory(outbox)
        assert [message.id for message in outbox.open_events()] == ["offline camera"]
        outbox.append(an_alert(id="offline camera", type="end"))
        assert outbox.open_events() == []
        assert [seq for seq, _ in history.of_event("offline camera")] == [1, 202]
        history.close()


def test_a_file_of_before_open_events_were_kept_elsewhere_is_pruned_as_any(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        outbox.append(an_alert(id="open"))
        fill(outbox, 3)
    db = sqlite3.connect(path)
    db.execute("DROP TABLE dropped_open")
    db.close()
    with Outbox(path, clock.time) as outbox:
        assert outbox.prune(max_age_s=1e9, max_bytes=0).result(10) == 3
        assert [message.id for message in outbox.open_events()] == ["open"]


@pytest.mark.parametrize("damage", ["no database", "broken page"])
def test_a_damaged_file_is_set_aside_and_kept(
    path: Path, clock: ManualClock, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Outbox(path, clock.time) as outbox:
        for _ in range(200):
            outbox.append(an_alert(explanation="long " * 200))
        epoch = outbox.epoch
    content = bytearray(path.read_bytes())
    start, end = (0, 100) if damage == "no database" else (8192, len(content) - 8192)
    content[start:end] = b"\x5a" * (end - start)
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR), Outbox(path, clock.time) as outbox:
        assert outbox.set_aside == path.with_name("outbox.sqlite.damaged-20231114T221320.000000Z")
        assert outbox.set_aside.read_bytes() == content
        assert outbox.set_aside.name in caplog.text
        assert outbox.epoch != epoch
        assert outbox.append(an_alert()).seq == 1


def test_a_damaged_file_is_set_aside_with_what_lies_beside_it(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 1)
    path.write_bytes(b"\x5a" * 8192)
    path.with_name("outbox.sqlite-wal").write_bytes(b"the log")
    path.with_name("outbox.sqlite-shm").write_bytes(b"its index")
    with Outbox(path, clock.time) as outbox:
        aside = outbox.set_aside
        assert aside is not None
        assert aside.with_name(aside.name + "-wal").read_bytes() == b"the log"
        assert aside.with_name(aside.name + "-shm").exists()
        assert outbox.append(an_alert()).seq == 1


def test_a_database_of_something_else_is_left_alone(path: Path, clock: ManualClock) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    content = path.read_bytes()
    with pytest.raises(OutboxError, match="no outbox that this version can read"):
        Outbox(path, clock.time)
    assert sqlite3.connect(path).execute("SELECT * FROM theirs").fetchall() == []
    assert len(path.read_bytes()) == len(content)


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutboxError, match=r"can't be opened.*may write") as caught:
        Outbox(tmp_path / "file" / "data" / "outbox.sqlite", clock.time)
    assert "\n" not in str(caught.value)


def test_a_second_vigil_on_the_same_file_is_refused(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_file, "OPEN_WITHIN_S", 0.05)
    with Outbox(path, clock.time) as outbox:
        with pytest.raises(OutboxError, match="another Vigil"):
            Outbox(path, clock.time)
        assert outbox.append(an_alert()).seq == 1
    with Outbox(path, clock.time) as outbox:
        assert outbox.last_seq == 1


def test_a_second_vigil_is_refused_by_whatever_link_it_comes(path: Path, tmp_path: Path, clock: ManualClock) -> None:
    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    with Outbox(path, clock.time), pytest.raises(OutboxError, match="another Vigil"):
        Outbox(link, clock.time)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_taken_away_is_a_disk_that_does_not_take_alerts(
    path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture, replaced: bool
) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 1)
        path.unlink()
        if replaced:
            path.touch()
        fill(outbox, 1)
        assert outbox.pending == 1
    assert f"the outbox {path}" in caplog.text
    assert "1 alerts that were told are not in the outbox" in caplog.text


def test_after_closing_it_raises_instead_of_losing_alerts(path: Path, clock: ManualClock) -> None:
    outbox = Outbox(path, clock.time)
    outbox.close()
    with pytest.raises(OutboxError):
        outbox.append(an_alert())


def test_the_owner_may_hand_it_to_a_thread(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox, ThreadPoolExecutor(1) as pool:
        assert pool.submit(outbox.append, an_alert()).result().seq == 1


WRITER = """
import sys, time
from pathlib import Path
from stream.outbox import Outbox
from tests.unit.stream.feed.made import an_alert
outbox = Outbox(Path(sys.argv[1]), time.time)
while True:
    print(outbox.append(an_alert()).seq, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")
def test_a_killed_writer_loses_nothing_that_it_said_was_written(path: Path, clock: ManualClock) -> None:
    epochs, seen = set(), 0
    for round_number in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=REPO
        )
        assert writer.stdout is not None
        with writer, writer.stdout as said:
            for _ in range(5 + round_number):
                seen = int(said.readline())
            writer.send_signal(signal.SIGKILL)
            seen = max([seen, *(int(line) for line in said if line.endswith("\n"))])
        with Outbox(path, clock.time) as outbox:
            assert outbox.set_aside is None
            assert outbox.last_seq >= seen
            assert seqs(outbox) == list(range(1, outbox.last_seq + 1))
            epochs.add(outbox.epoch)
    assert len(epochs) == 1


def test_a_new_data_folder_is_for_its_user_only(tmp_path: Path) -> None:
    with Outbox(tmp_path / "data" / "outbox.sqlite3", ManualClock().time):
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


class Disk:
    """A disk that fails to order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.answers = threading.Event()
        self.answers.set()
        insert = OutboxFile.insert

        def maybe_insert(file: OutboxFile, rows: Sequence[Row]) -> None:
            self.answers.wait(30)
            if self.full:
                raise OutboxError("the outbox can't be written (disk full)")
            insert(file, rows)

        monkeypatch.setattr(OutboxFile, "insert", maybe_insert)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.answers.set()


def wait_until(done: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_a_disk_that_is_full_costs_no_alert_its_number_and_what_waited_is_written_in_order(
    path: Path, clock: ManualClock, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 2)
        disk.full = True
        told = [outbox.append(an_alert(explanation=str(number))) for number in range(3)]
        assert [message.seq for message in told] == [3, 4, 5]
        assert (outbox.pending, outbox.last_seq, outbox.lost) == (3, 5, 0)
        assert outbox.since(2) == told  # whoever asks finds them all the same
        disk.full = False
        wait_until(lambda: outbox.pending == 0)
        assert seqs(outbox) == [1, 2, 3, 4, 5]
        fill(outbox, 1)
    with Outbox(path, clock.time) as outbox:
        assert [message.explanation for message in outbox.since(2)] == ["0", "1", "2", None]
    assert caplog.text.count("disk full") == 1
    assert "can be written again" in caplog.text


def test_events_that_wait_for_the_disk_are_open_or_over_as_any(path: Path, clock: ManualClock, disk: Disk) -> None:
    with Outbox(path, clock.time) as outbox:
        for event in ("over", "updated"):
            outbox.append(an_alert(id=event))
        disk.full = True
        for event, kind in (
            ("over", "end"),
            ("updated", "update"),
            ("fresh", "new"),
            ("short", "new"),
            ("short", "end"),
        ):
            outbox.append(an_alert(id=event, type=kind))
        assert [(message.id, message.seq) for message in outbox.open_events()] == [("updated", 4), ("fresh", 5)]


def test_beyond_what_memory_holds_the_oldest_are_given_up_and_counted(
    path: Path, clock: ManualClock, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "PENDING_MAX", 3)
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 1)
        disk.full = True
        fill(outbox, 5)
        assert (outbox.pending, outbox.lost) == (3, 2)
        disk.full = False
        wait_until(lambda: outbox.pending == 0)
        assert seqs(outbox) == [1, 4, 5, 6]


def test_what_is_still_in_memory_at_closing_is_lost_and_its_numbers_are_not_given_again(
    path: Path, clock: ManualClock, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 1)
        disk.full = True
        fill(outbox, 2)
    assert "2 alerts that were told are not in the outbox" in caplog.text
    disk.full = False
    with Outbox(path, clock.time) as outbox:
        assert outbox.last_seq == 3
        assert outbox.append(an_alert()).seq == 4
        assert seqs(outbox) == [1, 4]
    assert "2 alerts that were told last are not in the outbox" in caplog.text
    path.unlink()
    with Outbox(path, clock.time) as outbox:  # the mark was another epoch's
        assert outbox.append(an_alert()).seq == 1


def crashed(path: Path, folder: Path) -> Path:
    """What a Vigil that is killed right now would find when it is started again."""
    folder.mkdir()
    for part in path.parent.glob(f"{path.name}*"):
        shutil.copy(part, folder)
    return folder / path.name


def test_numbers_told_while_the_disk_hung_are_not_given_again_after_a_crash(
    path: Path, clock: ManualClock, disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox_module, "WRITE_WAIT_S", 0.05)
    monkeypatch.setattr(outbox_module, "MARK_WAIT_S", 10.0)
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 1)
        disk.answers.clear()
        fill(outbox, 5)
        left = crashed(path, path.parent / "crashed")
        disk.answers.set()
    with Outbox(left, clock.time) as outbox:
        assert (outbox.last_seq, outbox.lost) == (6, 5)
        assert outbox.append(an_alert()).seq == 7
        assert seqs(outbox) == [1, 7]
    assert "5 alerts that were told last are not in the outbox" in caplog.text


def test_alerts_that_a_damaged_log_lost_are_reported_and_their_numbers_not_given_again(
    path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 20)
        left = crashed(path, path.parent / "crashed")
    log = left.with_name(f"{left.name}-wal")
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    with Outbox(left, clock.time) as outbox:
        kept = len(seqs(outbox))
        assert 0 < kept < 20
        assert (outbox.last_seq, outbox.lost) == (20, 20 - kept)
        assert outbox.append(an_alert()).seq == 21
    assert f"{20 - kept} alerts that were told last are not in the outbox" in caplog.text


def test_a_crash_after_an_alert_is_on_disk_and_before_that_is_noted_leaves_no_hole(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 1)
        monkeypatch.setattr(OutboxFile, "mark", lambda file, seq, sync: None)
        fill(outbox, 1)
        left = crashed(path, path.parent / "crashed")
    with Outbox(left, clock.time) as outbox:
        assert (outbox.last_seq, outbox.lost) == (2, 0)


def test_a_mark_never_goes_back(path: Path, clock: ManualClock) -> None:
    file = OutboxFile(path, clock.time)
    file.mark(6, sync=False)
    file.mark(2, sync=True)  # the disk's thread, when it does not hang any more
    file.close()
    file = OutboxFile(path, clock.time)
    assert file.marked_seq == 6
    file.close()


def test_closing_writes_what_waits_if_the_disk_takes_it(path: Path, clock: ManualClock, disk: Disk) -> None:
    with Outbox(path, clock.time) as outbox:
        disk.full = True
        fill(outbox, 2)
        disk.full = False
    with Outbox(path, clock.time) as outbox:
        assert seqs(outbox) == [1, 2]


def test_a_disk_that_does_not_answer_holds_up_neither_alerts_nor_the_end(
    path: Path, clock: ManualClock, disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox_module, "WRITE_WAIT_S", 0.05)
    monkeypatch.setattr(outbox_module, "CLOSE_WAIT_S", 0.05)
    outbox = Outbox(path, clock.time)
    disk.answers.clear()
    started_s = time.monotonic()
    fill(outbox, 50)
    assert outbox.pending == 50
    pruning = outbox.prune(0, 0)
    assert not pruning.done()
    outbox.close()
    assert time.monotonic() - started_s < 10
    assert "left behind" in caplog.text
    disk.answers.set()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "vigil-outbox-disk"]
    thread.join(10)
    assert not thread.is_alive()


def test_another_program_that_holds_the_database_delays_only_the_disk(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 1)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        fill(outbox, 2)
        assert (outbox.pending, outbox.last_seq) == (2, 3)
        assert seqs(outbox) == [1, 2, 3]
        other.execute("ROLLBACK")
        other.close()
        wait_until(lambda: outbox.pending == 0)
        assert seqs(outbox) == [1, 2, 3]


def test_a_history_reads_beside_the_writer_on_a_thread_of_its_own(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox, ThreadPoolExecutor(1) as pool:
        history = OutboxHistory(outbox)
        seen: list[int] = []
        for number in range(1, 51):
            fill(outbox, 1)
            kept = pool.submit(history.since, 0, 1000).result()
            assert kept.last_seq == number
            seen.append(len(kept.alerts))
        assert seen == list(range(1, 51))
        assert outbox.pending == 0
        history.close()


def test_the_course_of_one_event_is_told_also_what_is_not_on_disk_yet(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        history = OutboxHistory(outbox)
        for name in ("A", "B", "A"):
            outbox.append(an_alert(id=name))
        outbox._retry_at_s = time.monotonic() + 1000.0  # as if the disk had just failed
        outbox.append(an_alert(id="A"))
        assert outbox.pending == 1
        assert [seq for seq, _ in history.of_event("A")] == [1, 3, 4]
        assert history.of_event("C") == []
        history.close()


def test_a_network_file_system_is_refused_with_a_reason(
    path: Path, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 0 0:1 / {tmp_path} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(filesystem, "MOUNTS", mounts)
    with pytest.raises(OutboxError, match=r"network file system \(nfs4\).*local disk with --data"):
        Outbox(path, clock.time)
    assert not path.exists()


FULL_DISK = """
import sys, time
from pathlib import Path
from stream import outbox as outbox_module, outbox_file
from stream.outbox import Outbox
from tests.unit.stream.feed.made import an_alert
from {module} import {limit} as limit
outbox_module.RETRY_S = 0.05
folder = Path(sys.argv[1])
with Outbox(folder / "outbox.sqlite3", time.time) as outbox:
    release = limit(folder)
    for number in range(2000):
        assert outbox.append(an_alert(explanation="x" * 1000)).seq == number + 1
        if outbox.pending >= 20:
            break
    assert len(outbox.since(0, 5000)) == outbox.last_seq
    assert outbox.pending >= 20, "it never was full"
    release()
    for _ in range(1000):
        if not outbox.pending:
            break
        time.sleep(0.01)
    assert not outbox.pending
    assert [m.seq for m in outbox.since(0, 5000)] == list(range(1, outbox.last_seq + 1))
print("caught up", outbox.last_seq)
"""


def file_size_limit(folder: Path) -> Callable[[], None]:
    """No file of this process may grow beyond a size, until what is returned is called."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)


def ballast(folder: Path) -> Callable[[], None]:
    """Fill a small disk but for little, until what is returned is called."""
    filler = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    filler.write_bytes(bytes(free - 200_000))
    return filler.unlink


@pytest.mark.skipif(sys.platform != "linux", reason="limits files as Linux does")
@pytest.mark.parametrize("limit", ["file_size_limit", "ballast"])
def test_a_full_disk_is_survived_and_caught_up_with_when_there_is_room_again(tmp_path: Path, limit: str) -> None:
    """Once with files that may not grow, once with a real disk of four megabytes, where one can be mounted."""
    command = [
        sys.executable,
        "-c",
        FULL_DISK.format(module="tests.unit.stream.test_outbox", limit=limit),
        str(tmp_path),
    ]
    if limit == "ballast":
        mount = f'mount -t tmpfs -o size=4m vigil {tmp_path} && exec "$@"'
        alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
        if subprocess.run([*alone, mount, "sh", "true"], capture_output=True).returncode:
            pytest.skip("no disk can be mounted here")
        command = [*alone, mount, "sh", *command]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=REPO, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("caught up")


OF_VERSION_0_1 = (
    b'{"schema":"vigil.alert/1","seq":1,"epoch":"E","type":"new","id":"E1","camera":"front","time":10.5,'
    b'"start_time":9.0,"severity":"alert","score":0.8,"top_score":0.9,"threshold":0.6,"timing":{"frame_time":10.0,'
    b'"window_end":10.5,"scored_time":10.7,"published_time":10.8},"model":{"scorer":"motion","name":"motion"}}'
)


def test_alerts_that_other_versions_wrote_are_read_or_left_out(
    path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    Outbox(path, clock.time).close()
    db = sqlite3.connect(path)
    newer = OF_VERSION_0_1.replace(b"vigil.alert/1", b"vigil.alert/9")
    db.executemany("INSERT INTO alerts VALUES (?, 1.0, ?, 'new', ?)", [(1, "E1", OF_VERSION_0_1), (2, "E2", newer)])
    db.commit()
    db.close()
    with Outbox(path, clock.time) as outbox:
        assert outbox.since(0) == [an_alert(seq=1, epoch="E")]
        assert [message.id for message in outbox.open_events()] == ["E1"]
        assert outbox.append(an_alert()).seq == 3
    assert "alert 2 of the outbox is left out" in caplog.text
