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
from typing import Self

import pytest
import zmq

from engine.errors import FeedError, UsageError
from stream.clock import SystemClock
from stream.feed import (
    AlertMessage,
    Event,
    Garbage,
    Link,
    Missed,
    NewEpoch,
    NoCatchUp,
    Received,
    Restarted,
    StatusMessage,
    Subscription,
    asubscribe,
    client,
    subscribe,
)
from stream.feed import join as join_module
from stream.feed import publisher as publisher_module
from stream.feed import sockets as sockets_module
from stream.feed.messages import Message, encode, encode_sequence, topic_of
from stream.feed.publisher import FeedPublisher
from stream.feed.server import CatchUpServer
from stream.outbox import Outbox, OutboxHistory
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


class Publisher:
    """A feed with an outbox and catch-up, in this process; the same addresses again when it is made again."""

    def __init__(
        self, outbox: Path, feed: str = "tcp://127.0.0.1:*", catch_up: str | None = "tcp://127.0.0.1:*"
    ) -> None:
        self.outbox = Outbox(outbox, time.time)
        self.feed = FeedPublisher(feed)
        self.endpoint = self.feed.bound_endpoint
        self._server = CatchUpServer(catch_up, OutboxHistory(self.outbox), self.feed.run) if catch_up else None
        self.feed.catch_up = self.catch_up = self._server.bound_endpoint if self._server else None
        self.beat()

    def tell(self, count: int = 1, picture: bytes | None = None, **changes: object) -> None:
        for _ in range(count):
            self.feed.publish_alert(self.outbox.append(an_alert(**changes)), picture)

    def beat(self) -> None:
        self.feed.publish_status(a_status(epoch=self.outbox.epoch, last_alert_seq=self.outbox.last_seq))

    def close(self) -> None:
        if self._server:
            self._server.close()
        self.feed.close()
        self.outbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def seqs(events: list[Event]) -> list[int]:
    return [e.message.seq for e in events if isinstance(e, Received) and isinstance(e.message, AlertMessage)]


def hear(feed: Subscription, publisher: Publisher, last: int) -> list[Event]:
    """What comes up to the alert of this number."""
    return until(feed, lambda event: seqs([event]) == [last], meanwhile=publisher.beat)


def test_a_subscriber_that_was_away_gets_what_was_told_meanwhile_and_by_another_run(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "outbox")
    with subscribe(publisher.endpoint, since="all", timeout_s=GLANCE_S) as feed:
        publisher.tell()
        events = hear(feed, publisher, 1)
        catch_up = publisher.catch_up
        publisher.close()
        events += until(feed, lambda event: event is Link.LOST)
        with Publisher(tmp_path / "outbox", publisher.endpoint, catch_up) as again:
            again.tell(4)
            events += hear(feed, again, 5)
    assert seqs(events) == [1, 2, 3, 4, 5]
    assert sum(isinstance(event, Restarted) for event in events) == 1
    assert not [event for event in events if isinstance(event, Missed | NoCatchUp | NewEpoch)]


def test_another_outbox_is_told_and_read_from_its_beginning(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "outbox")
    with subscribe(publisher.endpoint, since="all", timeout_s=GLANCE_S) as feed:
        publisher.tell(5)
        hear(feed, publisher, 5)
        publisher.close()
        with Publisher(tmp_path / "other", publisher.endpoint) as other:
            other.tell(2)
            events = hear(feed, other, 2)
    assert NewEpoch(other.outbox.epoch) in events
    assert seqs(events) == [1, 2]


def test_a_slow_subscriber_holds_nobody_up_and_gets_everything_in_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(publisher_module, "HIGH_WATER_MARK", 10)
    monkeypatch.setattr(client, "HIGH_WATER_MARK", 10)
    count = 700
    with (
        Publisher(tmp_path / "outbox") as publisher,
        subscribe(publisher.endpoint, since="all", timeout_s=GLANCE_S) as feed,
    ):
        publisher.tell()
        events = hear(feed, publisher, 1)
        publisher.tell(count, bytes(20_000))
        events += hear(feed, publisher, count + 1)
    assert seqs(events) == list(range(1, count + 2))
    assert any(event.sequence == 0 for event in events if isinstance(event, Received)), "none was lost on the way"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't tell how long a peer has taken nothing")
