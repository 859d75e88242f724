"""No alert is lost, doubled or out of order, whatever is killed: real processes, a real outbox, real sockets."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import FeedError
from stream.feed import AlertMessage, Event, Missed, NewEpoch, NoCatchUp, Received, Subscription, subscribe
from stream.outbox import Outbox

REPO = Path(__file__).parents[2]
PATIENCE_S = 30.0
GLANCE_S = 0.05
KILLS = 20

pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")


def two_ports() -> tuple[str, str]:
    """Free addresses for a feed and its catch-up, which keep them when they are killed and started again."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{one.getsockname()[1]}", f"tcp://127.0.0.1:{other.getsockname()[1]}"


class Steady:
    """Starts `tests.integration.steady` again and again, on one outbox and the same addresses."""

    def __init__(self, folder: Path) -> None:
        self.outbox = folder / "outbox.sqlite3"
        self.feed, self._catch_up = two_ports()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.integration.steady", str(self.outbox), self.feed, self._catch_up]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPO, bufsize=1
        )
        assert self._said() == "ready"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def enough(self) -> int:
        """No more alerts; the number of the last one."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("enough\n")
        return int(self._said())

    def _said(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture
def steady(tmp_path: Path) -> Iterator[Steady]:
    steady = Steady(tmp_path)
    yield steady
    steady.kill()


def listen(feed: Subscription, events: list[Event], *, count: int = 0, last: int = 0) -> None:
    """Add to `events` what comes, until there are so many alerts, and this one among them."""
    deadline_s = time.monotonic() + PATIENCE_S
    while len(numbers(events)) < count or (last and last not in numbers(events)):
        assert time.monotonic() < deadline_s, [event for event in events if not isinstance(event, Received)]
        with contextlib.suppress(FeedError):  # nothing came for a moment
            events.append(next(feed))


def numbers(events: list[Event]) -> list[int]:
    return [e.message.seq for e in events if isinstance(e, Received) and isinstance(e.message, AlertMessage)]


def test_no_alert_is_lost_doubled_or_reordered_while_the_publisher_is_killed_again_and_again(steady: Steady) -> None:
    chance = random.Random(7)
    events: list[Event] = []
    with subscribe(steady.feed, since="all", timeout_s=GLANCE_S) as feed:
        for _ in range(KILLS):
            steady.start()
            listen(feed, events, count=len(numbers(events)) + chance.randrange(5, 60))
            steady.kill()
        steady.start()
        last = steady.enough()
        listen(feed, events, last=last)
    assert numbers(events) == list(range(1, last + 1))
    assert not [event for event in events if isinstance(event, Missed | NoCatchUp | NewEpoch)]
    assert last > 5 * KILLS


SUBSCRIBER = """
import os, sys
from pathlib import Path
from stream.feed import AlertMessage, Missed, NewEpoch, NoCatchUp, Received, subscribe
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
with subscribe(sys.argv[1], since="all", position=Path(sys.argv[3])) as feed:
    for event in feed:
        match event:
            case Received(message=AlertMessage(seq=seq)):
                os.write(log, b"%d\\n" % seq)
            case Missed() | NoCatchUp() | NewEpoch():
                os.write(log, f"{event}\\n".encode())
