from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from engine.errors import SourceError, SourceFault
from stream.clock import ManualClock
from stream.sources.base import EncodedPacket, Item, Picture, StreamInfo
from stream.sources.webcam import WebcamSource
from tests.unit.stream.sources.captures import FakeCapture


def webcam(
    capture: FakeCapture, clock: ManualClock | None = None, device: int | str = 0, **options: Any
) -> WebcamSource:
    return WebcamSource(device, open_capture=lambda _: capture, monotonic=(clock or ManualClock()).monotonic, **options)


def pictures(items: list[Item]) -> list[Picture]:
    return [item for item in items if not isinstance(item, StreamInfo | EncodedPacket)]


def read_until_error(source: WebcamSource) -> tuple[list[Item], SourceError]:
    items: list[Item] = []
    with pytest.raises(SourceError) as caught:
        items.extend(iter(source))
    return items, caught.value


def test_it_opens_the_device_it_was_given_and_gives_its_pictures_in_rgb() -> None:
    asked: list[int | str] = []
    capture = FakeCapture(frames=3)

    def factory(device: int | str) -> FakeCapture:
        asked.append(device)
        return capture

    source = WebcamSource("/dev/video3", open_capture=factory)
    source.open()
    out = np.zeros((4, 6, 3), np.uint8)
    next(item for item in source if not isinstance(item, StreamInfo | EncodedPacket)).write_rgb(out)
    source.close()
    assert asked == ["/dev/video3"]
    assert (out == (41, 90, 30)).all()
    assert capture.released == 1


def test_what_is_really_given_is_reported_and_logged_when_it_is_not_what_was_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    capture = FakeCapture(size=(64, 48), fps=30.0)
    source = webcam(capture, size=(1280, 720), fps=60.0)
    info = source.open()
    source.close()
    assert (info.width, info.height, info.announced_fps) == (64, 48, 30.0)
    wished = dict(capture.wishes)
    assert wished[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert wished[cv2.CAP_PROP_FRAME_HEIGHT] == 720
    assert wished[cv2.CAP_PROP_FPS] == 60.0
    assert wished[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    (record,) = caplog.records
    assert "asked for 1280x720 at 60.0 fps, it gives 64x48 at 30" in record.message


def test_nothing_is_asked_for_or_logged_without_wishes(caplog: pytest.LogCaptureFixture) -> None:
    capture = FakeCapture()
    source = webcam(capture)
    source.open()
    source.close()
    assert not capture.wishes
    assert not caplog.records


@pytest.mark.parametrize("fps", [0.0, -1.0, 1e6])
def test_a_frame_rate_that_makes_no_sense_is_unknown(fps: float) -> None:
    source = webcam(FakeCapture(fps=fps))
    assert source.open().announced_fps is None
    source.close()


def test_the_drivers_time_stamps_count_from_the_first_picture() -> None:
    source = webcam(FakeCapture(frames=5, stamps_ms=lambda index: 8_000_000 + 40.0 * index))
    source.open()
    items, _ = read_until_error(source)
    source.close()
    assert [picture.pts_s for picture in pictures(items)] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])


def test_without_time_stamps_pictures_have_no_pts_and_packets_have_their_arrival() -> None:
    clock = ManualClock()
    source = webcam(FakeCapture(frames=5, stamps_ms=lambda _: 0.0, pass_time=clock.advance), clock)
    info = source.open()
    items, _ = read_until_error(source)
    source.close()
    assert [picture.pts_s for picture in pictures(items)] == [None] * 5
    packets = [item for item in items if isinstance(item, EncodedPacket)]
    assert [float((packet.pts or 0) * info.time_base) for packet in packets] == pytest.approx(
        [n / 30 for n in range(5)], abs=1e-3
    )


def test_a_device_that_is_pulled_out_is_lost_at_once() -> None:
    clock = ManualClock()
    source = webcam(FakeCapture(frames=4), clock)
    source.open()
    items, error = read_until_error(source)
    source.close()
    assert len(pictures(items)) == 4
    assert error.fault is SourceFault.LOST
    assert "webcam 0" in error.message


def test_a_device_that_falls_silent_is_stalled_after_the_read_timeout() -> None:
    clock = ManualClock()
    source = webcam(FakeCapture(frames=4, failing_takes_s=1.0, pass_time=clock.advance), clock, read_timeout_s=3.0)
    source.open()
    began_s = clock.monotonic()
    items, error = read_until_error(source)
    source.close()
    assert len(pictures(items)) == 4
    assert error.fault is SourceFault.STALLED
    assert 3.0 <= clock.monotonic() - began_s < 4.5


