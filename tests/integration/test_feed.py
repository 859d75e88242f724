"""A real publisher and real subscribers: over loopback, over a socket file, and between processes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from engine.errors import FeedError
from stream.clock import SystemClock
from stream.feed import (
    AlertMessage,
    Event,
    Garbage,
    Link,
    Missed,
    Received,
    Restarted,
    StatusMessage,
    Subscription,
    asubscribe,
    client,
    publisher,
    subscribe,
)
from stream.feed.messages import Message, encode, encode_sequence, topic_of
from stream.feed.publisher import FeedPublisher
from stream.outbox import Outbox
from tests.unit.stream.feed.made import a_status, an_alert

REPO = Path(__file__).parents[2]
PATIENCE_S = 30.0
GLANCE_S = 0.02  # the feed's timeout, after which a test may do something and look again


def nothing() -> None:
    return None


def is_alert(event: Event) -> bool:
    return isinstance(event, Received) and isinstance(event.message, AlertMessage)


def is_status(event: Event) -> bool:
    return isinstance(event, Received) and isinstance(event.message, StatusMessage)


def until(
    feed: Subscription, wanted: Callable[[Event], bool], meanwhile: Callable[[], object] = nothing
) -> list[Event]:
    """What comes, up to the first event that is wanted; while nothing comes, `meanwhile` is called."""
    events: list[Event] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        try:
            events.append(next(feed))
        except FeedError:
            meanwhile()
        else:
            if wanted(events[-1]):
                return events
    raise AssertionError(f"not among {events}")


def glance(endpoint: str, cameras: list[str] | None = None) -> Subscription:
    return subscribe(endpoint, cameras=cameras, kinds=("alerts", "status"), timeout_s=GLANCE_S)


def join(feed: Subscription, sender: FeedPublisher) -> list[Event]:
    """Wait until the sender knows of the subscriber; what came until then."""
    sender.publish_status(a_status())
    return until(feed, is_status, meanwhile=sender.greet)


@pytest.fixture
def sender() -> Iterator[FeedPublisher]:
    with FeedPublisher("tcp://127.0.0.1:*") as sender:
        yield sender


def test_a_new_subscriber_is_told_how_the_cameras_are_without_waiting_for_a_heartbeat(sender: FeedPublisher) -> None:
    sender.publish_status(a_status(state="offline", fault="refused"))
    sender.publish_status(a_status(camera="gone"))
    sender.forget("gone")
    for _ in range(2):  # the second finds a subscription that the publisher has already
        with glance(sender.bound_endpoint) as feed, glance(sender.bound_endpoint) as other:
            for one in (feed, other):
                received = until(one, is_status, meanwhile=sender.greet)[-1]
                assert isinstance(received, Received)
                assert isinstance(received.message, StatusMessage)
                assert (received.message.camera, received.message.fault) == ("front", "refused")


def test_alerts_arrive_in_order_with_their_pictures_and_all_they_say(sender: FeedPublisher) -> None:
    with glance(sender.bound_endpoint) as feed:
        assert Link.CONNECTED in join(feed, sender)
        sent = [an_alert(seq=1, epoch="X", explanation="門"), an_alert(seq=2, type="end", end_reason="calm")]
        sender.publish_alert(sent[0], b"jpeg")
        sender.publish_alert(sent[1])
        first, second = until(feed, is_alert)[-1], until(feed, is_alert)[-1]
    assert isinstance(first, Received)
    assert isinstance(second, Received)
    assert isinstance(first.message, AlertMessage)
    assert first.message.run == sender.run
    assert (first.sequence, first.jpeg, first.message.explanation) == (1, b"jpeg", "門")
    assert (second.sequence, second.jpeg) == (2, None)


def test_a_subscriber_gets_its_cameras_only_and_sees_no_gaps_in_them(sender: FeedPublisher) -> None:
    with glance(sender.bound_endpoint, ["front"]) as feed:
        join(feed, sender)
        for camera in ("front", "front2", "back", "front"):
            sender.publish_alert(an_alert(camera=camera))
        sender.publish_status(a_status(state="ended"))
        events = until(feed, is_status)
    assert [event.topic for event in events if isinstance(event, Received)] == [
        "alerts/front/",
        "alerts/front/",
        "status/front/",
    ]
    assert not any(isinstance(event, Missed) for event in events)


def test_the_feed_works_over_a_socket_file(tmp_path: Path) -> None:
    with FeedPublisher(f"ipc://{tmp_path}/feed") as sender, glance(sender.bound_endpoint) as feed:
        join(feed, sender)
        sender.publish_alert(an_alert())
        assert until(feed, is_alert)


def test_a_subscriber_survives_a_restart_and_every_alert_is_received_or_missed(sender: FeedPublisher) -> None:
    endpoint = sender.bound_endpoint
    with glance(endpoint) as feed:
        join(feed, sender)
        sender.publish_alert(an_alert())
        until(feed, is_alert)
        sender.close()
        until(feed, lambda event: event is Link.LOST)
        with FeedPublisher(endpoint) as again:
            for _ in range(4):
                again.publish_alert(an_alert())
            again.publish_status(a_status())
            events = until(feed, is_status, meanwhile=again.greet)
            assert Link.CONNECTED in events
            assert Restarted(again.run) in events
            missed = sum(
                event.count for event in events if isinstance(event, Missed) and event.topic == "alerts/front/"
            )
            assert missed + sum(map(is_alert, events)) == 4


def test_a_slow_subscriber_holds_nobody_up_and_knows_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "HIGH_WATER_MARK", 10)
    monkeypatch.setattr(client, "HIGH_WATER_MARK", 10)
    count, picture = 2000, bytes(20_000)
    with FeedPublisher("tcp://127.0.0.1:*") as sender, glance(sender.bound_endpoint) as feed:
        join(feed, sender)
        for _ in range(count):
            sender.publish_alert(an_alert(), picture)
        received = missed = 0

        def all_accounted_for(event: Event) -> bool:
            nonlocal received, missed
            received += is_alert(event)
            missed += event.count if isinstance(event, Missed) and event.topic == "alerts/front/" else 0
            return received + missed == count

        until(feed, all_accounted_for, meanwhile=lambda: sender.publish_status(a_status()))
        assert missed > 0


def test_garbage_on_the_wire_is_told_and_the_next_message_arrives() -> None:
    with zmq.Context() as context, context.socket(zmq.PUB) as raw:
        port = raw.bind_to_random_port("tcp://127.0.0.1")
        sequence = 0

        def send(message: Message) -> None:
            nonlocal sequence
            sequence += 1
            raw.send_multipart([topic_of(message).encode(), encode_sequence(sequence), encode(message)])

        with glance(f"tcp://127.0.0.1:{port}") as feed:
            until(feed, is_status, meanwhile=lambda: send(a_status()))
            for junk in (
                [b"alerts/"],
                [b"alerts/front/", b"1", b"{}"],
                [b"alerts/x", encode_sequence(1), b"\xff" * 100],
            ):
                raw.send_multipart(junk)
            send(an_alert())
            events = until(feed, is_alert)
        assert sum(isinstance(event, Garbage) for event in events) == 3


def test_without_a_publisher_it_says_that_it_waits_and_then_times_out() -> None:
    with FeedPublisher("tcp://127.0.0.1:*") as gone:
        endpoint = gone.bound_endpoint
    with subscribe(endpoint, timeout_s=1.2) as feed:
        assert next(feed) is Link.WAITING
        with pytest.raises(FeedError, match="nobody publishes there"):
            next(feed)


def test_the_asynchronous_client_gets_the_same(sender: FeedPublisher) -> None:
    async def listen() -> list[Event]:
        events: list[Event] = []
        async with asubscribe(sender.bound_endpoint, timeout_s=PATIENCE_S) as feed:
            while await anext(feed) is not Link.CONNECTED:
                pass
            for _ in range(int(PATIENCE_S / GLANCE_S)):
                sender.publish_alert(an_alert(), b"jpeg")
                try:
                    events.append(await asyncio.wait_for(anext(feed), GLANCE_S))
                except TimeoutError:
                    continue  # the subscription was still on its way; a cancelled wait loses nothing
                if len(events) == 3:
                    break
            assert feed.silent_s < PATIENCE_S
        return events

    events = asyncio.run(listen())
    assert len(events) == 3
    assert all(map(is_alert, events))
    sequences = [event.sequence for event in events if isinstance(event, Received)]
    assert sequences == list(range(sequences[0], sequences[0] + 3))


def test_the_asynchronous_client_times_out_too(sender: FeedPublisher) -> None:
    async def listen() -> None:
        async with asubscribe(sender.bound_endpoint, timeout_s=0.2) as feed:
            async for event in feed:
                assert isinstance(event, Link)

    with pytest.raises(FeedError, match="no message"):
        asyncio.run(listen())


PUBLISHER = """
import sys, time
from pathlib import Path
from stream.feed.publisher import FeedPublisher
from stream.outbox import Outbox
from tests.unit.stream.feed.made import an_alert
outbox, sender = Outbox(Path(sys.argv[1]), time.time), FeedPublisher(sys.argv[2])
print(sender.bound_endpoint, flush=True)
while True:
    sender.publish_alert(outbox.append(an_alert()))
