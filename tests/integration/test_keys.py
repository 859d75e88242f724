"""Who has no key hears nothing, and who is revoked hears no more: real processes, real sockets, a real outbox."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from engine.errors import FeedError, UsageError
from stream.feed import AlertMessage, Event, Missed, NoCatchUp, Received, Subscription, asubscribe, subscribe
from stream.feed import doorkeeper as doorkeeper_module
from stream.feed import sockets as sockets_module
from stream.feed.doorkeeper import Doorkeeper
from stream.feed.messages import Kind
from stream.feed.publisher import FeedPublisher
from stream.feed.server import CatchUpServer
from stream.keys import Guests, KeyFolder, load_client_key
from stream.outbox import Outbox, OutboxHistory
from tests.integration.test_catch_up import two_ports
from tests.unit.stream.feed.made import a_status, an_alert

REPO = Path(__file__).parents[2]
PATIENCE_S = 30.0
GLANCE_S = 0.05

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")

LISTENER = """
import sys
from pathlib import Path
from engine.errors import FeedError
from stream.feed import AlertMessage, Missed, NewEpoch, NoCatchUp, Received, subscribe
try:
    with subscribe(sys.argv[1], since="all", key=Path(sys.argv[2])) as feed:
        for event in feed:
            match event:
                case Received(message=AlertMessage(seq=seq)):
                    print(seq, flush=True)
                case Missed() | NoCatchUp() | NewEpoch():
                    print(event, flush=True)
except FeedError as error:
    print(error, flush=True)
"""


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder(tmp_path / "keys")
    folder.new_server()
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is looked at all the time."""
    monkeypatch.setattr(doorkeeper_module, "LOOK_EVERY_S", 0.02)


class Process:
    """A program of ours, and the lines that it says."""

    def __init__(self, *command: str, program: str = sys.executable) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [program, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPO, bufsize=1
        )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def until(self, done: Callable[[list[str]], bool]) -> list[str]:
        deadline_s = time.monotonic() + PATIENCE_S
        while not done(self.lines):
            assert time.monotonic() < deadline_s, self.lines[-3:]
            assert self._thread.is_alive() or done(self.lines), self.lines[-3:]
            time.sleep(0.01)
        return self.lines

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")

    def kill(self) -> None:
        self.process.kill()
        self._thread.join()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.process.wait()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    with contextlib.ExitStack() as stack:

        def start(*command: str, program: str = sys.executable) -> Process:
            process = Process(*command, program=program)
            stack.callback(process.kill)
            return process

        yield start


def test_a_client_that_is_revoked_is_told_and_the_others_lose_no_alert(
    keys: KeyFolder, tmp_path: Path, start: Callable[..., Process]
) -> None:
    feed, catch_up = two_ports()
    publisher = start("-m", "tests.integration.steady", str(tmp_path / "outbox"), feed, catch_up, str(keys.path))
    publisher.until(lambda lines: lines == ["ready"])
    stranger = KeyFolder(tmp_path / "strange")
    stranger.new_server()
    alien = stranger.new_client("alien")
    listeners = {name: start("-c", LISTENER, feed, str(keys.new_client(name))) for name in ("one", "two", "three")}
    outsider = start("-c", LISTENER, feed, str(alien))
    for each in listeners.values():  # they were made while the publisher ran, and are let in
        each.until(lambda lines: len(lines) > 20)
    keys.revoke("two")
    listeners["two"].until(lambda lines: "does not let this key in" in lines[-1])
    heard = [len(listeners[name].lines) for name in ("one", "three")]
    listeners["one"].until(lambda lines: len(lines) > heard[0] + 20)
    listeners["three"].until(lambda lines: len(lines) > heard[1] + 20)
    publisher.tell("enough")
    last = publisher.until(lambda lines: len(lines) == 2)[-1]
    for name in ("one", "three"):
        listeners[name].until(lambda lines: lines[-1] == last)
        assert listeners[name].lines == [str(number) for number in range(1, int(last) + 1)]
    *heard_before, said = listeners["two"].lines
    assert heard_before == [str(number) for number in range(1, len(heard_before) + 1)]
    assert "vigil keys new NAME" in said
    assert len(heard_before) < int(last)
    [said] = outsider.until(bool)
    assert "not the server that this key was made for" in said


