"""How fast the feed tells one subscriber and fifty, and that one of them that stops hurts nobody and misses nothing.

The publisher with its outbox, and the subscribers, are processes of their own (benchmarks/soak_ends.py). A delay counts
from when an alert is handed to the outbox, so it contains the disk's sync. One that is stopped with SIGSTOP keeps its
connection and reads nothing.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.chaos_parts import free_ports
from benchmarks.common import pss_bytes
from benchmarks.measures import Measure
from benchmarks.vitals import percentile

MANY = 50
GROUP = 7  # subscribers of one process
RATE = 50.0  # alerts a second where delays are measured


@dataclass(frozen=True, slots=True)
class Extent:
    """How many alerts are told in each part."""

    fast: int = 1000
    steady: int = 400
    rounds: int = 4
    backlog: int = 25_000  # more than the 20,000 that the publisher keeps for a subscriber


QUICK = Extent(fast=100, steady=25, rounds=1, backlog=500)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one subscriber heard of a part."""

    delays_s: Sequence[float]
    wrong: int  # alerts that did not come once and in order, and what it was told to have missed


class Program:
    """One of benchmarks/soak_ends.py."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "benchmarks.soak_ends", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def said(self) -> str:
        assert self.process.stdout is not None
        if line := self.process.stdout.readline():
            return line.strip()
        raise SystemExit("an end of the feed has ended early")

    def ask(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Feed:
    """A publisher with subscribers, the last of which is alone in its process and may be stopped."""

    def __init__(self, publisher: Program, groups: list[Program]) -> None:
        self.publisher = publisher
        self.groups = groups
        self.others = groups[:-1]
        self.stopped = groups[-1]
        self._first, self._seq = 1, 0  # the last alerts told

    def tell(self, count: int, rate: float = 0.0) -> float:
        """Alerts, as fast as they go or so many a second; how long that took the publisher."""
        self.publisher.ask(f"{count} {rate}")
        self._first, (self._seq, took_s) = self._seq + 1, json.loads(self.publisher.said())
        return float(took_s)

    def heard(self, groups: Sequence[Program]) -> list[Heard]:
        """By each of their subscribers, of the last alerts told, when they have them."""
        for group in groups:
            group.ask(str(self._seq))
        return [self._judge(each) for group in groups for each in json.loads(group.said())]

    def stop_one(self) -> None:
        self.stopped.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.stopped.process.send_signal(signal.SIGCONT)

    def _judge(self, told: dict[str, Any]) -> Heard:
        heard = [(seq, delay_s) for seq, delay_s in told["heard"] if seq >= self._first]
        expected = range(self._first, self._seq + 1)
        in_place = sum(seq == wanted for (seq, _), wanted in zip(heard, expected, strict=False))
        wrong = max(len(heard), len(expected)) - in_place + told["missed"]
        return Heard([delay_s for _, delay_s in heard], wrong)


@contextmanager
def _feed(subscribers: int) -> Iterator[Feed]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = free_ports()
        address, catch_up = (f"tcp://127.0.0.1:{port}" for port in (ports.feed, ports.catch_up))

        def start(*arguments: str) -> Program:
            program = Program(*arguments)
            stack.callback(program.close)
            return program

        publisher = start("publisher", str(folder / "outbox.sqlite3"), address, catch_up)
        publisher.said()
        sizes = [GROUP] * ((subscribers - 1) // GROUP) + [1]
        groups = [start("subscribers", address, str(size)) for size in sizes]
        for group in groups:
            group.said()
        yield Feed(publisher, groups)


def measure(extent: Extent) -> list[Measure]:
    return [*_compare(1, extent), *_compare(MANY, extent), *_one_stopped(extent), *_far_behind(extent)]


def _compare(subscribers: int, extent: Extent) -> list[Measure]:
    title = f"{subscribers} subscriber{'s' * (subscribers > 1)}"
    with _feed(subscribers) as feed:
        began_s = time.monotonic()
        feed.tell(extent.fast)
        fast = feed.heard(feed.groups)
        took_s = time.monotonic() - began_s
        feed.tell(extent.steady, RATE)
        steady = feed.heard(feed.groups)
    delays_ms = [1000 * delay_s for each in steady for delay_s in each.delays_s]
    return [
        Measure(f"{title}: alerts a second to each, as fast as it goes", extent.fast / took_s),
        Measure(f"{title}: delay at {RATE:.0f} alerts a second, median", percentile(delays_ms, 0.5), "ms"),
        Measure(f"{title}: the same, 95th percentile", percentile(delays_ms, 0.95), "ms"),
        Measure(f"{title}: alerts not heard once and in order", sum(each.wrong for each in [*fast, *steady]), "", 0),
    ]


def _one_stopped(extent: Extent) -> list[Measure]:
    """By turns with and without it, so that what else the machine does falls on both."""
    late_ms: dict[bool, list[float]] = {False: [], True: []}
    wrong = 0
    with _feed(MANY) as feed:
        for _ in range(extent.rounds):
            for stopped in (False, True):
                if stopped:
                    feed.stop_one()
                feed.tell(extent.steady, RATE)
                others = feed.heard(feed.others)
                feed.go_on()
                [one] = feed.heard([feed.stopped])
                late_ms[stopped].append(percentile([1000 * each for other in others for each in other.delays_s], 0.95))
                wrong += one.wrong + sum(each.wrong for each in others)
    title = f"1 of {MANY} stopped"
    without, with_ = (median(late_ms[stopped]) for stopped in (False, True))
    return [
        Measure(f"{title}: delay of the others, 95th percentile, without", without, "ms"),
        Measure(f"{title}: delay of the others, 95th percentile, with", with_, "ms"),
        Measure(f"{title}: the ratio of these", with_ / without),
        Measure(f"{title}: alerts not heard once and in order, by it or by others", wrong, "", 0),
    ]


def _far_behind(extent: Extent) -> list[Measure]:
    """One is stopped while more alerts are told than the publisher keeps for it: the rest has to be fetched."""
    with _feed(1 + GROUP) as feed:
        before = pss_bytes(feed.publisher.process.pid)
        feed.stop_one()
        told_s = feed.tell(extent.backlog)
        others = feed.heard(feed.others)
        held = pss_bytes(feed.publisher.process.pid) - before
        began_s = time.monotonic()
        feed.go_on()
        [one] = feed.heard([feed.stopped])
        took_s = time.monotonic() - began_s
    title = f"1 of {1 + GROUP} stopped for {extent.backlog} alerts"
    return [
        Measure(f"{title}: how long it was stopped", told_s, "s"),
        Measure(f"{title}: what the publisher holds for it and others", held / 1e6, "MB"),
        Measure(f"{title}: until it had caught up", took_s, "s"),
        Measure(f"{title}: alerts that it did not hear once and in order", one.wrong, "", 0),
        Measure(f"{title}: alerts that others did not", sum(each.wrong for each in others), "", 0),
    ]