"""


@pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")
def test_what_a_subscriber_heard_from_a_killed_publisher_is_in_the_outbox(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(path), "tcp://127.0.0.1:*"], stdout=subprocess.PIPE, text=True, cwd=REPO
    )
    heard: list[AlertMessage] = []
    try:
        assert writer.stdout is not None
        with glance(writer.stdout.readline().strip()) as feed:
            while len(heard) < 50:
                event = until(feed, is_alert)[-1]
                assert isinstance(event, Received)
                assert isinstance(event.message, AlertMessage)
                heard.append(event.message)
            writer.send_signal(signal.SIGKILL)
            rest = until(feed, lambda event: event is Link.LOST)
            heard += [
                event.message
                for event in rest
                if isinstance(event, Received) and isinstance(event.message, AlertMessage)
            ]
    finally:
        writer.kill()
        writer.communicate()
    with Outbox(path, SystemClock().time) as outbox:
        written = outbox.since(0, limit=1_000_000)
        assert [message.seq for message in written] == list(range(1, len(written) + 1))
        assert {(message.epoch, message.seq) for message in heard} <= {(outbox.epoch, m.seq) for m in written}
        assert [message.seq for message in heard] == sorted({message.seq for message in heard})


LISTEN = "import sys; from stream.listen import listen; sys.exit(listen(sys.argv[1], format='json', count=2))"


def test_listen_prints_what_a_real_publisher_says_and_ends_after_its_count(sender: FeedPublisher) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, sender.bound_endpoint],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPO,
    ) as listener:
        deadline_s = time.monotonic() + PATIENCE_S
        while listener.poll() is None and time.monotonic() < deadline_s:
            sender.publish_alert(an_alert())
            with glance(sender.bound_endpoint) as pause:  # gives the listener time without sleeping
                join(pause, sender)
        listener.kill()
        out, err = listener.communicate()
    assert listener.returncode == 0, err
    assert err == ""
    assert [json.loads(line)["schema"] for line in out.splitlines()] == ["vigil.alert/1"] * 2


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
@pytest.mark.parametrize(
    ("command", "code"), [(["-c", LISTEN], 130), (["examples/subscribe.py"], 0)], ids=["listen", "example"]
)
def test_ctrl_c_ends_a_waiting_listener_quietly(command: list[str], code: int) -> None:
    with FeedPublisher("tcp://127.0.0.1:*") as gone:
        endpoint = gone.bound_endpoint
    with subprocess.Popen(
        [sys.executable, *command, endpoint],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    ) as listener:
        assert listener.stdout is not None
        assert "waiting" in listener.stdout.readline()
        listener.send_signal(signal.SIGINT)
        rest, _ = listener.communicate(timeout=PATIENCE_S)
    assert listener.returncode == code
    assert rest == ""
