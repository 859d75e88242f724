"""What benchmarks/chaos.py starts and kills: Vigil, those who listen to it, and a broker. Knows nothing of when."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import msgspec

from benchmarks.chaos_count import Life, Told
from benchmarks.chaos_ends import PREFIX
from benchmarks.watching import watch_command, write_config
from engine.errors import FeedError
from stream.feed import AlertMessage, Missed, NewEpoch, NoCatchUp, Received, subscribe

CAMERAS = 4
WINDOWS = 8000  # that have a recorded score, five a second: the longest that Vigil is left alive
SCORES = (0.9, 0.95, 0.1, 0.1)  # four windows make three alerts: new, update, end
REPO = Path(__file__).parents[1]

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 0
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens, however often it is started again."""

    feed: int
    catch_up: int
    receiver: int
    broker: int

    @property
    def feed_address(self) -> str:
        return f"tcp://127.0.0.1:{self.feed}"


def free_ports() -> Ports:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(4)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return Ports(*(each.getsockname()[1] for each in sockets))


def find_broker() -> str | None:
    """Mosquitto, where it and the `mqtt` extra are installed."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    return found if find_spec("aiomqtt") else None


class Part(ABC):
    """A program that is killed and started again. What each of its lives wrote is kept."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.started_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """For the next life."""

    def output(self) -> Path:
        """Where what the next life prints goes to."""
        return self.folder / "printed"

    def start(self) -> None:
        self.started_s = time.monotonic()
        command = self.command()
        with self.output().open("ab") as out, (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=out, stderr=log, cwd=REPO)

    def kill(self) -> None:
        """Without a word, as `kill -9` or a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


class Hearer(Part):
    """One that writes the alerts it hears to a file, another for each of its lives."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self._lives: list[_Reading] = []

    def next_life(self) -> Path:
        self._lives.append(_Reading(self.folder / f"life-{len(self._lives)}"))
        return self._lives[-1].path

    @property
    def lives(self) -> list[Life]:
        return [life.told() for life in self._lives]

    @property
    def last(self) -> int:
        """The newest alert that it has."""
        return max((told.seq for life in self._lives for told in life.told()[-1:]), default=0)


class Watcher(Part):
    """`vigil watch` with simulated cameras, whose recorded scores make three alerts in 0.8 s each."""

    def __init__(self, folder: Path, ports: Ports, *, broker: bool) -> None:
        super().__init__("vigil watch", folder)
        self.outbox = self.folder / "data" / "outbox.sqlite3"
        names = [f"camera-{number}" for number in range(CAMERAS)]
        responses = self.folder / "responses.jsonl"
        with responses.open("w", encoding="utf-8") as file:
            for name in names:
                for index in range(WINDOWS):
                    score = SCORES[index % len(SCORES)]
                    file.write(json.dumps({"camera": name, "index": index, "score": score}) + "\n")
        settings = {
            "cameras": {name: {"source": "synthetic://?size=160x90&fps=10&events=none"} for name in names},
            "defaults": {
                "window": {"fps": 5, "length": "200ms", "stride": "200ms", "frames": 1},
                "smoothing": {"kind": "none"},
                "alerts": {"cooldown": 0, "merge_gap": 0, "close_hold": 0, "update_every": 0},
                "evidence": {"clip": False},
            },
            "scorer": {"kind": "recorded", "responses": str(responses)},
            "feed": {"bind": ports.feed_address, "catch_up": f"tcp://127.0.0.1:{ports.catch_up}"},
            "http": {"bind": "off"},
            "data": {"dir": str(self.outbox.parent)},
            "webhooks": [
                {
                    "name": "receiver",
                    "url": f"http://127.0.0.1:{ports.receiver}/",
                    "allow_private": True,
                    "from": "start",
                }
            ],
        }
        if broker:
            settings["mqtt"] = {"url": f"mqtt://127.0.0.1:{ports.broker}", "prefix": PREFIX, "from": "start"}
        self._config = write_config(self.folder, settings)

    def command(self) -> list[str]:
        return watch_command(self._config)


class Listener(Hearer):
    """`vigil listen --from-seq`, started again after the last line that it printed."""

    def __init__(self, folder: Path, ports: Ports) -> None:
        super().__init__("vigil listen", folder)
        self._feed = ports.feed_address

    def command(self) -> list[str]:
        next_seq = self.last + 1 if self.last else 0
        options = ["--format", "json", "--from-seq", str(next_seq)]
        return [sys.executable, "-m", "stream.cli", "listen", self._feed, *options]

    def output(self) -> Path:
        return self.next_life()


class End(Hearer):
    """One of benchmarks/chaos_ends.py."""

    def __init__(self, kind: str, folder: Path, *arguments: str) -> None:
        super().__init__(kind, folder)
        self._arguments = arguments

    def command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.chaos_ends", self.name, str(self.next_life()), *self._arguments]


class Broker(Part):
    """A real Mosquitto, which keeps sessions and messages on disk as well as it can."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        super().__init__("mosquitto", folder)
        self._program = program
        self._config = self.folder / "mosquitto.conf"
        self._config.write_text(_MOSQUITTO.format(port=port, folder=self.folder), encoding="ascii")

    def command(self) -> list[str]:
        return [self._program, "-c", str(self._config)]


class Survivor:
    """A subscriber in this process, which is never killed and should have each alert once and in order."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.runs: dict[str, float] = {}  # the first alert of each of Vigil's lives: when it came, monotonic
        self.faults: list[str] = []

    @property
    def last(self) -> int:
        return self.told[-1].seq if self.told else 0

    def take(self, event: object) -> None:
        match event:
            case Received(message=AlertMessage() as alert):
                self.runs.setdefault(alert.run, time.monotonic())
                self.told.append(Told(alert.seq, alert.id))
            case Missed() | NoCatchUp() | NewEpoch():
                self.faults.append(str(event))


@contextmanager
def surviving(feed: str) -> Iterator[Survivor]:
    survivor = Survivor()
    over = threading.Event()

    def listen() -> None:
        with subscribe(feed, since="all", timeout_s=0.1) as events:
            while not over.is_set():
                try:
                    survivor.take(next(events))
                except FeedError:  # nothing came for a moment
                    continue

    thread = threading.Thread(target=listen, name="survivor")
    thread.start()
    try:
        yield survivor
    finally:
        over.set()
        thread.join()


class _Reading:
    """Reads a file of lines as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._told: list[Told] = []
        self._read_bytes = 0

    def told(self) -> Sequence[Told]:
        """All of its whole lines; a last one that was cut off was never handed over."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read_bytes)
                whole, newline, _ = file.read().rpartition(b"\n")
            self._read_bytes += len(whole) + len(newline)
            self._told += [msgspec.json.decode(line, type=Told) for line in whole.splitlines()]
        return self._told
