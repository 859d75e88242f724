from __future__ import annotations

import asyncio
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the console extra")

from engine.batcher import Counts
from engine.types import Image
from stream.config.models import CameraConfig
from stream.console import pictures as module
from stream.console.pictures import Pictures
from stream.console.view import CameraNow
from stream.preview import Preview
from stream.side_thread import SideThread
from tests.unit.stream.test_session import Grey

WIDTH, HEIGHT = 640, 360


class Camera:
    """One that gives a picture whenever somebody has asked for it."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.picture = Grey(None)
        self.preview = Preview(lambda: self.time_s)
        config = CameraConfig.model_validate({"source": "synthetic://"})
        self.now = CameraNow("front", config, "live", True, (WIDTH, HEIGHT), None, Counts(), 0.0, {}, self.preview, ())

    def show(self) -> None:
        self.time_s += 0.15
        self.preview.offer(self.picture, WIDTH, HEIGHT, self.time_s)


@pytest.fixture
def thread() -> Iterator[SideThread]:
    thread = SideThread("pictures")
    yield thread
    thread.close()


def test_a_picture_is_converted_and_encoded_once_for_all_who_look(
    thread: SideThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def encode(image: Image, _quality: int) -> bytes:
        encoded.append(image.shape[1])
        return b"jpeg"

    monkeypatch.setattr(module, "encode_jpeg", encode)
    camera = Camera()

    async def look() -> None:
        pictures = Pictures(thread)
        camera.preview.ask(320)
        camera.show()
        found = await asyncio.gather(*(pictures.newest(camera.now, 320) for _ in range(5)))
        assert {each.data for each in found if each} == {b"jpeg"}
        assert len({each.tag for each in found if each}) == 1

    asyncio.run(look())
    assert (camera.picture.conversions, encoded) == (1, [320])


def test_who_has_a_picture_waits_for_the_next_one_and_without_one_is_told_that_nothing_changed(
    thread: SideThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.001)
    camera = Camera()

    async def look() -> None:
        pictures = Pictures(thread)
        assert await pictures.newest(camera.now, 320) is None
        camera.show()
        first = await pictures.newest(camera.now, 320)
        assert first is not None
        assert first.data is not None
        same = await pictures.newest(camera.now, 320, [first.tag])
        assert same is not None
        assert (same.tag, same.data) == (first.tag, None)
        camera.show()
        second = await pictures.newest(camera.now, 320, [first.tag])
        assert second is not None
        assert second.tag != first.tag
        assert second.data is not None

    asyncio.run(look())


def test_a_picture_made_at_the_size_that_is_wanted_looks_like_one_that_is_made_smaller_afterwards(
    thread: SideThread,
) -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    full = np.stack([x * 255 // WIDTH, y * 255 // HEIGHT, (x + y) * 255 // (WIDTH + HEIGHT)], axis=-1).astype(np.uint8)

    class Ramp(Grey):
        def write_rgb(self, out: Image) -> None:
            out[:] = cv2.resize(full, out.shape[1::-1], interpolation=cv2.INTER_AREA)

    async def jpeg(made_px: int) -> Image:
        camera = Camera()
        camera.picture = Ramp(None)
        camera.preview.ask(made_px)
        camera.show()
        found = await Pictures(thread).newest(camera.now, 320)
        assert found is not None
        assert found.data is not None
        return np.asarray(cv2.imdecode(np.frombuffer(found.data, np.uint8), cv2.IMREAD_COLOR), np.uint8)

    fast, plain = asyncio.run(jpeg(320)), asyncio.run(jpeg(960))
    assert fast.shape == plain.shape == (180, 320, 3)
    assert np.abs(fast.astype(int) - plain).max() <= 8
