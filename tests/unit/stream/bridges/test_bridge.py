from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BridgeError
from stream import backoff
from stream.bridges import bridge as bridging
from stream.bridges import ledger as ledgers
from stream.bridges.ledger import DeadLetter, Ledger
from stream.bridges.scripted import ScriptedSink
from stream.bridges.sink import Failed, Refused, Unreachable
from stream.feed.events import Position
from stream.metrics import Metrics
from tests.unit.stream.bridges.made import SOON_S, bridge, closing, numbers, open_outbox, tell, until, value


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are a hundredth of what they are."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)


def test_everything_is_delivered_in_order_and_what_is_told_meanwhile_as_well(tmp_path: Path) -> None:
    sink = ScriptedSink()
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 250)  # more than is read at once
        running = bridge(tmp_path, outbox, sink)
        with closing(running):
            assert sink.wait_for(250, SOON_S)
            tell(outbox, 3)
            running.wake()
            assert sink.wait_for(253, SOON_S)
    assert numbers(sink.delivered) == list(range(1, 254))
    assert sink.delivered[0].body == sink.delivered[0].body.strip()
    assert sink.delivered[0].alert.seq == 1


def test_an_alert_that_nobody_announced_is_found_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridging, "POLL_S", 0.05)
    sink = ScriptedSink()
    with open_outbox(tmp_path) as outbox, closing(bridge(tmp_path, outbox, sink)):
        tell(outbox)
        assert sink.wait_for(1, SOON_S)


def test_the_end_delivers_what_was_told_last(tmp_path: Path) -> None:
    sink = ScriptedSink()
    with open_outbox(tmp_path) as outbox:
        with closing(bridge(tmp_path, outbox, sink)):
            tell(outbox, 5)
        assert numbers(sink.delivered) == [1, 2, 3, 4, 5]


def test_a_new_bridge_begins_where_it_is_told_to_and_later_goes_on_where_it_was(tmp_path: Path) -> None:
    first, second = ScriptedSink(), ScriptedSink()
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 2)
        with closing(bridge(tmp_path, outbox, first, begin="now")):
            tell(outbox, 2)
            assert first.wait_for(2, SOON_S)
        tell(outbox, 2)
        with closing(bridge(tmp_path, outbox, second, begin="now")):
            assert second.wait_for(2, SOON_S)
    assert numbers(first.delivered) == [3, 4]
    assert numbers(second.delivered) == [5, 6]


def test_a_bridge_that_delivered_nothing_yet_has_its_place_all_the_same(tmp_path: Path) -> None:
    sink = ScriptedSink()
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 3)
        with closing(bridge(tmp_path, outbox, ScriptedSink(), begin="now")):
            pass
        tell(outbox, 2)
        with closing(bridge(tmp_path, outbox, sink, begin="now")):
            assert sink.wait_for(2, SOON_S)
    assert numbers(sink.delivered) == [4, 5]


def test_another_outbox_is_delivered_from_its_first_alert(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 3)
        with closing(bridge(tmp_path, outbox, ScriptedSink())):
            pass
    sink = ScriptedSink()
    with open_outbox(tmp_path / "other") as outbox:
        tell(outbox, 2)
        with closing(bridge(tmp_path, outbox, sink, begin="now")):
            assert sink.wait_for(2, SOON_S)
    assert numbers(sink.delivered) == [1, 2]
    assert "another outbox" in caplog.text