class Sender:
    """A feed and its catch-up with keys, in this process."""

    def __init__(self, outbox: Path, keys: KeyFolder, feed: str = "tcp://127.0.0.1:*") -> None:
        self._outbox = Outbox(outbox, time.time)
        self._feed = FeedPublisher(feed, keys=keys.path)
        catch_up = f"{feed}.catch-up" if feed.startswith("ipc") else "tcp://127.0.0.1:*"
        self._server = CatchUpServer(catch_up, OutboxHistory(self._outbox), self._feed.run, keys=keys.path)
        self.endpoint = self._feed.bound_endpoint
        self.catch_up = self._feed.catch_up = self._server.bound_endpoint
        self.told = 0

    def tell(self) -> None:
        self._feed.publish_alert(self._outbox.append(an_alert()))
        self.told += 1

    def beat(self) -> None:
        self._feed.publish_status(a_status(epoch=self._outbox.epoch, last_alert_seq=self._outbox.last_seq))

    def close(self) -> None:
        self._server.close()
        self._feed.close()
        self._outbox.close()


@pytest.fixture
def sender(keys: KeyFolder, tmp_path: Path, quick: None) -> Iterator[Sender]:
    with contextlib.closing(Sender(tmp_path / "outbox", keys)) as sender:
        yield sender


def hear(feed: Subscription, sender: Sender, events: list[Event], last: int) -> None:
    """What comes up to the alert of this number."""
    deadline_s = time.monotonic() + PATIENCE_S
    while last not in numbers(events):
        assert time.monotonic() < deadline_s, events
        sender.beat()
        try:
            events.append(next(feed))
        except FeedError as error:
            if not error.message.startswith("no message"):
                raise


def numbers(events: list[Event]) -> list[int]:
    return [e.message.seq for e in events if isinstance(e, Received) and isinstance(e.message, AlertMessage)]


def refusal(sender: Sender, endpoint: str, key: Path | None) -> str:
    """What a subscriber is told in the end."""
    deadline_s = time.monotonic() + PATIENCE_S
    with subscribe(endpoint, key=key, timeout_s=GLANCE_S) as feed:
        while time.monotonic() < deadline_s:
            sender.beat()
            try:
                next(feed)
            except FeedError as error:
                if not error.message.startswith("no message"):
                    with pytest.raises(FeedError, match=re.escape(error.message)):
                        next(feed)  # it is no use to go on
                    return str(error)
    raise AssertionError("nothing was said")


@pytest.mark.parametrize("feed", ["tcp://127.0.0.1:*", "ipc"])
def test_revoking_again_and_again_loses_nothing_for_the_others(
    keys: KeyFolder, tmp_path: Path, quick: None, feed: str
) -> None:
    feed = f"ipc://{tmp_path}/feed" if feed == "ipc" else feed
    events: list[Event] = []
    rounds = 5
    with contextlib.closing(Sender(tmp_path / "outbox", keys, feed)) as sender:
        stays = keys.new_client("stays")
        with subscribe(sender.endpoint, key=stays, since="all", timeout_s=GLANCE_S) as one:
            for number in range(rounds):
                leaves = keys.new_client(f"leaves{number}")
                with subscribe(sender.endpoint, key=leaves, since="all", timeout_s=GLANCE_S) as other:
                    sender.tell()
                    hear(other, sender, [], sender.told)
                    keys.revoke(f"leaves{number}")
                    with pytest.raises(FeedError, match="does not let this key in"):
                        hear(other, sender, [], sender.told + 1)
                sender.tell()
                hear(one, sender, events, sender.told)
    assert numbers(events) == list(range(1, 2 * rounds + 1))
    assert not [event for event in events if isinstance(event, Missed | NoCatchUp)]


def test_each_kind_of_stranger_is_told_what_is_wrong(keys: KeyFolder, tmp_path: Path, sender: Sender) -> None:
    guest = keys.new_client("guest")
    kept = tmp_path / "kept"
    kept.write_bytes(guest.read_bytes())
    kept.chmod(0o600)
    keys.revoke("guest")
    assert "does not let this key in" in refusal(sender, sender.endpoint, kept)
    assert "wants a key" in refusal(sender, sender.endpoint, None)
    other = KeyFolder(tmp_path / "other")
    other.new_server()
    wrong = refusal(sender, sender.endpoint, other.new_client("guest"))
    assert "not the server that this key was made for" in wrong
    with FeedPublisher("tcp://127.0.0.1:*") as open_feed:
        assert "has no keys" in refusal(sender, open_feed.bound_endpoint, kept)
    kept.chmod(0o644)
    with pytest.raises(UsageError, match="others can read"):
        subscribe(sender.endpoint, key=kept)


