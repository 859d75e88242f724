"""A thread or a process per camera? What each costs, and what happens when native code hangs.

    python -m benchmarks.isolation [--cameras 8] [--seconds 10] [--json]

Each way runs in a fresh process with the same load: cameras that play one CIF clip of 30 pictures a second at its
own pace, decode all of it, and hand over 8 frames a second of 448x448. A frame is handed to one consumer:
from a thread through a queue, from a process through shared memory and a message on a pipe.

A hang is `pause()` in C. Python's lock is released then, as it is by every driver and library used here;
one row shows what a call that keeps the lock would do. A little over a minute in all.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import multiprocessing
import queue
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np
import psutil

from benchmarks.common import cpu_s, environment, make_clip, pss_bytes
from engine.types import Image
from stream.sources.base import EncodedPacket, StreamInfo
from stream.sources.pyav import PyAvOptions, PyAvSource

WAYS = ("thread", "forkserver", "spawn")
CLIP_SIZE, CLIP_FPS, CLIP_S = (352, 288), 30, 10.0
SAMPLED_FPS = 8
SIDE_PX = 448
SLOTS = 4  # frames of one camera that are in flight
WARM_S = 2.0
LEAD_S = 1.0
HANG_S = 3.0
LOCKED_S = 1
STOP_S = 0.5
START_LIMIT_S = 30.0

_MESSAGE = struct.Struct("<dI")  # when it was handed over (monotonic), slot


class Flag(Protocol):
    """A threading or a multiprocessing event."""

    def is_set(self) -> bool: ...
    def set(self) -> None: ...
    def clear(self) -> None: ...


@dataclass(frozen=True)
class Orders:
    """What a camera is told, whichever way it runs."""

    stop: Flag
    hang: Flag
    hang_locked: Flag

    @classmethod
    def of(cls, make: Callable[[], Any]) -> Orders:
        return cls(make(), make(), make())


@dataclass(frozen=True)
class Arrival:
    camera: int
    time_s: float
    delay_s: float


@dataclass(frozen=True)
class Result:
    """Of one way. Memory is proportional (PSS), over all its processes."""

    way: str
    start_ms: float  # of a camera, until its first frame
    memory_mb: float  # of a further camera
    cpu_ms: float  # per second of one camera
    delay_ms: float  # from handing a frame over until the consumer has it: median
    delay_p99_ms: float
    gap_ms: float  # the longest that a camera was silent; 125 if all goes well
    hang_share: float  # of the frames due from the other cameras while one hung
    hang_gap_ms: float  # the longest that another camera was silent then
    locked_gap_ms: float  # the same while one held Python's lock for a second
    replace_ms: float  # from giving up the hung camera until the first frame of its successor
    exit_ms: float = 0.0  # from the end of the main program until the process is gone, with a camera still hanging


def decode(clip: str, orders: Orders, target: Callable[[int], Image], hand_over: Callable[[int], None]) -> None:
    """One camera: play the clip again and again, and hand over its frames."""
    slot = 0
    while not orders.stop.is_set():
        source = PyAvSource(clip, PyAvOptions(skip_unreferenced=False))
        source.open()
        started_s, last = time.monotonic(), -1
        for item in source:
            if isinstance(item, StreamInfo | EncodedPacket):
                continue
            if orders.stop.is_set():
                break
            if orders.hang.is_set():
                orders.hang.clear()
                ctypes.CDLL(None).pause()
            if orders.hang_locked.is_set():
                orders.hang_locked.clear()
                ctypes.PyDLL(None).sleep(LOCKED_S)
            pts_s = item.pts_s or 0.0
            time.sleep(max(0.0, started_s + pts_s - time.monotonic()))
            if math.floor(pts_s * SAMPLED_FPS) != last:
                last = math.floor(pts_s * SAMPLED_FPS)
                slot = (slot + 1) % SLOTS
                item.write_rgb(target(slot))
                hand_over(slot)
        source.close()


class Cameras(Protocol):
    """One way of running cameras."""

    def start(self, camera: int) -> Orders: ...
    def receive(self, timeout_s: float) -> list[Arrival]: ...
    def give_up(self, camera: int) -> None:
        """A hung one: end it, or leave it behind."""
        ...


class Threads:
    def __init__(self, clip: str) -> None:
        self._clip = clip
        self._frames: queue.SimpleQueue[tuple[int, float]] = queue.SimpleQueue()

    def start(self, camera: int) -> Orders:
        orders = Orders.of(threading.Event)
        slots = np.zeros((SLOTS, SIDE_PX, SIDE_PX, 3), np.uint8)

        def hand_over(_slot: int) -> None:
            self._frames.put((camera, time.monotonic()))

        arguments = (self._clip, orders, slots.__getitem__, hand_over)
        threading.Thread(target=decode, args=arguments, daemon=True, name=f"camera-{camera}").start()
        return orders

    def receive(self, timeout_s: float) -> list[Arrival]:
        try:
            camera, sent_s = self._frames.get(timeout=timeout_s)
        except queue.Empty:
            return []
        now_s = time.monotonic()
        return [Arrival(camera, now_s, now_s - sent_s)]

    def give_up(self, camera: int) -> None:
        """Nothing to do: the thread stays where it is."""


class Processes:
    def __init__(self, clip: str, context: ForkServerContext | SpawnContext) -> None:
        self._clip = clip
        self._context = context
        self._processes: dict[int, multiprocessing.process.BaseProcess] = {}
        self._pipes: dict[Any, int] = {}

    def start(self, camera: int) -> Orders:
        context = self._context
        orders = Orders.of(context.Event)
        pixels = context.RawArray(ctypes.c_uint8, SLOTS * SIDE_PX * SIDE_PX * 3)
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_in_process, args=(self._clip, orders, pixels, sender), daemon=True)
        process.start()
        sender.close()
        self._processes[camera] = process
        self._pipes[receiver] = camera
        return orders

    def receive(self, timeout_s: float) -> list[Arrival]:
        arrivals = []
        for pipe in wait(list(self._pipes), timeout_s):
            assert isinstance(pipe, Connection)
            try:
                sent_s, _slot = _MESSAGE.unpack(pipe.recv_bytes())
            except EOFError:
                del self._pipes[pipe]
                continue
            now_s = time.monotonic()
            arrivals.append(Arrival(self._pipes[pipe], now_s, now_s - sent_s))
        return arrivals

    def give_up(self, camera: int) -> None:
        self._processes[camera].kill()
        self._processes[camera].join()


def _in_process(clip: str, orders: Orders, pixels: Any, pipe: Connection) -> None:
    slots = np.frombuffer(pixels, np.uint8).reshape(SLOTS, SIDE_PX, SIDE_PX, 3)
    decode(clip, orders, slots.__getitem__, lambda slot: pipe.send_bytes(_MESSAGE.pack(time.monotonic(), slot)))


def make_cameras(way: str, clip: str) -> Cameras:
    if way == "thread":
        return Threads(clip)
    if way == "spawn":
        return Processes(clip, multiprocessing.get_context("spawn"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(  # the best case for processes: they share what was imported before
        ["av", "cv2", "numpy", "psutil", "benchmarks.common", "stream.sources.pyav"]
    )
    return Processes(clip, context)


def measure(way: str, clip: str, count: int, seconds: float) -> Result:
    cameras = make_cameras(way, clip)
    starts_s = []
    orders = []
    memory_of_one = 0.0
    for camera in range(count):
        started_s = time.monotonic()
        orders.append(cameras.start(camera))
        starts_s.append(_first(cameras, camera) - started_s)
        if camera == 0:
            _collect(cameras, WARM_S)
            memory_of_one = _total(pss_bytes)
    _collect(cameras, WARM_S)

    used_s = _total(cpu_s)
    steady = _collect(cameras, seconds)
    used_s = _total(cpu_s) - used_s
    memory = _total(pss_bytes)
    delays_ms = sorted(1000 * arrival.delay_s for arrival in steady)

    locked = _others(cameras, 1, orders[1].hang_locked)
    hung = _others(cameras, 0, orders[0].hang)
    gave_up_s = time.monotonic()
    cameras.give_up(0)
    orders.append(cameras.start(count))
    replaced_s = _first(cameras, count)
    for each in orders[1:]:
        each.stop.set()
    _collect(cameras, STOP_S)
    return Result(
        way,
        start_ms=1000 * median(starts_s),
        memory_mb=(memory - memory_of_one) / (count - 1) / 1e6,
        cpu_ms=1000 * used_s / seconds / count,
        delay_ms=median(delays_ms),
        delay_p99_ms=delays_ms[int(0.99 * len(delays_ms))],
        gap_ms=1000 * _longest_gap_s(steady),
        hang_share=len(hung) / ((count - 1) * SAMPLED_FPS * (LEAD_S + HANG_S)),
        hang_gap_ms=1000 * _longest_gap_s(hung),
        locked_gap_ms=1000 * _longest_gap_s(locked),
        replace_ms=1000 * (replaced_s - gave_up_s),
    )


def _first(cameras: Cameras, camera: int) -> float:
    """When the first frame of a camera came."""
    deadline_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline_s:
        for arrival in cameras.receive(1.0):
            if arrival.camera == camera:
                return arrival.time_s
    raise SystemExit(f"camera {camera} did not start within {START_LIMIT_S:.0f} s")


def _collect(cameras: Cameras, seconds: float) -> list[Arrival]:
    arrivals: list[Arrival] = []
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        arrivals += cameras.receive(left_s)
    return arrivals


def _others(cameras: Cameras, camera: int, order: Flag) -> list[Arrival]:
    """What comes from the others just before and while one camera hangs."""
    arrivals = _collect(cameras, LEAD_S)
    order.set()
    arrivals += _collect(cameras, HANG_S)
    return [arrival for arrival in arrivals if arrival.camera != camera]


def _longest_gap_s(arrivals: list[Arrival]) -> float:
    """The longest that one camera was silent."""
    times_s: dict[int, list[float]] = {}
    for arrival in arrivals:
        times_s.setdefault(arrival.camera, []).append(arrival.time_s)
    return max(b - a for each in times_s.values() for a, b in pairwise(each))


def _total(of: Callable[[int], float]) -> float:
    """Over this process and all it started."""
    this = psutil.Process()
    return sum(of(process.pid) for process in (this, *this.children(recursive=True)))


def measure_apart(way: str, clip: str, count: int, seconds: float) -> Result:
    """In a fresh process, so that nothing of one way is left for the next; and how long that takes to end."""
    options = ["--way", way, "--clip", clip, "--cameras", str(count), "--seconds", str(seconds)]
    command = [sys.executable, "-m", "benchmarks.isolation", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        process.wait(START_LIMIT_S)
        gone_s = time.monotonic()
    if not told:
        raise SystemExit(f"{way}: gave no result")
    ended_s, result = json.loads(told)
    return Result(**{**result, "exit_ms": 1000 * (gone_s - ended_s)})


ROWS: tuple[tuple[str, str, str], ...] = (
    ("memory of a further camera (PSS)", "memory_mb", "{:.1f} MB"),
    ("CPU per second of a camera", "cpu_ms", "{:.1f} ms"),
    ("start of a camera until its first frame", "start_ms", "{:.0f} ms"),
    ("handing a frame over, median", "delay_ms", "{:.2f} ms"),
    ("handing a frame over, 99th percentile", "delay_p99_ms", "{:.2f} ms"),
    ("longest silence of a camera (125 ms is none)", "gap_ms", "{:.0f} ms"),
    ("a hang: frames that the others still deliver", "hang_share", "{:.0%}"),
    ("a hang: longest silence of another camera", "hang_gap_ms", "{:.0f} ms"),
    ("a hang: giving the camera up and starting it anew", "replace_ms", "{:.0f} ms"),
    ("a hang: end of the process although it goes on", "exit_ms", "{:.0f} ms"),
    ("a call that keeps Python's lock for 1 s: longest silence of another camera", "locked_gap_ms", "{:.0f} ms"),
)
TITLES = {"thread": "thread", "forkserver": "process (forkserver, preloaded)", "spawn": "process (spawn)"}


def table(results: list[Result]) -> str:
    """In Markdown."""
    lines = [f"| | {' | '.join(TITLES[result.way] for result in results)} |", "|---|" + "---:|" * len(results)]
    for title, name, form in ROWS:
        lines.append(f"| {title} | {' | '.join(form.format(getattr(result, name)) for result in results)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cameras", type=int, default=8, help="at least 2")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each way is measured in peace")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--clip", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        result = measure(options.way, options.clip, options.cameras, options.seconds)
        print(json.dumps([time.monotonic(), asdict(result)]), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder) / "clip.mp4", *CLIP_SIZE, CLIP_FPS, CLIP_S, gop=2 * CLIP_FPS)
        results = [measure_apart(way, str(clip), options.cameras, options.seconds) for way in WAYS]
    if options.json:
        print(json.dumps({"environment": environment().as_dict(), "results": [asdict(each) for each in results]}))
    else:
        print(f"{options.cameras} cameras; {environment()}\n\n{table(results)}")


if __name__ == "__main__":
    main()
