"""Hours of footage through a real `vigil watch`, as fast as it goes: what it holds must not grow with them.

The cameras are files of a rendered street, 160x90 at two pictures a second, in which something happens now and then.
All of the way from decoding to clips is run, only the network is not. Every eight seconds a window is judged.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.common import repeat_clip
from benchmarks.measures import Measure
from benchmarks.vitals import Vitals, flatness, slope, vitals
from benchmarks.watching import Vigil, watching
from engine.errors import FeedError
from stream.feed import AlertMessage, Missed, NoCatchUp, Received, subscribe
from stream.sources.base import EncodedPacket, StreamInfo
from stream.sources.synthetic import SyntheticSource

CAMERAS = 8
STREETS = 4  # that differ; in full, each is watched by two cameras
STREET_S = 300
FPS = 2
SIZE = (160, 90)
STRIDE_S = 8
LOOK_S = 0.5  # of the machine's time
TIMELINE_POINTS = 3600  # are kept of each camera
FULL_H = TIMELINE_POINTS * STRIDE_S / 3600  # until then memory grows by them
SHORT_WARM_UP = 1 / 8  # of a run that is over before
MB_PER_HOUR = 1.0
SETTINGS = {
    "pace": "max",
    "window": {"fps": FPS, "length": "1s", "stride": f"{STRIDE_S}s", "frames": 2},
    "motion": {"sensitivity": 2},
}


def measure(hours: float, limit_s: float, cameras: int = CAMERAS) -> list[Measure]:
    """So many hours of each camera, or as many as there are by the limit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        days = [_day(folder, seed, hours) for seed in range(min(STREETS, cameras))]
        settings = {
            "cameras": {f"camera-{number}": {"source": str(days[number % len(days)])} for number in range(cameras)},
            "defaults": SETTINGS,
            "feed": {"bind": "tcp://127.0.0.1:*"},
            "http": {"bind": "127.0.0.1:0"},
            "data": {"dir": str(folder / "data"), "retention": {"size": "20MB"}},
        }
        with watching(folder, settings) as vigil, _listening(vigil.feed) as heard:
            began_s = time.monotonic()
            seen = _look_on(vigil, cameras, hours, began_s + limit_s)
            took_s = time.monotonic() - began_s
            dropped = vigil.total("vigil_windows_dropped_total", "vigil_frames_dropped_total")
            events = vigil.total("vigil_alerts_total")
        evidence = sum(1 for _ in (folder / "data" / "events").rglob("*.mp4"))
    ran_h = seen[-1][0]
    warm_h = FULL_H if ran_h > 1.25 * FULL_H else SHORT_WARM_UP * ran_h
    warm = [(hour, each) for hour, each in seen if hour >= warm_h]
    title = f"{cameras} cameras"
    return [
        Measure(f"{title}: hours of footage of each", ran_h, "h", hours, at_least=True),
        Measure(f"{title}: faster than real time by", 3600 * ran_h / took_s),
        Measure(f"{title}: windows and frames dropped", dropped, "", 0),
        Measure(f"{title}: events", events),
        Measure(f"{title}: alerts heard by a subscriber", heard.alerts),
        Measure(f"{title}: alerts that it missed", heard.missed, "", 0),
        Measure(f"{title}: clips left by the retention", evidence),
        *(
            Measure(f"{title}: memory (RSS) after {share * ran_h:.1f} hours", _memory_mb(seen, share * ran_h), "MB")
            for share in (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
        ),
        Measure(
            f"{title}: growth an hour of footage after {warm_h:.1f} hours, least squares",
            slope([(hour, each.rss_bytes / 1e6) for hour, each in warm]),
            "MB",
            MB_PER_HOUR,
        ),
        *flatness(title, [each for _, each in warm]),
    ]


class _Heard:
    def __init__(self) -> None:
        self.alerts = self.missed = 0


@contextmanager
def _listening(feed: str) -> Iterator[_Heard]:
    heard = _Heard()
    over = threading.Event()

    def listen() -> None:
        with subscribe(feed, since="all", timeout_s=0.5) as events:
            while not over.is_set():
                with suppress(FeedError):  # nothing came for a moment
                    match next(events):
                        case Received(message=AlertMessage()):
                            heard.alerts += 1
                        case Missed(count=count):
                            heard.missed += count
                        case NoCatchUp():
                            heard.missed += 1

    thread = threading.Thread(target=listen, name="subscriber")
    thread.start()
    try:
        yield heard
    finally:
        over.set()
        thread.join()


def _look_on(vigil: Vigil, cameras: int, hours: float, until_s: float) -> list[tuple[float, Vitals]]:
    """What it held after so many hours of footage of each camera."""
    seen: list[tuple[float, Vitals]] = []
    while time.monotonic() < until_s and (not seen or seen[-1][0] < hours):
        time.sleep(LOOK_S)
        hour = vigil.total("vigil_windows_scored_total") * STRIDE_S / cameras / 3600
        seen.append((hour, vitals(vigil.pid)))
    return seen


def _memory_mb(seen: list[tuple[float, Vitals]], hour: float) -> float:
    return next(each.rss_bytes for at_hour, each in seen if at_hour >= hour) / 1e6


def _day(folder: Path, seed: int, hours: float) -> Path:
    """A street that begins anew every five minutes; a little longer than asked for, so that it is not over before."""
    street = folder / f"street-{seed}.mp4"
    source = SyntheticSource(f"synthetic://?size={SIZE[0]}x{SIZE[1]}&fps={FPS}&duration={STREET_S}&seed={seed}&noise=1")
    source.open()
    with av.open(str(street), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"preset": "veryfast", "crf": "28"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 4 * FPS
        stream.codec_context.max_b_frames = 0
        image = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
        for number, picture in enumerate(item for item in source if not isinstance(item, StreamInfo | EncodedPacket)):
            picture.write_rgb(image)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source.close()
    return repeat_clip(street, int(hours * 3600 / STREET_S) + 2, street.with_stem(f"day-{seed}"))
