"""What Vigil adds to decoding and scoring: everything between a picture and a message, per window, in CPU time.

The whole of `Watch` in this process, at the pace of cameras: simulated cameras with pictures made before, 30 a second
with their packets, a scorer that says a number, and the real rings, batcher, alerts, outbox and feed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.measures import Measure
from engine.scripted import ScriptedScorer
from engine.types import Image
from stream.config import from_mapping
from stream.sources.base import EncodedPacket, Item, StreamInfo
from stream.sources.scripted import ScriptedSource
from stream.watch import Watch

FPS = 30
GOP = 2 * FPS
FRAME_SIZE = (320, 180)  # the motion scorer's
PACKET = bytes(2000)  # half a megabit a second
SETTLE_S = 2.0
MOST_MS = 2.0
QUIET, LOUD = 0.1, 0.9  # scores

_INFO = StreamInfo("h264", 352, 288, Fraction(1, FPS), b"")


@dataclass(frozen=True, slots=True)
class _Picture:
    """Its pixels are there already: writing them is a copy."""

    pts_s: float
    is_key: bool
    pixels: Image

    def write_rgb(self, out: Image) -> None:
        np.copyto(out, self.pixels)


def measure(cameras: int, seconds: float, repeats: int) -> list[Measure]:
    """The cost of a window, and of one that makes an alert message too, in turns."""
    with _log_nowhere():
        rounds = [[_window_s(cameras, seconds, score) for score in (QUIET, LOUD)] for _ in range(repeats)]
    quiet_s, loud_s = (median(each) for each in zip(*rounds, strict=True))
    return [
        Measure("a window, without decoding and scoring, CPU", 1000 * quiet_s, "ms", MOST_MS),
        Measure("the same when every window makes an alert message, CPU", 1000 * loud_s, "ms", MOST_MS),
    ]


def _window_s(cameras: int, seconds: float, score: float) -> float:
    """CPU seconds per window when all of them get this score."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_watch(cameras, seconds, score, Path(folder)))


@contextmanager
def _log_nowhere() -> Iterator[None]:
    """Log lines cost what they cost, and nobody sees them."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        handler = logging.StreamHandler(nowhere)
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)


async def _watch(cameras: int, seconds: float, score: float, data: Path) -> float:
    script = list(_script(seconds + 4 * SETTLE_S))
    config = from_mapping(
        {
            "cameras": {f"camera-{number}": {"source": "synthetic://"} for number in range(cameras)},
            "defaults": {
                "smoothing": {"kind": "none"},
                "alerts": {"open": 0.5, "close": 0.5, "alert": 0.5, "update_every": 0},
                "evidence": {"clip": False},  # there is no video in these packets
            },
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "off"},
            "data": {"dir": str(data)},
        }
    )
    windows = 0

    def judge(_window: object) -> float:
        nonlocal windows
        windows += 1
        return score

    listeners: list[subprocess.Popen[bytes]] = []

    def listen(feed: str, _http: str | None) -> None:
        command = [sys.executable, "-m", "stream.cli", "listen", feed, "--format", "json"]
        listeners.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    stop = asyncio.Event()
    watch = Watch(
        config,
        ScriptedScorer(judge, frame_size=FRAME_SIZE),
        make_source=lambda _camera: ScriptedSource(script, live=False),
    )
    running = asyncio.create_task(watch.run(stop, started=listen))
    try:
        await asyncio.sleep(SETTLE_S)
        from_windows, from_s = windows, time.process_time()
        await asyncio.sleep(seconds)
        cost_s, judged = time.process_time() - from_s, windows - from_windows
    finally:
        stop.set()
        await running
        for listener in listeners:
            listener.terminate()
            listener.wait()
    if score == LOUD and watch.alerts_told < judged:
        raise SystemExit(f"only {watch.alerts_told} alert messages for {judged} windows")
    return cost_s / judged


def _script(seconds: float) -> Iterator[Item]:
    width, height = FRAME_SIZE
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    yield _INFO
    for number in range(round(seconds * FPS)):
        is_key = number % GOP == 0
        yield EncodedPacket(PACKET, number, number, 1, is_key)
        yield _Picture(number / FPS, is_key, pixels)
