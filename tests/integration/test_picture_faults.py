"""Faults of the picture on real footage, encoded, read and sampled as a camera's: what must be told and what not."""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from engine.batcher import MicroBatcher
from engine.picture import HealthSettings, PictureFault
from engine.types import Image
from engine.windows import WindowPlan
from stream.clock import SystemClock
from stream.rings import PacketRing
from stream.session import CameraSession, Pace, SessionSettings, SessionStats
from stream.sources.pyav import PyAvSource
from tests.unit.stream.clips import REAL_CLIPS

pytestmark = pytest.mark.skipif(not REAL_CLIPS.exists(), reason="the real clips are not beside the project")

FPS = 8
WIDTH, HEIGHT = 480, 304
AFTER_S = 5.0
FAULT_S, GOOD_S, END_S = 36, 48, 58  # the scene is shown as it is, then with the fault, then as it is again
TRUCK_S = 4  # less than AFTER_S
SETTINGS = HealthSettings(frozenset(PictureFault), AFTER_S)

Change = Callable[[Image, np.random.Generator], Image]


@functools.cache
def footage(name: str) -> list[Image]:
    """One scene of it, there and back again, at FPS."""
    clip, start, end = {
        "street": ("ucf_robbery102.mp4", 0.0, 29.0),
        "door": ("cctv_door.mp4", 0.0, 29.0),
        "night": ("cctv_door.mp4", 53.0, 82.0),
    }[name]
    shown: list[Image] = []
    with av.open(str(REAL_CLIPS / clip)) as container:
        for frame in container.decode(video=0):
            if frame.time >= end:
                break
            if frame.time >= start + len(shown) / FPS:
                shown.append(np.asarray(frame.reformat(WIDTH, HEIGHT, "rgb24").to_ndarray(), np.uint8))
    return [*shown, *reversed(shown)]


def encoded(path: Path, name: str, change: Change, until_s: int = GOOD_S) -> Path:
    """The scene, with `change` from FAULT_S to `until_s`."""
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "26", "g": str(2 * FPS)}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        pictures = footage(name)
        for number in range(END_S * FPS):
            picture = pictures[number % len(pictures)]
            if FAULT_S <= number / FPS < until_s:
                picture = change(picture, rng)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def told(video: Path) -> list[str | None]:
    """The faults that a session told of, in order; None for their ends."""
    clock = SystemClock()
    batcher = MicroBatcher(max_batch=8, staleness_s=60, monotonic=clock.monotonic)
    stats = SessionStats()
    session = CameraSession(
        SessionSettings("front", WindowPlan(fps=FPS), (320, 180), pace=Pace.MAX, health=SETTINGS),
        lambda: PyAvSource(str(video)),
        packets=PacketRing(0.0, 0),
        batcher=batcher,
        report=lambda _change: None,
        clock=clock,
        rng=random.Random(1),
        stats=stats,
    )
    thread = threading.Thread(target=session.run)
    thread.start()
    faults: list[str | None] = [None]
    while thread.is_alive():
        for window in batcher.take(0.05):
            window.release()
        fault = stats.trouble.fault if stats.trouble else None
        if fault != faults[-1]:
            faults.append(fault)
    thread.join()
    assert stats.frames == END_S * FPS
    return faults[1:]


def blurred(share: float) -> Change:
    return lambda image, _: np.asarray(cv2.GaussianBlur(image, (0, 0), share * HEIGHT), np.uint8)


def turned(shift: float = 0.0, degrees: float = 0.0) -> Change:
    matrix = np.asarray(cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1.0))
    matrix[:, 2] += np.array([shift * WIDTH, shift / 2 * HEIGHT])
    return lambda image, _: np.asarray(
        cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def noisy(image: np.ndarray, rng: np.random.Generator, deviation: float) -> Image:
    return np.clip(image + rng.normal(0, deviation, image.shape), 0, 255).astype(np.uint8)


def black(image: Image, rng: np.random.Generator) -> Image:
    return noisy(np.full(image.shape, 8.0), rng, 1.0)


def hand(image: Image, rng: np.random.Generator) -> Image:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return noisy((40 + 40 * columns / WIDTH + 20 * rows / HEIGHT)[..., None].repeat(3, 2), rng, 2.0)


def frozen() -> Change:
    kept: list[Image] = []

    def freeze(image: Image, rng: np.random.Generator) -> Image:
        kept.append(image)
        return kept[0]

    return freeze


def truck(image: Image, rng: np.random.Generator) -> Image:
    """Fills most of the view."""
    image = image.copy()
    side = int(0.8 * WIDTH)
    image[:, :side] = (200, 190, 180)
    image[HEIGHT // 3 : HEIGHT // 3 + 4, :side] = 60
    image[:, side // 2 : side // 2 + 4] = 80
    image[int(0.8 * HEIGHT) :, :side] = 40
    return image


def bright(factor: float, noise: float = 0.0) -> Change:
    return lambda image, rng: noisy(image * factor, rng, noise)


def from_one_side(image: Image, rng: np.random.Generator) -> Image:
    return np.clip(image * np.linspace(1.8, 0.3, WIDTH)[None, :, None], 0, 255).astype(np.uint8)


def by_night(image: Image, rng: np.random.Generator) -> Image:
    """No colour, a spot of infrared in the middle, much noise."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    spot = np.exp(-(((columns / WIDTH - 0.5) / 0.4) ** 2) - ((rows / HEIGHT - 0.6) / 0.4) ** 2)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) * (0.15 + 0.85 * spot)
    return noisy(grey, rng, 5.0)[..., None].repeat(3, 2)


@pytest.mark.parametrize("scene", ["street", "night"])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (black, "covered"),
        (hand, "covered"),
        (blurred(0.02), "blurred"),
        (blurred(0.08), "blurred"),
        (turned(shift=0.06), "moved"),
        (turned(shift=0.3), "moved"),
        (turned(degrees=12), "moved"),
    ],
    ids=["black", "hand", "blurred", "blurred much", "shifted", "turned away", "tilted"],
)
def test_a_fault_is_told_and_is_over_when_the_picture_is_good_again(
    scene: str, change: Change, fault: str, tmp_path: Path
) -> None:
    assert told(encoded(tmp_path / "v.mp4", scene, change)) == [fault, None]


def test_a_frozen_picture_is_told_although_its_encoder_still_refines_it(tmp_path: Path) -> None:
    assert told(encoded(tmp_path / "v.mp4", "door", frozen(), until_s=END_S)) == ["frozen"]


@pytest.mark.parametrize("scene", ["street", "night"])
@pytest.mark.parametrize(
    "change",
    [lambda image, _: image, bright(0.3), bright(0.1, noise=1.5), bright(1.8), from_one_side, by_night],
    ids=["none", "dim", "almost dark", "overexposed", "from one side", "night"],
)
def test_another_light_is_no_fault(scene: str, change: Change, tmp_path: Path) -> None:
    assert told(encoded(tmp_path / "v.mp4", scene, change)) == []


@pytest.mark.parametrize("scene", ["street", "night"])
def test_a_truck_before_the_camera_for_some_seconds_is_no_fault(scene: str, tmp_path: Path) -> None:
    assert told(encoded(tmp_path / "v.mp4", scene, truck, until_s=FAULT_S + TRUCK_S)) == []