"""


def test_no_alert_is_lost_or_reordered_while_the_subscriber_is_killed_again_and_again(
    steady: Steady, tmp_path: Path
) -> None:
    """What it was busy with when it was killed comes once more: it had not finished it."""
    chance = random.Random(8)
    log = tmp_path / "log"
    log.touch()
    arguments = [sys.executable, "-c", SUBSCRIBER, steady.feed, str(log), str(tmp_path / "position")]

    def lines(count: int = 0, last: int = 0) -> list[str]:
        """Wait until there are so many, and this one."""
        deadline_s = time.monotonic() + PATIENCE_S
        while len(found := log.read_text().splitlines()) < count or (last and str(last) not in found):
            assert time.monotonic() < deadline_s, found[-3:]
            time.sleep(0.005)
        return found

    steady.start()
    begun: list[int] = []  # lines in the log when each subscriber was started
    for number in range(KILLS + 1):
        begun.append(len(lines()))
        with subprocess.Popen(arguments, cwd=REPO) as subscriber:
            try:
                if number < KILLS:
                    lines(count=begun[-1] + chance.randrange(5, 60))
                else:
                    lines(last=(last := steady.enough()))
            finally:
                subscriber.kill()
    seen = [int(line) for line in lines()]
    assert sorted(set(seen)) == list(range(1, last + 1))
    steps = [after - before for before, after in itertools.pairwise(seen)]
    again = [index + 1 for index, step in enumerate(steps) if step == 0]
    assert set(steps) <= {0, 1}
    assert set(again) <= set(begun)


def test_a_subscriber_of_one_camera_that_comes_and_goes_gets_all_of_it_and_nothing_else(
    steady: Steady, tmp_path: Path
) -> None:
    steady.start()
    events: list[Event] = []
    for _ in range(5):
        with subscribe(
            steady.feed, cameras=["back"], since="all", position=tmp_path / "position", timeout_s=GLANCE_S
        ) as feed:
            listen(feed, events, count=len(numbers(events)) + 10)
    steady.kill()
    with Outbox(steady.outbox, time.time) as outbox:
        kept = [message.seq for message in outbox.since(0, 100_000) if message.camera == "back"]
    assert numbers(events) == kept[: len(numbers(events))]
    assert not [event for event in events if isinstance(event, Missed | NoCatchUp)]


class Watching:
    """`vigil watch` of a simulated camera whose scores are recorded: about five alerts a second."""

    def __init__(self, folder: Path) -> None:
        self.outbox = folder / "data" / "outbox.sqlite3"
        self.feed, catch_up = two_ports()
        self._file = folder / "vigil.yaml"
        self._process: subprocess.Popen[str] | None = None
        responses = folder / "responses.jsonl"
        scores = [0.9, 0.9, 0.95, 0.1, 0.1] * 200
        lines = [{"camera": "cam", "index": index, "score": score} for index, score in enumerate(scores)]
        responses.write_text("".join(json.dumps(line) + "\n" for line in lines))
        config = {
            "cameras": {"cam": {"source": "synthetic://?size=160x90&fps=10&events=none"}},
            "defaults": {
                "window": {"length": "200ms", "stride": "200ms", "frames": 1},
                "smoothing": {"kind": "none"},
                "alerts": {"cooldown": 0, "merge_gap": 0, "close_hold": 0, "update_every": 0},
                "evidence": {"clip": False},
            },
            "scorer": {"kind": "recorded", "responses": str(responses)},
            "feed": {"bind": self.feed, "catch_up": catch_up},
            "http": {"bind": "off"},
            "data": {"dir": str(self.outbox.parent)},
        }
        self._file.write_text(json.dumps(config))  # which is YAML too

    def start(self) -> None:
        command = [sys.executable, "-m", "stream.cli", "watch", "-c", str(self._file)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=REPO
        )

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.communicate(timeout=PATIENCE_S)

    def kept(self) -> list[AlertMessage]:
        with Outbox(self.outbox, time.time) as outbox:
            return outbox.since(0, 100_000)


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    watching = Watching(tmp_path)
    yield watching
    watching.end(signal.SIGKILL)


def test_vigil_watch_may_be_killed_and_started_again_and_its_subscriber_has_every_alert_once(
    watching: Watching,
) -> None:
    events: list[Event] = []
    with subscribe(watching.feed, since="all", timeout_s=GLANCE_S) as feed:
        for number in range(4):
            watching.start()
            listen(feed, events, count=len(numbers(events)) + 5)
            watching.end(signal.SIGKILL if number < 3 else signal.SIGTERM)
        last = watching.kept()[-1].seq
        watching.start()  # what was told while it ended may not have arrived
        listen(feed, events, last=last)
    watching.end(signal.SIGKILL)
    told = [e.message for e in events if isinstance(e, Received) and isinstance(e.message, AlertMessage)]
    kept = watching.kept()
    assert [(message.seq, message.id) for message in told] == [(each.seq, each.id) for each in kept[: len(told)]]
    assert not [event for event in events if isinstance(event, Missed | NoCatchUp | NewEpoch)]
    ends = [message.end_reason for message in told if message.type == "end"]
    assert {"calm", "restart"} <= set(ends)
    news = [message.id for message in told if message.type == "new"]
    assert len(news) == len(set(news))


def test_vigil_listen_prints_the_past_and_then_what_comes(watching: Watching) -> None:
    watching.start()
    with subscribe(watching.feed, timeout_s=GLANCE_S) as feed:
        listen(feed, [], count=5)
    command = [sys.executable, "-m", "stream.cli", "listen", watching.feed, "--format", "json", "--count", "12"]
    printed = []
    for from_seq in (0, 3):
        said = subprocess.run(
            [*command, "--from-seq", str(from_seq)], capture_output=True, text=True, cwd=REPO, timeout=PATIENCE_S
        )
        assert said.returncode == 0, said.stderr
        printed.append([json.loads(line)["seq"] for line in said.stdout.splitlines()])
    assert printed == [list(range(1, 13)), list(range(3, 15))]


def test_a_subscriber_in_another_language_gets_the_past_and_what_comes(node: str, watching: Watching) -> None:
    watching.start()
    with subscribe(watching.feed, timeout_s=GLANCE_S) as feed:
        listen(feed, [], count=5)
    command = [node, "examples/feed.mjs", watching.feed, "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPO) as listener:
        assert listener.stdout is not None
        printed = [json.loads(listener.stdout.readline()) for _ in range(12)]
        listener.kill()
    assert [alert["seq"] for alert in printed] == list(range(3, 15))
    assert {alert["schema"] for alert in printed} == {"vigil.alert/1"}
