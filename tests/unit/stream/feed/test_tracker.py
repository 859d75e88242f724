from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import FeedError, UsageError
from stream.feed.messages import (
    AlertMessage,
    Kind,
    Message,
    StatusMessage,
    encode,
    encode_sequence,
    topic_of,
)
from stream.feed.tracker import (
    SILENT_AFTER_S,
    WAITING_AFTER_S,
    Event,
    Garbage,
    Link,
    Missed,
    Received,
    Restarted,
    Tracker,
)
from tests.unit.stream.feed import made

ENDPOINT = "tcp://127.0.0.1:5557"


def an_alert(camera: str = "front", run: str = "A") -> AlertMessage:
    return made.an_alert(camera=camera, run=run)


def a_status(alerts_sent: int = 0) -> StatusMessage:
    return made.a_status(alerts_sent=alerts_sent, run="A")


def a_tracker(
    kinds: Sequence[Kind] = ("alerts",), cameras: Sequence[str] | None = None, timeout_s: float | None = None
) -> Tracker:
    return Tracker(ENDPOINT, kinds, cameras, timeout_s, 0.0)


def frames(message: Message, sequence: int) -> list[bytes]:
    return [topic_of(message).encode(), encode_sequence(sequence), encode(message)]


def notices(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Received)]


def test_it_subscribes_to_what_was_asked_for_and_to_the_heartbeat() -> None:
    assert a_tracker().topics == ["alerts/", "status/"]
    assert a_tracker(("scores",), ["a", "b"]).topics == ["scores/a/", "scores/b/", "status/a/", "status/b/"]


def test_one_name_for_many_cameras_is_refused() -> None:
    with pytest.raises(UsageError, match="front"):
        a_tracker(cameras="front")


def test_a_message_comes_with_its_topic_sequence_and_picture() -> None:
    events = a_tracker().take([*frames(an_alert(), 4), b"jpeg"], 1.0)
    assert events == [Received("alerts/front/", 4, an_alert(), b"jpeg")]


def test_who_joins_late_has_missed_nothing() -> None:
    tracker = a_tracker()
    assert notices(tracker.take(frames(an_alert(), 900), 1.0)) == []
    assert notices(tracker.take(frames(an_alert("back"), 5), 1.0)) == []
    assert notices(tracker.take(frames(an_alert(), 901), 1.0)) == []


def test_a_gap_is_told_before_the_message_after_it() -> None:
    tracker = a_tracker()
    tracker.take(frames(an_alert(), 1), 1.0)
    first, second = tracker.take(frames(an_alert(), 5), 1.0)
    assert first == Missed("alerts/front/", 3)
    assert isinstance(second, Received)


def test_gaps_are_counted_per_camera() -> None:
    tracker = a_tracker()
    tracker.take(frames(an_alert(), 1), 1.0)
    tracker.take(frames(an_alert("back"), 7), 1.0)
    assert notices(tracker.take(frames(an_alert(), 2), 1.0)) == []
    assert notices(tracker.take(frames(an_alert("back"), 9), 1.0)) == [Missed("alerts/back/", 1)]


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=60))
def test_received_and_missed_add_up_to_sent(arrives: list[bool]) -> None:
    tracker = a_tracker()
    tracker.take(frames(a_status(0), 1), 0.0)
    received = missed = 0
    for sequence, does in enumerate(arrives, start=1):
        for event in tracker.take(frames(an_alert(), sequence), 0.0) if does else []:
            received += isinstance(event, Received)
            missed += event.count if isinstance(event, Missed) else 0
    for event in tracker.take(frames(a_status(len(arrives)), 2), 0.0):
        missed += event.count if isinstance(event, Missed) else 0
    assert received == sum(arrives)
    assert received + missed == len(arrives)


def test_a_status_reveals_that_the_last_alerts_were_lost_and_they_are_told_once() -> None:
    tracker = a_tracker()
    tracker.take(frames(an_alert(), 3), 1.0)
    assert tracker.take(frames(a_status(5), 1), 1.0) == [Missed("alerts/front/", 2)]
    assert tracker.take(frames(a_status(5), 2), 1.0) == []
    assert notices(tracker.take(frames(an_alert(), 6), 1.0)) == []


def test_the_first_alert_of_a_known_camera_is_missed_too() -> None:
    tracker = a_tracker()
    assert tracker.take(frames(a_status(0), 8), 1.0) == []
    assert notices(tracker.take(frames(an_alert(), 2), 1.0)) == [Missed("alerts/front/", 1)]


def test_only_what_was_asked_for_is_handed_out_or_missed() -> None:
    tracker = a_tracker(("alerts",))
    assert tracker.take(frames(a_status(), 1), 1.0) == []
    assert tracker.take(frames(a_status(), 5), 1.0) == []