def test_catch_up_answers_nobody_without_a_key(keys: KeyFolder, sender: Sender) -> None:
    sender.tell()
    request = json.dumps({"schema": "vigil.range/1", "after": 0}).encode()
    guest = load_client_key(keys.new_client("guest"))

    def asks(public: bytes, secret: bytes, server: bytes) -> bool:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.set(zmq.LINGER, 0)
            if server:
                socket.set(zmq.CURVE_PUBLICKEY, public)
                socket.set(zmq.CURVE_SECRETKEY, secret)
                socket.set(zmq.CURVE_SERVERKEY, server)
            socket.connect(sender.catch_up)
            socket.send(request)
            return bool(socket.poll(1000))

    assert not asks(b"", b"", b"")
    assert not asks(*zmq.curve_keypair(), guest.server.encode())
    assert asks(guest.public.encode(), guest.secret.encode(), guest.server.encode())


def test_without_its_doorkeeper_a_locked_socket_lets_in_nobody(keys: KeyFolder) -> None:
    guest = load_client_key(keys.new_client("guest"))
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        doorkeeper = Doorkeeper(context, keys.path, "the feed")
        doorkeeper.lock(socket)
        assert doorkeeper.close()
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        with zmq.Context() as other, other.socket(zmq.SUB) as subscriber:
            subscriber.set(zmq.CURVE_PUBLICKEY, guest.public.encode())
            subscriber.set(zmq.CURVE_SECRETKEY, guest.secret.encode())
            subscriber.set(zmq.CURVE_SERVERKEY, guest.server.encode())
            subscriber.subscribe(b"")
            subscriber.connect(f"tcp://127.0.0.1:{port}")
            assert not socket.poll(500)


def test_a_folder_that_is_gone_lets_in_nobody_until_it_is_back(keys: KeyFolder, sender: Sender) -> None:
    guest = keys.new_client("guest")
    clients = keys.path / "clients"
    with subscribe(sender.endpoint, key=guest, since="all", timeout_s=GLANCE_S) as feed:
        sender.tell()
        hear(feed, sender, [], 1)
        clients.rename(keys.path / "away")
        with pytest.raises(FeedError, match="does not let this key in"):
            hear(feed, sender, [], 2)
    (keys.path / "away").rename(clients)
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        with subscribe(sender.endpoint, key=guest, since="all", timeout_s=GLANCE_S) as feed:
            try:
                hear(feed, sender, [], 1)
            except FeedError:
                continue
            return
    raise AssertionError("it is not let in again")


def test_a_subscriber_in_another_language_takes_a_key(
    node: str, keys: KeyFolder, sender: Sender, start: Callable[..., Process]
) -> None:
    def has(count: int) -> Callable[[list[str]], bool]:
        def reached(lines: list[str]) -> bool:
            sender.beat()
            return len(lines) >= count

        return reached

    sender.tell()
    sender.tell()
    guest = str(keys.new_client("guest"))
    listener = start("examples/feed.mjs", sender.endpoint, "0", guest, program=node)
    listener.until(has(2))  # by catch-up, which wants the key as well
    sender.tell()
    listener.until(has(3))
    assert [json.loads(line)["seq"] for line in listener.lines] == [1, 2, 3]


def test_the_asynchronous_client_takes_a_key_and_is_told_too(keys: KeyFolder, sender: Sender) -> None:
    guest = keys.new_client("guest")
    sender.tell()

    async def beat() -> None:
        while True:
            sender.beat()
            await asyncio.sleep(GLANCE_S)

    async def listen() -> None:
        beating = asyncio.create_task(beat())
        try:
            async with asubscribe(sender.endpoint, key=guest, since="all", timeout_s=PATIENCE_S) as feed:
                async for event in feed:
                    if numbers([event]) == [1]:
                        keys.revoke("guest")
        finally:
            beating.cancel()

    with pytest.raises(FeedError, match="does not let this key in"):
        asyncio.run(listen())