def test_an_older_copy_of_the_outbox_is_gone_on_from_where_it_is(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    with open_outbox(data) as outbox:
        tell(outbox, 2)
    shutil.copytree(data, copy)
    with open_outbox(data) as outbox:
        tell(outbox, 3)
        with closing(bridge(tmp_path, outbox, ScriptedSink())):
            pass
    sink = ScriptedSink()
    with open_outbox(copy) as outbox, closing(bridge(tmp_path, outbox, sink)):
        tell(outbox, 2)
        assert sink.wait_for(2, SOON_S)
    assert numbers(sink.delivered) == [3, 4]


def test_what_is_not_wanted_is_passed_over_for_good(tmp_path: Path) -> None:
    sink = ScriptedSink()
    with open_outbox(tmp_path) as outbox:
        for kind in ("new", "update", "end", "update"):
            tell(outbox, type=kind)
        with closing(bridge(tmp_path, outbox, sink, wants=lambda alert: alert.type != "update")):
            assert sink.wait_for(2, SOON_S)
        assert numbers(sink.delivered) == [1, 3]
        ledger = Ledger(tmp_path)
        assert ledger.position("ours") == Position(outbox.epoch, 4)
        ledger.close()


@pytest.mark.parametrize("fault", [Unreachable("nobody there"), Failed("broke off"), ValueError("a fault of ours")])
def test_after_a_fault_the_same_alert_is_tried_again(
    tmp_path: Path, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sink, metrics = ScriptedSink([None, fault, fault]), Metrics("1")
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 3)
        with closing(bridge(tmp_path, outbox, sink, metrics=metrics)):
            assert sink.wait_for(3, SOON_S)
            until(lambda: value(metrics, "vigil_bridge_delivered_total") == 3)
    assert numbers(sink.delivered) == [1, 2, 3]
    assert (sink.attempts, sink.sessions) == (5, 3)
    assert value(metrics, "vigil_bridge_failed_total") == 2
    told = [
        record for record in caplog.records if record.levelno >= logging.WARNING and "tried again" in record.message
    ]
    assert len(told) == 1  # once, however often it fails
    assert "delivers again" in caplog.text


def test_a_receiver_that_can_not_be_reached_is_waited_for_and_nothing_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridging, "GIVE_UP_S", 0.0)
    sink = ScriptedSink([Unreachable("nobody there")] * 15, opening=[Unreachable("nobody there")] * 5)
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 2)
        with closing(bridge(tmp_path, outbox, sink)):
            assert sink.wait_for(2, SOON_S)
    assert numbers(sink.delivered) == [1, 2]


def test_an_alert_that_is_refused_is_set_aside_at_once_and_the_others_go_on(tmp_path: Path) -> None:
    sink, metrics = ScriptedSink([None, Refused("no such thing"), None]), Metrics("1")
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 3)
        with closing(bridge(tmp_path, outbox, sink, metrics=metrics)):
            assert sink.wait_for(2, SOON_S)
        (dead,) = dead_letters(tmp_path)
        assert (dead.bridge, dead.place, dead.reason) == ("ours", Position(outbox.epoch, 2), "no such thing")
    assert numbers(sink.delivered) == [1, 3]
    assert (sink.attempts, sink.sessions) == (3, 1)
    assert value(metrics, "vigil_bridge_dead_letters_total") == 1


def test_an_alert_that_fails_for_long_is_set_aside_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridging, "GIVE_UP_S", 0.0)
    sink = ScriptedSink([*[Failed("500")] * bridging.MOST_TRIES, *[Failed("500")] * (bridging.MOST_TRIES - 1)])
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 2)
        with closing(bridge(tmp_path, outbox, sink)):
            assert sink.wait_for(1, SOON_S)
    assert numbers(sink.delivered) == [2]  # it failed once less often
    assert [letter.place.seq for letter in dead_letters(tmp_path)] == [1]


def test_dead_letters_beyond_what_is_kept_are_counted_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ledgers, "MOST_DEAD_LETTERS", 1)
    sink, metrics = ScriptedSink([Refused("no")] * 3), Metrics("1")
    with open_outbox(tmp_path) as outbox, closing(bridge(tmp_path, outbox, sink, metrics=metrics)):
        tell(outbox, 4)
        assert sink.wait_for(1, SOON_S)
    assert [letter.place.seq for letter in dead_letters(tmp_path)] == [3]
    assert value(metrics, "vigil_bridge_lost_total") == 2
    assert caplog.text.count("too many dead letters: the oldest 1 can't be delivered any more") == 2


def test_a_dead_letter_is_delivered_when_it_is_asked_for_and_then_forgotten(tmp_path: Path) -> None:
    sink = ScriptedSink([Refused("not now")])
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 3)
        running = bridge(tmp_path, outbox, sink)
        with closing(running):
            assert sink.wait_for(2, SOON_S)
            until(lambda: dead_letters(tmp_path))
            ledger = Ledger(tmp_path)
            assert ledger.try_again() == 1
            ledger.close()
            running.wake()
            assert sink.wait_for(3, SOON_S)
            until(lambda: not dead_letters(tmp_path))
    assert [(letter.place.seq, letter.again) for letter in sink.delivered] == [(2, False), (3, False), (1, True)]


