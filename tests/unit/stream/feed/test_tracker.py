import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import FeedError, UsageError
from stream.feed.catch_up import PAGE_ALERTS
from stream.feed.events import (
    SILENT_AFTER_S,
    Event,
    Garbage,
    Link,
    Missed,
    NoCatchUp,
    Received,
    Restarted,
    Since,
)
from stream.feed.messages import (
    AlertMessage,
    Kind,
    Message,
    ScoreMessage,
    StatusMessage,
    encode,
    encode_sequence,
    topic_of,
)
from stream.feed.tracker import WAITING_AFTER_S, Tracker
from tests.unit.stream.feed import made

ENDPOINT = "tcp://127.0.0.1:5557"


def an_alert(camera: str = "front", **changes: object) -> AlertMessage:
    return made.an_alert(camera=camera, run="A", **changes)


def a_score(camera: str = "front", run: str = "A") -> ScoreMessage:
    return ScoreMessage(camera=camera, time=1, pts_s=1, segment=0, index=0, raw=None, cleaned=None, score=None, run=run)


def a_status(**changes: object) -> StatusMessage:
    return made.a_status(run="A", epoch="E", **changes)


def a_tracker(
    kinds: Sequence[Kind] = ("alerts",),
    cameras: Sequence[str] | None = None,
    timeout_s: float | None = None,
    since: Since = "now",
    catch_up: str | None = None,
) -> Tracker:
    return Tracker(ENDPOINT, kinds, cameras, timeout_s, 0.0, since=since, catch_up=catch_up)


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


def test_a_gap_in_scores_is_told_before_the_score_after_it() -> None:
    tracker = a_tracker(("scores",))
    tracker.take(frames(a_score(), 1), 1.0)
    first, second = tracker.take(frames(a_score(), 5), 1.0)
    assert first == Missed("scores/front/", 3)
    assert isinstance(second, Received)


def test_gaps_in_scores_are_counted_per_camera() -> None:
    tracker = a_tracker(("scores",))
    tracker.take(frames(a_score(), 1), 1.0)
    tracker.take(frames(a_score("back"), 7), 1.0)
    assert notices(tracker.take(frames(a_score(), 2), 1.0)) == []
    assert notices(tracker.take(frames(a_score("back"), 9), 1.0)) == [Missed("scores/back/", 1)]


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=60))
def test_scores_received_and_missed_add_up_to_those_sent(arrives: list[bool]) -> None:
    tracker = a_tracker(("scores",))
    tracker.take(frames(a_score(), 1), 0.0)
    received = missed = 0
    for sequence, does in enumerate([*arrives, True], start=2):
        for event in tracker.take(frames(a_score(), sequence), 0.0) if does else []:
            received += isinstance(event, Received)
            missed += event.count if isinstance(event, Missed) else 0
    assert received == sum(arrives) + 1
    assert received + missed == len(arrives) + 1


def test_an_alert_that_is_lost_is_asked_for_where_the_publisher_says_under_the_host_it_is_reached_by() -> None:
    tracker = a_tracker(("alerts",))
    tracker.connected(0.0)
    tracker.take(frames(a_status(last_alert_seq=3, catch_up="tcp://127.0.0.2:7777"), 1), 0.0)
    assert tracker.ask(0.0) is None
    tracker.take(frames(a_status(last_alert_seq=4, catch_up="tcp://127.0.0.2:7777"), 2), 0.0)
    address, request = tracker.ask(0.0) or ("", b"")
    assert address == "tcp://127.0.0.1:7777"
    assert json.loads(request) == {"schema": "vigil.range/1", "after": 3, "cameras": None, "limit": PAGE_ALERTS}


def test_an_address_for_catch_up_that_is_given_wins_over_the_one_that_is_told() -> None:
    tracker = a_tracker(since="all", catch_up="tcp://127.0.0.1:9")
    tracker.connected(0.0)
    tracker.take(frames(a_status(last_alert_seq=3, catch_up="tcp://127.0.0.1:7777"), 1), 0.0)
    address, _ = tracker.ask(0.0) or ("", b"")
    assert address == "tcp://127.0.0.1:9"


def test_an_address_that_is_given_and_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="no address of a feed"):
        a_tracker(catch_up="nonsense")


@pytest.mark.parametrize("told", ["", "nonsense", "tcp://host", "udp://127.0.0.1:5"])
def test_an_address_for_catch_up_that_makes_no_sense_is_none(told: str) -> None:
    tracker = a_tracker(since="all")
    tracker.connected(0.0)
    events = tracker.take(frames(a_status(last_alert_seq=3, catch_up=told), 1), 0.0)
    assert events == [NoCatchUp("the publisher has no catch-up"), Missed("alerts/", 3)]


def test_who_wants_one_camera_hears_all_alerts_and_is_handed_its_own() -> None:
    tracker = a_tracker(("alerts",), ["front"])
    assert tracker.topics == ["alerts/", "status/"]
    mine, other = an_alert(seq=2, epoch="E"), an_alert("back", seq=1, epoch="E")
    assert tracker.take(frames(other, 1), 1.0) == []
    assert tracker.take(frames(mine, 1), 1.0) == [Received("alerts/front/", 1, mine)]


def test_only_what_was_asked_for_is_handed_out_or_missed() -> None:
    tracker = a_tracker(("alerts",))
    assert tracker.take(frames(a_status(), 1), 1.0) == []
    assert tracker.take(frames(a_status(), 5), 1.0) == []


def test_another_run_is_no_gap_but_what_it_said_meanwhile_is() -> None:
    tracker = a_tracker(("scores",))
    tracker.take(frames(a_score(), 70), 1.0)
    assert notices(tracker.take(frames(a_score(run="B"), 1), 2.0)) == [Restarted("B")]
    events = notices(tracker.take(frames(a_score(run="C"), 3), 3.0))
    assert events == [Restarted("C"), Missed("scores/front/", 2)]


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
    tracker = a_tracker(("scores",))
    tracker.take(frames(a_score(), 1), 1.0)
    unreadable = [*frames(a_score(), 2)[:2], b'{"schema": "vigil.score/9"}']
    assert len(tracker.take(unreadable, 1.0)) == 1
    assert notices(tracker.take(frames(a_score(), 3), 1.0)) == []


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
    tracker.take(frames(a_status(), 1), 4.0)
    assert tracker.wait_s(4.0) == 1.0
    assert tracker.tick(4.9) == []
    with pytest.raises(FeedError, match=r"no message from tcp://127.0.0.1:5557 in 3 s.*said nothing"):
        tracker.tick(5.0)


def test_a_timeout_without_a_publisher_says_that_nobody_is_there() -> None:
    with pytest.raises(FeedError, match="nobody publishes"):
        a_tracker(timeout_s=0.5).tick(0.5)


def test_the_wait_is_never_negative() -> None:
    assert a_tracker(timeout_s=1.0).wait_s(50.0) == 0.0