def test_another_run_is_no_gap_but_what_it_said_meanwhile_is() -> None:
    tracker = a_tracker()
    tracker.take(frames(an_alert(), 70), 1.0)
    assert notices(tracker.take(frames(an_alert(run="B"), 1), 2.0)) == [Restarted("B")]
    events = notices(tracker.take(frames(an_alert(run="C"), 3), 3.0))
    assert events == [Restarted("C"), Missed("alerts/front/", 2)]


def garbage() -> list[list[bytes]]:
    good = frames(an_alert(), 2)
    return [
        [],
        [b"alerts/front/"],
        [good[0], b"short", good[2]],
        [good[0], good[1], b"{}"],
        [good[0], good[1], b"\x00\xff"],
        [b"alerts/back/", good[1], good[2]],
        [b"alerts/a/b/", good[1], good[2].replace(b"front", b"a/b")],
        [b"\xff", good[1], good[2]],
        [*good, b"jpeg", b"more"],
    ]


@pytest.mark.parametrize("wire", garbage())
def test_garbage_is_told_and_survived(wire: list[bytes]) -> None:
    tracker = a_tracker()
    tracker.take(frames(an_alert(), 1), 1.0)
    (event,) = tracker.take(wire, 1.0)
    assert isinstance(event, Garbage)
    after = tracker.take(frames(an_alert(), 3), 1.0)
    assert [event for event in after if isinstance(event, Received)]


def test_a_message_that_could_not_be_read_is_not_missed_as_well() -> None:
    tracker = a_tracker()
    tracker.take(frames(an_alert(), 1), 1.0)
    unreadable = [*frames(an_alert(), 2)[:2], b'{"schema": "vigil.alert/9"}']
    assert len(tracker.take(unreadable, 1.0)) == 1
    assert notices(tracker.take(frames(an_alert(), 3), 1.0)) == []


@settings(deadline=None)
@given(st.lists(st.lists(st.binary(max_size=30), max_size=5), max_size=10))
def test_no_bytes_at_all_raise(wires: list[list[bytes]]) -> None:
    tracker = a_tracker()
    for wire in wires:
        assert all(isinstance(event, Garbage) for event in tracker.take(wire, 0.0))


def test_waiting_is_told_once_and_only_when_nobody_answers() -> None:
    tracker = a_tracker()
    assert tracker.tick(WAITING_AFTER_S - 0.1) == []
    assert tracker.wait_s(0.0) == WAITING_AFTER_S
    assert tracker.tick(WAITING_AFTER_S) == [Link.WAITING]
    assert tracker.tick(WAITING_AFTER_S + 100) == []
    quick = a_tracker()
    assert quick.connected(0.1) == [Link.CONNECTED]
    assert quick.tick(WAITING_AFTER_S) == []


def test_a_lost_connection_and_its_return_are_told() -> None:
    tracker = a_tracker()
    assert tracker.disconnected() == []  # it never was there
    tracker.connected(1.0)
    assert tracker.disconnected() == [Link.LOST]
    assert tracker.disconnected() == []
    assert tracker.connected(9.0) == [Link.CONNECTED]


def test_a_publisher_that_hangs_is_silent_until_it_is_heard_again() -> None:
    tracker = a_tracker()
    tracker.connected(0.0)
    tracker.take(frames(a_status(), 1), 4.0)
    assert tracker.tick(4.0 + SILENT_AFTER_S - 0.1) == []
    assert tracker.tick(4.0 + SILENT_AFTER_S) == [Link.SILENT]
    assert tracker.tick(100.0) == []
    assert tracker.silent_s(100.0) == 96.0
    assert tracker.take(frames(a_status(), 2), 101.0) == [Link.CONNECTED]
    assert tracker.silent_s(101.0) == 0.0


def test_the_timeout_counts_from_the_last_message_asked_for_not_from_heartbeats() -> None:
    tracker = a_tracker(timeout_s=3.0)
    tracker.connected(0.0)
    tracker.take(frames(an_alert(), 1), 2.0)
    tracker.take(frames(a_status(1), 1), 4.0)
    assert tracker.wait_s(4.0) == 1.0
    assert tracker.tick(4.9) == []
    with pytest.raises(FeedError, match=r"no message from tcp://127.0.0.1:5557 in 3 s.*said nothing"):
        tracker.tick(5.0)


def test_a_timeout_without_a_publisher_says_that_nobody_is_there() -> None:
    with pytest.raises(FeedError, match="nobody publishes"):
        a_tracker(timeout_s=0.5).tick(0.5)


def test_the_wait_is_never_negative() -> None:
    assert a_tracker(timeout_s=1.0).wait_s(50.0) == 0.0