def test_a_subscriber_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "TAKES_NOTHING_MS", 500)
    with FeedPublisher("tcp://127.0.0.1:*") as sender, zmq.Context() as context, context.socket(zmq.SUB) as stuck:
        stuck.set(zmq.RCVHWM, 1)
        stuck.set(zmq.SUBSCRIBE, b"")
        stuck.connect(sender.bound_endpoint)
        deadline_s = time.monotonic() + PATIENCE_S
        while not stuck.poll(20) and time.monotonic() < deadline_s:
            sender.publish_status(a_status())
        with sender._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED) as ended:
            for _ in range(100):
                sender.publish_alert(an_alert(), bytes(300_000))
            assert ended.poll(int(1000 * PATIENCE_S))
            sender._socket.disable_monitor()


def test_a_flood_of_subscriptions_is_dealt_with_in_parts(
    monkeypatch: pytest.MonkeyPatch, sender: FeedPublisher
) -> None:
    monkeypatch.setattr(publisher_module, "GREETED_AT_ONCE", 5)
    sender.publish_status(a_status())
    with zmq.Context() as context, context.socket(zmq.XSUB) as flood:
        flood.connect(sender.bound_endpoint)
        for _ in range(40):
            flood.send(b"\x01status/")
        time.sleep(0.2)  # they are all there, if the machine is not too slow for this test to find a fault
        answers = 0
        deadline_s = time.monotonic() + PATIENCE_S
        while answers < 8 and time.monotonic() < deadline_s:
            sender.greet()
            answers += len(flood.recv_multipart()) > 0 if flood.poll(20) else 0
    assert answers == 8


def test_without_catch_up_it_says_so_and_goes_on_live(tmp_path: Path) -> None:
    with Publisher(tmp_path / "outbox", catch_up=None) as publisher:
        publisher.tell(2)
        with subscribe(publisher.endpoint, since="all", timeout_s=GLANCE_S) as feed:
            events = until(feed, lambda event: isinstance(event, Missed), meanwhile=publisher.beat)
            assert events[-2:] == [NoCatchUp("the publisher has no catch-up"), Missed("alerts/", 2)]
            publisher.tell()
            assert seqs(hear(feed, publisher, 3)) == [3]


def test_a_catch_up_that_does_not_answer_is_told_after_a_while_and_live_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_module, "REPLY_WITHIN_S", 0.05)
    monkeypatch.setattr(join_module, "AGAIN_AFTER_S", 0.01)
    with (
        Publisher(tmp_path / "outbox") as publisher,
        zmq.Context() as context,
        context.socket(zmq.ROUTER) as mute,
    ):
        address = f"tcp://127.0.0.1:{mute.bind_to_random_port('tcp://127.0.0.1')}"
        publisher.tell(2)
        with subscribe(publisher.endpoint, since="all", catch_up=address, timeout_s=GLANCE_S) as feed:
            events = until(feed, lambda event: isinstance(event, Missed), meanwhile=publisher.beat)
            assert NoCatchUp(f"no reply from {address}") in events
            publisher.tell()
            assert seqs(hear(feed, publisher, 3)) == [3]


def test_a_position_is_kept_of_what_was_finished_and_the_next_run_goes_on_after_it(tmp_path: Path) -> None:
    position = tmp_path / "position"
    with Publisher(tmp_path / "outbox") as publisher:
        publisher.tell(5)

        def run(*, crash_at: int = 0, end_at: int = 0) -> list[int]:
            with subscribe(publisher.endpoint, since="all", position=position, timeout_s=GLANCE_S) as feed:
                events = until(feed, lambda event: seqs([event]) in ([crash_at], [end_at]), meanwhile=publisher.beat)
                if crash_at:
                    raise KeyboardInterrupt
                return seqs(events)

        with pytest.raises(KeyboardInterrupt):
            run(crash_at=2)
        assert run(end_at=4) == [2, 3, 4]  # the second was not finished
        assert run(end_at=5) == [5]


