"""Kills everything again and again during steady alerts, and counts what was lost: a table of docs/reliability.md.

    python -m benchmarks.chaos [--kills 200] [--seed 0] [--json FILE]

A real `vigil watch` makes about fifteen alerts a second. It, those who listen to its feed, the receiver of its webhook
and, where it is installed, a Mosquitto are killed with `kill -9` at random moments and started again, now and then two
at once or before they were back. In the end what each heard is compared with the outbox. The seed decides whom and
when. About two seconds a kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.chaos_count import count
from benchmarks.chaos_parts import (
    CAMERAS,
    Broker,
    End,
    Hearer,
    Listener,
    Part,
    Survivor,
    Watcher,
    find_broker,
    free_ports,
    surviving,
)
from benchmarks.common import environment
from benchmarks.measures import Measure, table
from stream.feed import AlertMessage
from stream.outbox import Outbox

BACK_WITHIN_S = 60.0
LOOK_S = 0.02
WATCHER_SHARE = 0.5  # of the kills
TWO_AT_ONCE = 0.2
NOT_AWAITED = 0.2  # killed again, or another is, before all are back
CALM_S = 1.0  # longest wait before a kill when all are back
DOWN_S = 0.5  # longest that something is left dead


@dataclass(slots=True)
class Scene:
    """Everything that runs, and how often and how long each was away."""

    watcher: Watcher
    clients: Sequence[Hearer]  # of the feed
    receivers: Sequence[Hearer]  # of the bridges
    mortal: Sequence[Part]
    survivor: Survivor
    kills: Counter[str] = field(default_factory=Counter)
    back_s: dict[str, list[float]] = field(default_factory=dict)

    @property
    def parts(self) -> list[Part]:
        return list(dict.fromkeys([*self.clients, *self.receivers, *self.mortal]))

    def start(self) -> None:
        for part in self.parts:
            part.start()
        self.until(self._all_hear, "the first alerts")

    def run(self, kills: int, chance: random.Random) -> None:
        while self.kills.total() < kills:
            time.sleep(chance.uniform(0.0, CALM_S))
            victims = self._victims(chance)
            for victim in victims:
                victim.kill()
                self.kills[victim.name] += 1
            time.sleep(chance.uniform(0.0, DOWN_S))
            for victim in victims:
                victim.start()
            if chance.random() >= NOT_AWAITED:
                self.await_back(victims)

    def await_back(self, parts: Sequence[Part]) -> None:
        """Until all hear new alerts again; note how long that took from each start."""
        away = dict.fromkeys(parts)
        newest = self.survivor.last

        def all_back() -> bool:
            for part in [part for part in away if self._is_back(part, newest)]:
                del away[part]
                came_s = self._first_alert_s() if part is self.watcher else time.monotonic()
                self.back_s.setdefault(part.name, []).append(came_s - part.started_s)
            return not away and self._all_hear()

        self.until(all_back, "all to be back")

    def until(self, happened: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + BACK_WITHIN_S
        while not happened():
            if time.monotonic() > deadline_s:
                heard = {part.name: part.last for part in self.parts if isinstance(part, Hearer)}
                raise SystemExit(
                    f"waited {BACK_WITHIN_S:.0f} s for {what}; alert {self.survivor.last} was told, and heard "
                    f"were {heard}\n{self.watcher.log[-2000:]}"
                )
            time.sleep(LOOK_S)

    def _victims(self, chance: random.Random) -> list[Part]:
        others = [part for part in self.mortal if part is not self.watcher]
        first = self.watcher if chance.random() < WATCHER_SHARE else chance.choice(others)
        if chance.random() >= TWO_AT_ONCE:
            return [first]
        return [first, chance.choice([part for part in self.mortal if part is not first])]

    def _is_back(self, part: Part, newest: int) -> bool:
        if part is self.watcher:
            return self._first_alert_s() > part.started_s
        if isinstance(part, Hearer):
            return part.last > newest
        return self.receivers[-1].last > newest  # the broker, by its reader

    def _first_alert_s(self) -> float:
        """When the first alert of Vigil's newest life came."""
        return max(self.survivor.runs.values(), default=0.0)

    def _all_hear(self) -> bool:
        newest = self.survivor.last
        return newest > 0 and all(hearer.last >= newest - 2 * CAMERAS for hearer in [*self.clients, *self.receivers])