def test_a_dead_letter_that_is_refused_again_stays_and_is_not_tried_once_more(tmp_path: Path) -> None:
    sink = ScriptedSink([Refused("no"), Refused("still no")])
    with open_outbox(tmp_path) as outbox:
        tell(outbox)
        running = bridge(tmp_path, outbox, sink)
        with closing(running):
            until(lambda: dead_letters(tmp_path))
            ledger = Ledger(tmp_path)
            ledger.try_again()
            ledger.close()
            running.wake()
            until(lambda: [letter.reason for letter in dead_letters(tmp_path)] == ["still no"])
            tell(outbox)
            running.wake()
            assert sink.wait_for(1, SOON_S)
    assert sink.attempts == 3


def test_alerts_that_were_pruned_before_they_were_delivered_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink, metrics = ScriptedSink(), Metrics("1")
    with open_outbox(tmp_path) as outbox:
        with closing(bridge(tmp_path, outbox, ScriptedSink())):
            tell(outbox, 2, type="end")
        tell(outbox, 8, type="end")
        outbox.prune(max_age_s=3600.0, max_bytes=0).result(10)
        with closing(bridge(tmp_path, outbox, sink, metrics=metrics)):
            assert sink.wait_for(1, SOON_S)
    assert numbers(sink.delivered) == [10]
    assert value(metrics, "vigil_bridge_lost_total") == 7
    assert "7 alerts were gone" in caplog.text


def test_without_a_ledger_to_write_to_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise BridgeError("the disk is full")

    sink = ScriptedSink()
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 4)
        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "keep", full)
            with closing(bridge(tmp_path, outbox, sink)):
                assert sink.wait_for(4, SOON_S)
        again = ScriptedSink()
        with closing(bridge(tmp_path, outbox, again)):
            assert again.wait_for(4, SOON_S)  # it does not know better


def test_a_bridge_that_is_stuck_delays_no_other_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridging, "FINISH_S", 0.1)
    monkeypatch.setattr(bridging, "LEAVE_S", 0.1)
    released = threading.Event()

    class Stuck(ScriptedSink):
        async def deliver(self, letter: object) -> None:
            released.wait(SOON_S)  # as a library that blocks the loop would

    stuck, sink = Stuck(), ScriptedSink()
    with open_outbox(tmp_path) as outbox:
        tell(outbox, 2)
        blocked = bridge(tmp_path, outbox, stuck, name="stuck")
        with closing(blocked, bridge(tmp_path, outbox, sink)):
            assert sink.wait_for(2, SOON_S)
        assert numbers(sink.delivered) == [1, 2]
        assert blocked.seq == 0
        released.set()
        assert blocked.join(SOON_S)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 7),  # alerts told before
            st.lists(st.sampled_from([None, Failed("no"), Unreachable("no"), Refused("no")]), max_size=6),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_fails_in_whatever_order_every_alert_is_delivered_once_in_order_or_a_dead_letter(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[int, list[Exception | None]]]
) -> None:
    folder = tmp_path_factory.mktemp("bridge")
    delivered: list[int] = []
    with open_outbox(folder) as outbox:
        for count, faults in runs:
            tell(outbox, count)
            sink = ScriptedSink(faults)
            running = bridge(folder, outbox, sink)
            with closing(running):
                until(lambda running=running, last=outbox.last_seq: running.seq == last)  # type: ignore[misc]
            delivered += numbers(sink.delivered)
        dead = [letter.place.seq for letter in dead_letters(folder)]
        assert delivered == sorted(set(delivered))
        assert sorted(delivered + dead) == list(range(1, outbox.last_seq + 1))


def dead_letters(folder: Path) -> list[DeadLetter]:
    ledger = Ledger(folder)
    try:
        return ledger.dead_letters()
    finally:
        ledger.close()