def test_the_open_events_can_be_had_before_what_comes(tmp_path: Path) -> None:
    with Publisher(tmp_path / "outbox") as publisher:
        for event, kind in (("open", "new"), ("over", "new"), ("open", "update"), ("over", "end")):
            publisher.tell(id=event, type=kind)
        with subscribe(publisher.endpoint, since="open", timeout_s=GLANCE_S) as feed:
            events = hear(feed, publisher, 3)
            publisher.tell()
            events += hear(feed, publisher, 5)
    assert seqs(events) == [3, 5]


def test_the_asynchronous_client_catches_up_too(tmp_path: Path) -> None:
    async def listen(publisher: Publisher) -> list[Event]:
        events: list[Event] = []
        async with asubscribe(
            publisher.endpoint, since="all", position=tmp_path / "position", timeout_s=PATIENCE_S
        ) as feed:
            for _ in range(int(PATIENCE_S / GLANCE_S)):
                try:
                    events.append(await asyncio.wait_for(anext(feed), GLANCE_S))
                except TimeoutError:
                    publisher.beat()
                if seqs(events[-1:]) == [600]:
                    publisher.tell()
                if seqs(events[-1:]) == [601]:
                    break
        return events

    with Publisher(tmp_path / "outbox") as publisher:
        publisher.tell(600)
        assert seqs(asyncio.run(listen(publisher))) == list(range(1, 602))
        kept = json.loads((tmp_path / "position").read_text())
        assert kept == {"epoch": publisher.outbox.epoch, "seq": 601}


def test_who_asks_and_does_not_listen_or_goes_away_holds_nobody_up(tmp_path: Path) -> None:
    with Publisher(tmp_path / "outbox") as publisher, zmq.Context() as context:
        assert publisher.catch_up is not None
        publisher.tell(300, explanation="x" * 3000)
        request = json.dumps({"schema": "vigil.range/1", "after": 0}).encode()
        with context.socket(zmq.DEALER) as deaf, context.socket(zmq.DEALER) as gone:
            deaf.set(zmq.RCVHWM, 1)
            for socket in (deaf, gone):
                socket.set(zmq.LINGER, 0)
                socket.connect(publisher.catch_up)
                for _ in range(300):
                    socket.send_multipart([b"", request])
            gone.close()
            with subscribe(publisher.endpoint, since="all", timeout_s=GLANCE_S) as feed:
                assert seqs(hear(feed, publisher, 300)) == list(range(1, 301))


def test_each_request_gets_one_reply_under_its_own_envelope(tmp_path: Path) -> None:
    with Publisher(tmp_path / "outbox") as publisher, zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        assert publisher.catch_up is not None
        publisher.tell()
        socket.connect(publisher.catch_up)
        for request in (b"junk", b"", b'{"schema": "vigil.range/1", "after": 0}'):
            socket.send_multipart([b"mine", request])
        schemas = []
        for _ in range(3):
            assert socket.poll(int(1000 * PATIENCE_S))
            envelope, reply = socket.recv_multipart()
            assert envelope == b"mine"
            schemas.append(json.loads(reply)["schema"])
        assert schemas == ["vigil.error/1", "vigil.error/1", "vigil.page/1"]
        assert not socket.poll(100)


def test_catch_up_is_refused_where_other_machines_could_reach_it(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox", time.time) as outbox, pytest.raises(UsageError, match=r"catch-up at .* open to"):
        CatchUpServer("tcp://0.0.0.0:5558", OutboxHistory(outbox), "run")


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
from stream.feed.server import CatchUpServer
from stream.outbox import Outbox, OutboxHistory
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
