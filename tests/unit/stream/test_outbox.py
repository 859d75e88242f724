import logging
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import OutboxError
from stream import outbox as outbox_module
from stream.clock import ManualClock
from stream.feed.messages import encode
from stream.outbox import Outbox
from tests.unit.stream.feed.made import an_alert

REPO = Path(__file__).parents[3]


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
        assert outbox.prune(max_age_s=50, max_bytes=10**9) == 3
        assert seqs(outbox) == [4, 5]
        assert outbox.first_seq == 4
        assert outbox.prune(max_age_s=50, max_bytes=10**9) == 0


def test_pruning_by_size_keeps_the_newest_that_fit(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        fill(outbox, 9)
        one = len(encode(outbox.since(8)[0]))
        assert outbox.prune(max_age_s=1e9, max_bytes=3 * one + one // 2) == 6
        assert seqs(outbox) == [7, 8, 9]


def test_pruning_everything_goes_on_counting(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        assert outbox.prune(max_age_s=0, max_bytes=0) == 0
        fill(outbox, 3)
        clock.advance(10)
        assert outbox.prune(max_age_s=1, max_bytes=0) == 2
    with Outbox(path, clock.time) as outbox:
        assert outbox.append(an_alert()).seq == 4


def test_pruning_gives_the_disk_its_room_back(path: Path, clock: ManualClock) -> None:
    with Outbox(path, clock.time) as outbox:
        for _ in range(50):
            outbox.append(an_alert(type="end", explanation="long " * 4000))
    full = path.stat().st_size
    with Outbox(path, clock.time) as outbox:
        outbox.prune(max_age_s=1e9, max_bytes=100_000)
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
        outbox.prune(max_age_s=data.draw(st.floats(0, 20)), max_bytes=data.draw(st.integers(0, 10_000)))
        assert outbox.open_events() == before
        assert outbox.last_seq == len(told)
        assert seqs(outbox) == list(range(outbox.first_seq, len(told) + 1))[: len(told)]


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
    monkeypatch.setattr(outbox_module, "BUSY_S", 0.05)
    with Outbox(path, clock.time) as outbox:
        with pytest.raises(OutboxError, match="another Vigil"):
            Outbox(path, clock.time)
        assert outbox.append(an_alert()).seq == 1
    with Outbox(path, clock.time) as outbox:
        assert outbox.last_seq == 1


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
