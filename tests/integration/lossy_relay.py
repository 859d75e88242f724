"""A line between a browser that publishes and the console, on which packets are lost and late, or none passes.

The browser's offer loses its candidates and the answer names the relay instead, so that this is the only way.
"""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Page, Route

CANDIDATE = re.compile(r"a=candidate:.*\r\n")
HOST = re.compile(r"a=candidate:\S+ 1 udp \d+ (127\.0\.0\.1|\d+\.\d+\.\d+\.\d+) (\d+) typ host.*\r\n")
LOOK_S = 0.2


@dataclass
class Line:
    """How it is now. `lost` counts."""

    loss: float = 0.0
    jitter_s: float = 0.0
    gone: bool = False
    lost: int = 0
    answers: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def passes(self) -> bool:
        if self.gone or self.rng.random() < self.loss:
            self.lost += 1
            return False
        return True


@contextmanager
def relayed(page: Page, line: Line) -> Iterator[None]:
    """While it lasts, whatever the page publishes goes over this line."""
    over, threads = threading.Event(), list[threading.Thread]()

    def answer(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        told = route.fetch(post_data=CANDIDATE.sub("", route.request.post_data or ""))
        body = told.text()
        if found := HOST.search(body):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            relay = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {sock.getsockname()[1]} typ host\r\n"
            body = CANDIDATE.sub("", body.replace(found[0], "a=relay\r\n", 1)).replace("a=relay\r\n", relay)
            threads.append(threading.Thread(target=_relay, args=(sock, (found[1], int(found[2])), line, over)))
            threads[-1].start()
            line.answers += 1
        route.fulfill(response=told, body=body)

    page.route("**/whip/*", answer)
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _relay(sock: socket.socket, console: tuple[str, int], line: Line, over: threading.Event) -> None:
    browser: tuple[str, int] | None = None
    late: list[tuple[float, bytes, tuple[str, int]]] = []
    with sock:
        while not over.is_set():
            due_s = min((each[0] for each in late), default=time.monotonic() + LOOK_S)
            sock.settimeout(min(LOOK_S, max(0.001, due_s - time.monotonic())))
            try:
                packet, sender = sock.recvfrom(65536)
            except (TimeoutError, ConnectionError):
                pass
            else:
                if sender != console:
                    browser = sender
                target = browser if sender == console else console
                if target is not None and line.passes():
                    late.append((time.monotonic() + line.rng.random() * line.jitter_s, packet, target))
            now_s = time.monotonic()
            for _, packet, target in (each for each in late if each[0] <= now_s):
                sock.sendto(packet, target)
            late = [each for each in late if each[0] > now_s]