def test_a_feed_for_the_network_needs_keys_and_works_with_them(
    tmp_path: Path, keys: KeyFolder, start: Callable[..., Process]
) -> None:
    port = two_ports()[0].rpartition(":")[2]
    config = tmp_path / "vigil.yaml"
    config.write_text(f"feed: {{bind: 'tcp://0.0.0.0:{port}'}}\n")
    watch = [
        "-m",
        "stream.cli",
        "watch",
        "synthetic://?size=160x90&fps=10",
        "--feed",
        f"tcp://0.0.0.0:{port}",
        "--http",
        "off",
    ]
    for command in (watch, ["-m", "stream.cli", "config", "check", str(config)]):
        refused = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert refused.returncode == 2
        [said] = refused.stderr.splitlines()
        for words in ("open to the whole network", "vigil keys new server", "vigil keys new NAME", "keys: vigil-keys"):
            assert words in said
    guest = keys.new_client("guest")
    command = [*watch, "--keys", str(keys.path), "--data", str(tmp_path / "data")]
    with subprocess.Popen([sys.executable, *command], cwd=REPO, stderr=subprocess.PIPE, text=True) as process:
        try:
            endpoint = f"tcp://127.0.0.1:{port}"
            states: tuple[Kind, ...] = ("status",)
            with subscribe(endpoint, kinds=states, key=guest, timeout_s=PATIENCE_S) as feed:
                assert any(isinstance(event, Received) for event in feed)
            with subscribe(endpoint, timeout_s=PATIENCE_S) as feed, pytest.raises(FeedError, match="wants a key"):
                list(feed)
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.communicate()[1]
    assert process.returncode == 0, said


def taken(thief: zmq.Socket[bytes], endpoint: str) -> bool:
    with contextlib.suppress(zmq.ZMQError):
        thief.bind(endpoint)
        return True
    return False


def test_a_disk_that_hangs_holds_up_no_alert_and_no_end(
    keys: KeyFolder, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, over = threading.Event(), threading.Event()
    guest = keys.new_client("guest")
    guests = KeyFolder.guests

    def hang(folder: KeyFolder) -> Guests:
        if threading.current_thread() is not threading.main_thread():
            hanging.set()
            over.wait(PATIENCE_S)
        return guests(folder)

    monkeypatch.setattr(KeyFolder, "guests", hang)
    monkeypatch.setattr(doorkeeper_module, "CLOSE_WAIT_S", 0.1)
    before = set(threading.enumerate())
    sender = FeedPublisher("tcp://127.0.0.1:*", keys=keys.path)
    try:
        with subscribe(sender.bound_endpoint, key=guest, timeout_s=GLANCE_S):
            assert hanging.wait(PATIENCE_S)
            sender.publish_alert(an_alert())
        sender.close()
    finally:
        over.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENCE_S)
    assert sender._context.closed, "the thread that was left behind ends it"


def test_an_address_that_another_program_takes_meanwhile_is_tried_until_it_is_free(
    keys: KeyFolder, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    guest = keys.new_client("guest")
    keys.new_client("other")
    with FeedPublisher("tcp://127.0.0.1:*", keys=keys.path) as sender:
        keys.revoke("other")
        deadline_s = time.monotonic() + PATIENCE_S
        with zmq.Context() as context, context.socket(zmq.PUB) as thief:
            thief.set(zmq.LINGER, 0)
            while sender._entrance._is_open:
                assert time.monotonic() < deadline_s
                sender.greet()
            while not taken(thief, sender.bound_endpoint):
                assert time.monotonic() < deadline_s
            for _ in range(sockets_module.TRIES + 5):
                sender.publish_alert(an_alert())
        assert [record.levelname for record in caplog.records if "tried again" in record.message] == ["ERROR"]
        states: tuple[Kind, ...] = ("status",)
        with subscribe(sender.bound_endpoint, key=guest, kinds=states, timeout_s=GLANCE_S) as feed:
            heard = False
            while not heard:
                assert time.monotonic() < deadline_s
                sender.publish_status(a_status())
                with contextlib.suppress(FeedError):
                    heard = isinstance(next(feed), Received)
