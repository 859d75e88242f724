from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BridgeError
from stream.bridges import ledger as ledgers
from stream.bridges.ledger import FILE_NAME, DeadLetter, Ledger
from stream.feed.events import Position


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def open_ledger(folder: Path, opened: ExitStack) -> Ledger:
    ledger = Ledger(folder)
    opened.callback(ledger.close)
    return ledger


def dead(seq: int, bridge: str = "hook", **changes: object) -> DeadLetter:
    values = {"time_s": float(seq), "reason": "no", "body": b"{}", "again": False} | changes
    return DeadLetter(bridge, Position("E", seq), **values)  # type: ignore[arg-type]


def test_each_bridge_has_its_own_place_and_it_outlives_the_ledger(tmp_path: Path, opened: ExitStack) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.position("mqtt") is None
    ledger.keep("mqtt", Position("E", 4))
    ledger.keep("hook", Position("E", 2))
    ledger.keep("mqtt", Position("F", 1))
    ledger.close()
    ledger = open_ledger(tmp_path, opened)
    assert (ledger.position("mqtt"), ledger.position("hook")) == (Position("F", 1), Position("E", 2))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text("EFG", min_size=1, max_size=2), st.integers(0, 2**62))))
def test_a_place_is_what_was_kept_last(
    tmp_path_factory: pytest.TempPathFactory, kept: list[tuple[str, str, int]]
) -> None:
    with ExitStack() as opened:
        folder = tmp_path_factory.mktemp("ledger")
        writer, reader = open_ledger(folder, opened), open_ledger(folder, opened)
        latest: dict[str, Position] = {}
        for bridge, epoch, seq in kept:
            latest[bridge] = Position(epoch, seq)
            writer.keep(bridge, latest[bridge])
            assert {name: reader.position(name) for name in latest} == latest


def test_a_dead_letter_and_the_place_behind_it_are_kept_together(
    tmp_path: Path, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path, opened)
    ledger.set_aside(dead(1), Position("E", 1))

    def broken(*_: object) -> None:
        raise BridgeError("no")

    monkeypatch.setattr(ledger, "_keep", broken)
    with pytest.raises(BridgeError):
        ledger.set_aside(dead(2), Position("E", 2))
    assert ledger.dead_letters() == [dead(1)]
    assert ledger.position("hook") == Position("E", 1)


def test_dead_letters_are_tried_again_one_bridge_at_a_time_or_all(tmp_path: Path, opened: ExitStack) -> None:
    ledger = open_ledger(tmp_path, opened)
    for letter in (dead(1), dead(2), dead(3, "other")):
        ledger.set_aside(letter, letter.place)
    assert ledger.next_again("hook") is None
    assert ledger.try_again("hook") == 2
    assert ledger.next_again("hook") == dead(1, again=True)
    assert ledger.next_again("other") is None
    ledger.forget("hook", Position("E", 1))
    assert ledger.next_again("hook") == dead(2, again=True)
    ledger.set_aside(dead(2, reason="still no"), Position("E", 9))
    assert ledger.next_again("hook") is None
    assert ledger.dead_letters("hook") == [dead(2, reason="still no")]
    assert ledger.try_again() == 2


def test_the_oldest_dead_letters_of_a_bridge_go_when_there_are_too_many(
    tmp_path: Path, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "MOST_DEAD_LETTERS", 3)
    ledger = open_ledger(tmp_path, opened)
    ledger.set_aside(dead(1, "other"), Position("E", 1))
    gone = [ledger.set_aside(dead(seq), Position("E", seq)) for seq in range(1, 8)]
    assert gone == [0, 0, 0, 1, 1, 1, 1]
    assert [letter.place.seq for letter in ledger.dead_letters("hook")] == [5, 6, 7]
    assert len(ledger.dead_letters("other")) == 1


def test_a_damaged_file_is_set_aside(tmp_path: Path, opened: ExitStack, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 100)
    ledger = open_ledger(tmp_path, opened)
    ledger.keep("hook", Position("E", 1))
    assert [path.read_bytes()[:11] for path in tmp_path.glob("*.damaged-*")] == [b"no database"]
    assert "is damaged" in caplog.text


def test_a_folder_that_can_not_be_written_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BridgeError, match="can't be opened"):
        Ledger(tmp_path / "file" / "data")


def test_a_file_of_a_newer_version_is_left_alone(
    tmp_path: Path, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ledger(tmp_path, opened)
    monkeypatch.setattr(ledgers, "FORMAT", 0)
    with pytest.raises(BridgeError, match="newer version"):
        Ledger(tmp_path)