def test_a_pause_shorter_than_the_read_timeout_is_waited_out() -> None:
    clock = ManualClock()
    capture = FakeCapture(failing_takes_s=1.0, pass_time=clock.advance, fails_once=[2, 4])
    source = webcam(capture, clock, read_timeout_s=3.0)
    source.open()
    items = list(itertools.islice(source, 20))
    source.close()
    assert len(pictures(items)) >= 9


def test_an_opencv_error_while_reading_is_a_lost_device() -> None:
    reads = itertools.count()

    def fail() -> None:
        if next(reads) == 2:
            raise cv2.error("native trouble")

    source = webcam(FakeCapture(on_read=fail))
    source.open()
    _, error = read_until_error(source)
    source.close()
    assert error.fault is SourceFault.LOST
    assert isinstance(error.__cause__, cv2.error)


@pytest.mark.parametrize(
    ("exists", "may_use", "fault", "word"),
    [
        (False, False, SourceFault.NOT_FOUND, "no such device"),
        (True, False, SourceFault.UNAUTHORIZED, "no permission"),
        (True, True, SourceFault.REFUSED, "no pictures"),
    ],
)
def test_why_a_device_does_not_open_is_told(
    exists: bool, may_use: bool, fault: SourceFault, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "video9"
    if exists:
        device.touch()
    monkeypatch.setattr(os, "access", lambda *_: may_use)
    capture = FakeCapture(opens=False)
    with pytest.raises(SourceError, match=word) as caught:
        webcam(capture, device=str(device)).open()
    assert caught.value.fault is fault
    assert caught.value.advice
    assert capture.released == 1


def test_a_device_that_opens_but_gives_nothing_is_in_use() -> None:
    capture = FakeCapture(frames=0)
    with pytest.raises(SourceError, match="gives no pictures") as caught:
        webcam(capture).open()
    assert caught.value.fault is SourceFault.REFUSED
    assert capture.released == 1


def test_a_device_that_is_silent_from_the_start_is_stalled() -> None:
    clock = ManualClock()
    with pytest.raises(SourceError) as caught:
        webcam(FakeCapture(frames=0, failing_takes_s=1.0, pass_time=clock.advance), clock).open()
    assert caught.value.fault is SourceFault.STALLED


def test_closing_while_it_is_opened_gives_the_device_back() -> None:
    source: WebcamSource
    capture = FakeCapture(on_read=lambda: source.close())
    source = webcam(capture)
    with pytest.raises(SourceError) as caught:
        source.open()
    assert caught.value.fault is SourceFault.LOST
    assert capture.released == 1


def test_close_does_not_wait_for_a_blocked_read_whose_thread_then_gives_the_device_back() -> None:
    reading, go_on = threading.Event(), threading.Event()
    reads = itertools.count()

    def block() -> None:
        if next(reads) == 3:
            reading.set()
            assert go_on.wait(10)

    capture = FakeCapture(on_read=block)
    source = webcam(capture)
    source.open()
    reader = threading.Thread(target=lambda: list(source), name="reader")
    reader.start()
    assert reading.wait(10)
    source.close()
    assert not capture.released
    go_on.set()
    reader.join(10)
    assert not reader.is_alive()
    assert capture.released


@pytest.fixture
def silenced() -> Callable[[], int]:
    return cv2.utils.logging.getLogLevel


def test_opencvs_own_words_are_kept_off_stderr_only_while_it_is_asked(silenced: Callable[[], int]) -> None:
    before = silenced()
    levels: list[int] = []
    source = webcam(FakeCapture(on_read=lambda: levels.append(silenced())))
    source.open()
    next(iter(source))
    source.close()
    assert set(levels) == {cv2.utils.logging.LOG_LEVEL_SILENT}
    assert silenced() == before


@pytest.mark.parametrize("device", [63, "/dev/video63"])
def test_the_real_opencv_says_nothing_of_a_missing_device(device: int | str, capfd: pytest.CaptureFixture[str]) -> None:
    if Path("/dev/video63").exists():
        pytest.skip("this machine has a /dev/video63")
    source = WebcamSource(device)
    with pytest.raises(SourceError) as caught:
        source.open()
    source.close()
    assert caught.value.fault is SourceFault.NOT_FOUND
    assert capfd.readouterr() == ("", "")
