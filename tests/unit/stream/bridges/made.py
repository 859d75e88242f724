"""Bridges for tests: a real outbox, a scripted sink, and a real ledger."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stream.bridges.bridge import Bridge, Bridges
from stream.bridges.ledger import Ledger
from stream.bridges.sink import Letter, Sink
from stream.metrics import Metrics
from stream.outbox import Outbox, OutboxHistory
from tests.unit.stream.feed.made import an_alert

SOON_S = 10.0


def open_outbox(folder: Path) -> Outbox:
    return Outbox(folder / "outbox.sqlite3", time.time)


def tell(outbox: Outbox, count: int = 1, **changes: object) -> None:
    for _ in range(count):
        outbox.append(an_alert(**changes))


def bridge(folder: Path, outbox: Outbox, sink: Sink, *, name: str = "ours", **options: Any) -> Bridge:
    return Bridge(
        name,
        sink,
        OutboxHistory(outbox),
        Ledger(folder),
        rng=random.Random(1),
        **{"begin": "start", "metrics": Metrics("1"), **options},
    )


def closing(*bridges: Bridge) -> contextlib.closing[Bridges]:
    """To be entered: the bridges end with it."""
    return contextlib.closing(Bridges(bridges))


def numbers(letters: Sequence[Letter]) -> list[int]:
    return [letter.place.seq for letter in letters]


def until(holds: Callable[[], object], within_s: float = SOON_S) -> None:
    """Wait for it, and fail when it does not come."""
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come"
        time.sleep(0.01)


def value(metrics: Metrics, name: str, bridge: str = "ours") -> float:
    """What a metric of a bridge is; 0 when it is not there yet."""
    for line in metrics.exposition().decode().splitlines():
        if line.startswith(f'{name}{{bridge="{bridge}"}} '):
            return float(line.rpartition(" ")[2])
    return 0.0


def numbers_kept(folder: Path) -> list[int]:
    """Of all alerts in the outbox of a data folder that nobody uses."""
    with open_outbox(folder) as outbox:
        return [alert.seq for alert in outbox.since(0, 100_000)]
