"""Cameras that fail again and again under a real `vigil watch`: noticed in time, back by themselves, nothing left.

They are the fake RTSP cameras of the tests. Each plays longer than it takes to count as steady, then fails in one way
or another, and answers the next call well. In the end each fails once more while it is called. What happened is taken
from the feed: from the moment of the fault until Vigil tells it, and until it tells that pictures come again.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measures import Measure
from benchmarks.soak_faults import FAULTS, OPENINGS
from benchmarks.vitals import Vitals, flatness, percentile, slope, vitals
from benchmarks.watching import watching
from engine.errors import FeedError
from stream.feed import Kind, Received, StatusMessage, subscribe
from tests.integration.fake_rtsp import FPS, Call, FakeCamera, camera

LOOK_S = 0.5
BACK_WITHIN_S = 60.0
ALL_LIVE_S = 5.0  # after the first of them
STALL_S, RECOVERY_S = 5.0, 15.0  # what is aimed at
DETECTED_SHARE, RECOVERED_SHARE = 0.99, 0.95
SETTINGS = {"window": {"stride": "4s"}, "evidence": {"pre_roll": "2s"}}


@dataclass(frozen=True, slots=True)
class Extent:
    """How many faults in mid-stream, of how many cameras.

    A camera plays for `plays_s` between them: of a stream of ten seconds or more the wait after it begins anew. Before
    and after all that is the calm.
    """

    disconnects: int = 1000
    cameras: int = 48
    plays_s: tuple[float, float] = (10.5, 13.0)
    calm_s: float = 5.0
    settings: Mapping[str, object] = field(default_factory=dict)  # of the cameras


QUICK = Extent(20, 20, (1.0, 2.0), 2.0, {"stall": "2s", "open_timeout": "4s"})


@dataclass(frozen=True, slots=True)
class Fault:
    """Which one, of which camera, and when it began (monotonic)."""

    name: str
    camera: str
    began_s: float
    opening: bool


@dataclass(slots=True)
class Book:
    """What the cameras did and what was told of them. Times are monotonic."""

    extent: Extent
    rng: random.Random
    faults: list[Fault] = field(default_factory=list)
    states: defaultdict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def next_fault(self, camera: str) -> str | None:
        """How this camera fails now; each way in turn. None when there were enough."""
        with self._turn:
            number = self.done
            if number >= self.extent.disconnects:
                return None
            name = list(FAULTS)[number % len(FAULTS)]
            self.faults.append(Fault(name, camera, time.monotonic(), opening=False))
            return name

    def opening(self, name: str, camera: str) -> None:
        with self._turn:
            self.faults.append(Fault(name, camera, time.monotonic(), opening=True))

    def play_s(self, *, first: bool) -> float:
        """How long the next stream lasts; the first one all the calm, and until the other cameras are there."""
        with self._turn:
            return self.rng.uniform(*self.extent.plays_s) + (self.extent.calm_s + ALL_LIVE_S if first else 0.0)

    @property
    def done(self) -> int:
        return sum(not fault.opening for fault in self.faults)

    def hear(self, status: StatusMessage) -> None:
        self.states[status.camera].append((time.monotonic(), status.state))

    def live(self, camera: str) -> bool:
        return self.states[camera][-1:] != [] and self.states[camera][-1][1] == "live"

    def told_s(self, fault: Fault) -> float | None:
        """How long until Vigil told that the camera does not show anything; for an opening, that it did not open."""
        after = [each for each in self.states[fault.camera] if each[0] > fault.began_s]
        bad = ("offline",) if fault.opening else ("offline", "stalled")
        return next((at_s - fault.began_s for at_s, state in after if state in bad), None)

    def back_s(self, fault: Fault) -> float | None:
        """How long until it was live again."""
        told_s = self.told_s(fault)
        if told_s is None:
            return None
        after = [each for each in self.states[fault.camera] if each[0] > fault.began_s + told_s]
        return next((at_s - fault.began_s for at_s, state in after if state == "live"), None)


def measure(extent: Extent, seed: int = 0) -> list[Measure]:
    """Faults in mid-stream, spread over the cameras, and then one in opening of each camera."""
    book = Book(extent, random.Random(seed))
    names = [f"camera-{number}" for number in range(extent.cameras)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        fakes = {
            name: stack.enter_context(_failing(book, name, opening))
            for name, opening in zip(names, itertools.cycle(OPENINGS), strict=False)
        }
        settings = {
            "cameras": {name: {"source": fake.url} for name, fake in fakes.items()},
            "defaults": SETTINGS | dict(extent.settings),
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "127.0.0.1:0"},
            "data": {"dir": str(folder / "data")},
        }
        vigil = stack.enter_context(watching(folder, settings))
        stack.enter_context(_listening(vigil.feed, book))
        _until(lambda: all(book.live(name) for name in names), BACK_WITHIN_S, "all cameras to be live")
        calm = _look(vigil.pid, extent.calm_s)
        began_s = time.monotonic()
        rounds = extent.disconnects / extent.cameras + 3
        limit_s = rounds * (extent.plays_s[1] + BACK_WITHIN_S)
        seen: list[tuple[float, Vitals]] = []
        while len(book.faults) < extent.disconnects + extent.cameras:
            if time.monotonic() > began_s + limit_s:
                raise SystemExit(f"only {len(book.faults)} faults within {limit_s:.0f} s")
            seen += [(book.done, each) for each in _look(vigil.pid, LOOK_S)]
        _until(lambda: all(book.back_s(each) is not None for each in book.faults), BACK_WITHIN_S, "all to be live")
        took_s = time.monotonic() - began_s
        calm += _look(vigil.pid, extent.calm_s)
    most_open = max(fake.most_open for fake in fakes.values())
    return [*_measures(book, took_s, most_open), *_growth(seen, calm, extent.disconnects)]


@contextmanager
def _failing(book: Book, name: str, opening: str) -> Iterator[FakeCamera]:
    """A camera that fails as the book says, then once in opening, then plays on."""
    played, opened_badly = threading.Event(), threading.Event()
    over = threading.Event()  # enough of failing in mid-stream

    def talk(call: Call) -> None:
        if over.is_set() and not opened_badly.is_set():
            opened_badly.set()
            book.opening(opening, name)
            OPENINGS[opening](call)
            return
        call.serve()
        if over.is_set():
            call.play()
            return
        call.play(round(FPS * book.play_s(first=not played.is_set())))
        played.set()
        fault = book.next_fault(name)
        if fault is None:
            over.set()  # hangs up, and is called again
        else:
            FAULTS[fault](call)

    with camera(talk) as fake:
        yield fake


@contextmanager
def _listening(feed: str, book: Book) -> Iterator[None]:
    over = threading.Event()
    kinds: tuple[Kind, ...] = ("status",)

    def listen() -> None:
        with subscribe(feed, kinds=kinds, timeout_s=0.2) as events:
            while not over.is_set():
                with suppress(FeedError):  # nothing came for a moment
                    event = next(events)
                    if isinstance(event, Received) and isinstance(event.message, StatusMessage):
                        book.hear(event.message)

    thread = threading.Thread(target=listen, name="subscriber")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _until(happened: Callable[[], bool], within_s: float, what: str) -> None:
    deadline_s = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"waited {within_s:.0f} s for {what}")
        time.sleep(0.1)


def _look(pid: int, for_s: float) -> list[Vitals]:
    """What it holds, several times: there are moments when it holds more."""
    seen = []
    for _ in range(round(for_s / LOOK_S)):
        time.sleep(LOOK_S)
        seen.append(vitals(pid))
    return seen


def _growth(seen: list[tuple[float, Vitals]], calm: list[Vitals], disconnects: int) -> list[Measure]:
    warm = [(done, each.rss_bytes / 1e6) for done, each in seen if done >= 0.1 * disconnects]
    return [
        Measure("memory (RSS) after the first tenth of them", warm[0][1], "MB"),
        Measure("memory (RSS) in the end", warm[-1][1], "MB"),
        Measure("memory (RSS), growth in 1,000 disconnects, least squares", 1000 * slope(warm), "MB"),
        *flatness("before and after", calm),
    ]


def _measures(book: Book, took_s: float, most_open: int) -> list[Measure]:
    title = f"{book.extent.cameras} RTSP cameras"
    told = {fault: book.told_s(fault) or 0.0 for fault in book.faults}
    back = {fault: book.back_s(fault) or 0.0 for fault in book.faults}
    streaming = [fault for fault in book.faults if not fault.opening]
    measures = [
        Measure(f"{title}: disconnects", len(streaming), "", book.extent.disconnects, at_least=True),
        Measure(f"{title}: time for them", took_s / 60, "min"),
        Measure(f"{title}: connections to one of them at a time, at most", most_open, "", 1),
    ]
    for name in ("", *FAULTS):
        ways = [fault for fault in streaming if name in ("", fault.name)]
        if not ways:
            continue
        title = f"{name or 'all that follow'} ({len(ways)})"
        noticed_s = percentile([told[each] for each in ways], DETECTED_SHARE)
        live_s = [back[each] for each in ways]
        measures += [
            Measure(f"{title}: until it is told, 99th percentile", noticed_s, "s", STALL_S),
            Measure(f"{title}: until it is live again, median", percentile(live_s, 0.5), "s"),
            Measure(f"{title}: the same, 95th percentile", percentile(live_s, RECOVERED_SHARE), "s", RECOVERY_S),
        ]
    for name in OPENINGS:
        ways = [fault for fault in book.faults if fault.name == name]
        if ways:
            longest_s = max(told[each] for each in ways)
            measures.append(Measure(f"{name} ({len(ways)}): until it is given up, longest", longest_s, "s"))
    return measures