def run(kills: int, seed: int, folder: Path) -> list[Measure]:
    """All of it, with files in `folder`. Raises SystemExit when something does not come back within a minute."""
    ports = free_ports()
    program = find_broker()
    watcher = Watcher(folder, ports, broker=program is not None)
    clients: list[Hearer] = [
        Listener(folder, ports),
        End("subscriber", folder, ports.feed_address, str(folder / "position")),
    ]
    receivers: list[Hearer] = [End("receiver", folder, str(ports.receiver))]
    mortal: list[Part] = [watcher, *clients, *receivers]
    if program:
        mortal.append(Broker(program, folder, ports.broker))
        receivers.append(End("reader", folder, str(ports.broker)))
    began_s = time.monotonic()
    with surviving(ports.feed_address) as survivor:
        scene = Scene(watcher, clients, receivers, mortal, survivor)
        try:
            scene.start()
            scene.run(kills, random.Random(seed))
            last = survivor.last
            scene.until(lambda: all(each.last >= last for each in [*clients, *receivers]), f"alert {last} everywhere")
        finally:
            for part in scene.parts:
                part.kill()
    return _measures(scene, last, time.monotonic() - began_s)


def _measures(scene: Scene, last: int, took_s: float) -> list[Measure]:
    with Outbox(scene.watcher.outbox, time.time) as outbox:
        alerts = outbox.since(0, sys.maxsize)
        still_open = len(outbox.open_events())
    kept = {alert.seq: alert.id for alert in alerts}
    measures = [
        *(Measure(f"kills of {name}", number) for name, number in sorted(scene.kills.items())),
        Measure("kills", scene.kills.total()),
        Measure("alerts", last),
        Measure("alerts a second, the times of death included", last / took_s),
        Measure("outbox: numbers without an alert", max(kept) - len(kept), "", 0),
        Measure("outbox: events without an end, beyond one a camera", max(0, still_open - CAMERAS), "", 0),
        Measure("outbox: events that begin or end twice", _twice(alerts), "", 0),
        Measure("feed: told that alerts are missing", _complaints(scene), "", 0),
    ]
    clients = {"a subscriber that lives": [scene.survivor.told]} | {each.name: each.lives for each in scene.clients}
    for name, lives in clients.items():
        found = count(kept, lives, last)
        measures += [
            Measure(f"{name}: alerts lost", found.lost, "", 0),
            Measure(f"{name}: alerts told twice", found.doubled, "", 0),
            Measure(f"{name}: out of order", found.disordered, "", 0),
            Measure(f"{name}: not in the outbox", found.foreign, "", 0),
            Measure(f"{name}: told again after its own crash", found.again),
        ]
    for hearer in scene.receivers:
        found = count(kept, hearer.lives, last)
        name = {"receiver": "webhook", "reader": "MQTT"}[hearer.name]
        measures += [
            Measure(f"{name}: alerts lost", found.lost, "", 0),
            Measure(f"{name}: first deliveries out of order", found.disordered, "", 0),
            Measure(f"{name}: not in the outbox", found.foreign, "", 0),
            Measure(f"{name}: delivered again", found.doubled + found.again),
        ]
    for name, times_s in sorted(scene.back_s.items()):
        ordered = sorted(times_s)
        title = f"{name}: from its start until a new alert came through"
        measures += [
            Measure(f"{title}, median of {len(ordered)}", median(ordered), "s"),
            Measure(f"{title}, 95th percentile", ordered[int(0.95 * len(ordered))], "s"),
        ]
    return measures


def _twice(alerts: Sequence[AlertMessage]) -> int:
    ends = Counter((alert.id, alert.type) for alert in alerts if alert.type != "update")
    return sum(number - 1 for number in ends.values())


def _complaints(scene: Scene) -> int:
    """By the subscriber that lives, and by the others, which print them."""
    printed = "\n".join(client.log for client in scene.clients)
    said = sum(printed.count(complaint) for complaint in ("missed", "can't be fetched", "another outbox"))
    return len(scene.survivor.faults) + said


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measures there as well")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        measures = run(options.kills, options.seed, Path(folder))
    if options.json:
        found = {
            "environment": environment().as_dict() | {"load": load},
            "seed": options.seed,
            "measures": [each.as_dict() for each in measures],
        }
        options.json.write_text(json.dumps(found), encoding="utf-8")
    print(f"seed {options.seed}; {environment()}; load before: {load:.1f}\n\n{table(measures)}")


if __name__ == "__main__":
    main()
