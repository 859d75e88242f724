"""Live and past joined: what is asked, what is answered, and that each alert comes once and in order."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.feed.catch_up import Kept, Refusal, answer, encode
from stream.feed.events import Event, Garbage, Missed, NewEpoch, NoCatchUp, Position, Received, Since
from stream.feed.join import (
    AGAIN_AFTER_MOST_S,
    AGAIN_AFTER_S,
    REFUSED_WITHIN_S,
    REPLY_WITHIN_S,
    TRIES,
    WAITING_MAX,
    Join,
)
from stream.feed.messages import AlertMessage, topic_of
from stream.feed.messages import encode as encode_message
from tests.unit.stream.feed.made import an_alert

ADDRESS = "tcp://127.0.0.1:5558"
CAMERAS = ("front", "back", "yard")


class Publisher:
    """An outbox, what is published of it, and the answers of its catch-up."""

    def __init__(self, epoch: str = "E", run: str = "A") -> None:
        self.epoch = epoch
        self.run = run
        self.told: list[AlertMessage] = []
        self.gone: set[int] = set()

    @property
    def last_seq(self) -> int:
        return len(self.told)

    def tell(self, camera: str = "front", kind: str = "update", event: str = "E1") -> Received:
        """What is published: another alert, with a picture."""
        message = an_alert(seq=self.last_seq + 1, epoch=self.epoch, camera=camera, type=kind, id=event)
        self.told.append(message)
        message = msgspec.structs.replace(message, run=self.run)
        return Received(topic_of(message), 1, message, b"jpeg")

    def since(self, seq: int, limit: int) -> Kept:
        kept = [(m.seq, encode_message(m)) for m in self.told if m.seq not in self.gone]
        return Kept(kept[0][0] if kept else 0, self.last_seq, [row for row in kept if row[0] > seq][:limit])

    def open_events(self) -> Kept:
        last = {message.id: message for message in self.told}
        opened = sorted((m.seq, encode_message(m)) for m in last.values() if m.type != "end")
        return Kept(1, self.last_seq, opened)

    def close(self) -> None: ...

    def reply(self, request: tuple[str, bytes] | None) -> bytes:
        assert request is not None
        return answer(request[1], self, self.run)

    def heard_by(self, join: Join, now_s: float = 0.0) -> list[Event]:
        """A heartbeat."""
        return join.heard(self.run, self.epoch, self.last_seq, now_s)


def a_join(since: Since = "now", cameras: list[str] | None = None, *, address: str | None = ADDRESS) -> Join:
    join = Join(since, cameras)
    join.address = address
    join.connected()
    return join


def seqs(events: list[Event]) -> list[int]:
    return [e.message.seq for e in events if isinstance(e, Received) and isinstance(e.message, AlertMessage)]


def live(join: Join, received: Received, now_s: float) -> list[Event]:
    assert isinstance(received.message, AlertMessage)
    return join.alert(received.message, received.sequence, received.jpeg, now_s)


def test_live_alerts_pass_with_their_pictures_and_nothing_is_asked() -> None:
    publisher, join = Publisher(), a_join()
    publisher.tell()
    assert publisher.heard_by(join) == []
    told = publisher.tell()
    assert live(join, told, 0.0) == [told]
    assert join.ask(0.0) is None
    assert join.position == Position("E", 2)


def test_who_hears_an_alert_first_begins_with_it() -> None:
    publisher, join = Publisher(), a_join()
    publisher.tell()
    assert seqs(live(join, publisher.tell(), 0.0)) == [2]
    assert join.ask(0.0) is None


def test_a_hole_is_filled_before_what_comes_after_it_which_keeps_its_picture() -> None:
    publisher, join = Publisher(), a_join()
    live(join, publisher.tell(), 0.0)
    publisher.tell()
    publisher.tell("back")
    told = publisher.tell()
    assert live(join, told, 0.0) == []
    events = join.answer(publisher.reply(join.ask(0.0)), 0.0)
    assert seqs(events) == [2, 3, 4]
    assert events[-1] == told
    assert [(e.sequence, e.jpeg) for e in events[:2] if isinstance(e, Received)] == [(0, None)] * 2
    assert join.ask(0.0) is None


def test_a_heartbeat_shows_that_the_last_alerts_were_lost() -> None:
    publisher, join = Publisher(), a_join()
    publisher.heard_by(join)
    publisher.tell()
    assert publisher.heard_by(join) == []
    assert seqs(join.answer(publisher.reply(join.ask(0.0)), 0.0)) == [1]


@pytest.mark.parametrize(("since", "expected"), [("all", [1, 2, 3]), (Position("E", 1), [2, 3]), ("now", [])])
def test_the_past_comes_from_where_it_was_asked_for(since: Since, expected: list[int]) -> None:
    publisher, join = Publisher(), a_join(since)
    for _ in range(3):
        publisher.tell()
    publisher.heard_by(join)
    request = join.ask(0.0)
    assert seqs(join.answer(publisher.reply(request), 0.0) if request else []) == expected
    assert seqs(live(join, publisher.tell(), 0.0)) == [4]


def test_a_long_past_comes_in_pages_and_live_alerts_join_it() -> None:
    publisher, join = Publisher(), a_join("all")
    for _ in range(1200):
        publisher.tell()
    received = seqs(publisher.heard_by(join))
    for _ in range(20):
        request = join.ask(0.0)
        if request is None:
            break
        received += seqs(live(join, publisher.tell(), 0.0))
        received += seqs(join.answer(publisher.reply(request), 0.0))
    assert received == list(range(1, publisher.last_seq + 1))
    assert publisher.last_seq == 1203


def test_the_open_events_come_first_and_live_ones_after_them() -> None:
    publisher, join = Publisher(), a_join("open")
    publisher.tell(event="open", kind="new")
    publisher.tell(event="over", kind="new")
    publisher.tell(event="over", kind="end")
    publisher.heard_by(join)
    told = publisher.tell(event="later", kind="new")
    request = join.ask(0.0)
    assert live(join, told, 0.0) == []
    assert seqs(join.answer(publisher.reply(request), 0.0)) == [1, 4]
    assert join.position == Position("E", 4)


def test_other_cameras_are_counted_and_not_handed_out() -> None:
    publisher, join = Publisher(), a_join("all", ["front"])
    for camera in ("front", "back", "front"):
        publisher.tell(camera)
    publisher.heard_by(join)
    assert seqs(join.answer(publisher.reply(join.ask(0.0)), 0.0)) == [1, 3]
    assert seqs(live(join, publisher.tell("back"), 0.0)) == []
    publisher.tell("back")
    assert seqs(live(join, publisher.tell("front"), 0.0)) == []
    assert seqs(join.answer(publisher.reply(join.ask(0.0)), 0.0)) == [6]


def test_more_live_alerts_than_there_is_room_for_are_fetched() -> None:
    publisher, join = Publisher(), a_join("all")
    publisher.tell()
    publisher.heard_by(join)
    request = join.ask(0.0)
    reply = publisher.reply(request)
    for _ in range(WAITING_MAX + 50):
        assert live(join, publisher.tell(), 0.0) == []
    received = seqs(join.answer(reply, 0.0))
    assert received == list(range(1, WAITING_MAX + 2))
    assert seqs(join.answer(publisher.reply(join.ask(0.0)), 0.0)) == list(range(WAITING_MAX + 2, WAITING_MAX + 52))


def test_what_is_not_kept_any_more_is_missed_but_not_by_who_asked_for_all_that_is() -> None:
    publisher = Publisher()
    for _ in range(5):
        publisher.tell()
    publisher.gone = {1, 2, 4}
    cases: list[tuple[Since, int]] = [(Position("E", 1), 2), ("all", 1)]
    for since, expected in cases:
        join = a_join(since)
        publisher.heard_by(join)
        events = join.answer(publisher.reply(join.ask(0.0)), 0.0)
        assert events[0] == Missed("alerts/", expected)
        assert seqs(events) == [3, 5]


def test_an_alert_that_this_version_cannot_read_is_garbage_and_no_reason_to_stop() -> None:
    publisher, join = Publisher(), a_join("all")
    publisher.tell()
    publisher.told[0] = msgspec.structs.replace(publisher.told[0], type="sideways")
    publisher.tell()
    publisher.heard_by(join)
    events = join.answer(publisher.reply(join.ask(0.0)), 0.0)
    assert isinstance(events[0], Garbage)
    assert seqs(events) == [2]


def test_a_new_run_with_the_same_outbox_goes_on_where_the_old_one_was() -> None:
    publisher, join = Publisher(), a_join()
    live(join, publisher.tell(), 0.0)
    join.disconnected()
    publisher.tell()
    publisher.run = "B"
    join.connected()
    publisher.heard_by(join)
    assert seqs(join.answer(publisher.reply(join.ask(0.0)), 0.0)) == [2]


def test_another_outbox_is_told_and_begun_from_its_first_alert() -> None:
    old, join = Publisher(), a_join()
    for _ in range(3):
        live(join, old.tell(), 0.0)
    new = Publisher("F", "B")
    new.tell()
    assert new.heard_by(join) == [NewEpoch("F")]
    assert seqs(join.answer(new.reply(join.ask(0.0)), 0.0)) == [1]
    assert seqs(live(join, new.tell(), 0.0)) == [2]


def test_an_older_copy_of_the_outbox_is_told_and_its_new_alerts_are_not_taken_for_old_ones() -> None:
    publisher, join = Publisher(), a_join()
    for _ in range(9):
        live(join, publisher.tell(), 0.0)
    restored = Publisher("E", "B")
    for _ in range(4):
        restored.tell()
    assert restored.heard_by(join) == [NewEpoch("E")]
    assert seqs(live(join, restored.tell(), 0.0)) == [5]


def test_a_reply_of_a_run_that_is_not_heard_yet_is_no_older_copy() -> None:
    publisher, join = Publisher(), a_join()
    live(join, publisher.tell(), 0.0)
    publisher.tell()
    publisher.heard_by(join)
    publisher.run = "B"
    publisher.tell()
    assert seqs(join.answer(publisher.reply(join.ask(0.0)), 0.0)) == [2, 3]
    assert join.heard("B", "E", 2, 0.0) == []  # said before the reply was given


def test_nothing_is_asked_or_given_up_while_the_publisher_is_away() -> None:
    publisher, join = Publisher(), a_join()
    live(join, publisher.tell(), 0.0)
    publisher.tell()
    publisher.heard_by(join)
    request = join.ask(0.0)
    join.disconnected()
    assert join.answer(publisher.reply(request), 1.0) == []
    assert join.tick(1000.0) == []
    assert join.ask(1000.0) is None
    assert join.due_s(1000.0) is None
    join.connected()
    assert seqs(join.answer(publisher.reply(join.ask(1000.0)), 1000.0)) == [2]


def wait_in_vain(join: Join, tries: int) -> list[Event]:
    events: list[Event] = []
    now_s = 0.0
    for _ in range(tries):
        assert events == []
        assert join.ask(now_s) is not None
        now_s += REPLY_WITHIN_S
        assert join.due_s(now_s - 1) == now_s
        events += join.tick(now_s)
        now_s += AGAIN_AFTER_S
    return events


def test_without_a_reply_it_says_so_once_and_goes_on_live() -> None:
    publisher, join = Publisher(), a_join()
    live(join, publisher.tell(), 0.0)
    publisher.tell()
    told = publisher.tell()
    assert live(join, told, 0.0) == []
    assert wait_in_vain(join, TRIES) == [NoCatchUp(f"no reply from {ADDRESS}"), Missed("alerts/", 1), told]
    publisher.tell()
    later = publisher.tell()
    assert live(join, later, 100.0) == []
    assert join.ask(100.0) is not None
    assert join.tick(100.0 + REPLY_WITHIN_S) == [Missed("alerts/", 1), later]


def test_a_publisher_without_catch_up_is_told_at_once() -> None:
    publisher, join = Publisher(), a_join("open", address=None)
    publisher.tell()
    assert publisher.heard_by(join) == [NoCatchUp("the publisher has no catch-up")]
    publisher.tell()
    told = publisher.tell()
    assert live(join, told, 0.0) == [Missed("alerts/", 1), told]


@pytest.mark.parametrize("reply", [b"", b"{}", b"\xff", encode(Refusal(message="no request", again=False))])
def test_a_reply_that_is_no_answer_is_asked_for_again_and_then_given_up(reply: bytes) -> None:
    publisher, join = Publisher(), a_join("all")
    publisher.tell()
    publisher.heard_by(join)
    events: list[Event] = []
    for number in range(TRIES):
        assert events == []
        assert join.ask(number * AGAIN_AFTER_S) is not None
        events += join.answer(reply, number * AGAIN_AFTER_S)
    assert isinstance(events[0], NoCatchUp)
    assert events[1:] == [Missed("alerts/", 1)]


REFUSAL = encode(Refusal(message="the outbox can't be read (disk I/O error)"))


def refused(join: Join, until_s: float) -> tuple[float, list[Event]]:
    """Refuse all that is asked, until it is given up or the time is over; says when, and what came of it."""
    now_s, asked = 0.0, 0
    while now_s < until_s:
        assert join.ask(now_s) is not None
        asked += 1
        if events := join.answer(REFUSAL, now_s):
            return now_s, events
        due_s = join.due_s(now_s)
        assert due_s is not None
        assert due_s - now_s <= AGAIN_AFTER_MOST_S
        now_s = due_s
    assert asked < 10 + until_s / AGAIN_AFTER_MOST_S
    return now_s, []


def test_a_publisher_that_can_read_its_outbox_again_after_a_while_costs_no_alert() -> None:
    publisher, join = Publisher(), a_join(Position("E", 1))
    for _ in range(5):
        publisher.tell()
    publisher.heard_by(join)
    now_s, events = refused(join, REFUSED_WITHIN_S / 2)
    assert (events, join.position) == ([], Position("E", 1))
    assert seqs(join.answer(publisher.reply(join.ask(now_s)), now_s)) == [2, 3, 4, 5]


def test_a_publisher_that_refuses_for_minutes_is_given_up() -> None:
    publisher, join = Publisher(), a_join(Position("E", 1))
    for _ in range(5):
        publisher.tell()
    publisher.heard_by(join)
    now_s, events = refused(join, 10 * REFUSED_WITHIN_S)
    assert now_s >= REFUSED_WITHIN_S
    assert events == [NoCatchUp("the outbox can't be read (disk I/O error)"), Missed("alerts/", 4)]


def test_a_number_that_the_outbox_does_not_reach_swallows_nothing() -> None:
    publisher, join = Publisher(), a_join(Position("", 7))
    publisher.tell()
    assert publisher.heard_by(join) == [NewEpoch("E")]
    assert [seqs(live(join, publisher.tell(), 0.0)) for _ in range(3)] == [[2], [3], [4]]


def test_the_number_that_comes_next_may_be_asked_for() -> None:
    publisher, join = Publisher(), a_join(Position("", 1))
    publisher.tell()
    assert publisher.heard_by(join) == []
    assert seqs(live(join, publisher.tell(), 0.0)) == [2]


def test_catch_up_that_lacks_what_the_feed_told_is_asked_again_and_then_given_up() -> None:
    publisher, join = Publisher(), a_join("all")
    join.heard("A", "E", 3, 0.0)
    now_s, events = 0.0, list[Event]()
    for _ in range(TRIES):
        assert events == []
        events += join.answer(publisher.reply(join.ask(now_s)), now_s)
        assert join.ask(now_s) is None
        now_s += AGAIN_AFTER_S
    assert events[1:] == [Missed("alerts/", 3)]


def test_a_hole_that_is_seen_before_the_publisher_has_said_where_to_ask_waits_for_that() -> None:
    publisher, join = Publisher(), a_join(Position("E", 0), address="")
    publisher.tell()
    told = publisher.tell()
    assert live(join, told, 0.0) == []
    assert join.ask(0.0) is None
    assert join.due_s(0.0) is None
    join.address = ADDRESS
    assert seqs(join.answer(publisher.reply(join.ask(0.0)), 0.0)) == [1, 2]


def test_alerts_without_numbers_pass_as_they_come() -> None:
    join = a_join(cameras=["front"])
    both = [Received("alerts/front/", 1, an_alert()), Received("alerts/back/", 1, an_alert(camera="back"))]
    assert [live(join, one, 0.0) for one in both] == [[both[0]], []]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.sampled_from(CAMERAS), st.booleans()),  # whether it arrives
        st.tuples(st.sampled_from(["heartbeat", "answer", "cut", "restart"])),
    ),
    max_size=80,
)


@settings(deadline=None, max_examples=200)
@given(STEPS, st.sampled_from([None, ["front"], ["front", "yard"]]), st.integers(0, 5))
def test_whatever_is_lost_each_alert_comes_once_and_in_order(
    steps: list[tuple[object, ...]], cameras: list[str] | None, past: int
) -> None:
    publisher, join = Publisher(), a_join(Position("E", 0), cameras)
    for _ in range(past):
        publisher.tell()
    events: list[Event] = []
    connected = True
    for step in [*steps, ("heartbeat",), *[("answer",)] * 3]:
        match step:
            case ("tell", str(camera), bool(arrives)):
                told = publisher.tell(camera)
                events += live(join, told, 0.0) if arrives and connected else []
            case ("heartbeat",):
                if not connected:
                    join.connected()
                connected = True
                events += publisher.heard_by(join)
            case ("answer",):
                request = join.ask(0.0)
                events += join.answer(publisher.reply(request), 0.0) if request else []
            case _:
                publisher.run += "A" if step == ("restart",) else ""
                join.disconnected()
                connected = False
    assert seqs(events) == [m.seq for m in publisher.told if cameras is None or m.camera in cameras]
    assert all(isinstance(event, Received) for event in events)
