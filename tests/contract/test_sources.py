"""What every source promises, whatever it reads. A new source is one line in SOURCES."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from stream.clock import ManualClock
from stream.remux import ClipWriter
from stream.sources.base import EncodedPacket, Item, Picture, Source, StreamInfo
from stream.sources.encode import PacketEncoder
from stream.sources.pyav import PyAvSource
from stream.sources.raw import RawPicture
from stream.sources.scripted import ScriptedSource, Silence
from stream.sources.synthetic import SyntheticSource
from stream.sources.webcam import WebcamSource
from tests.unit.stream.clips import encode
from tests.unit.stream.sources.captures import FakeCapture

TAKEN = 90  # items looked at: enough for more than one group of pictures of each source
SOON_S = 10.0


def script(seconds: int) -> list[Item]:
    """Ten pictures a second, with their packets."""
    encoder = PacketEncoder(96, 64, 10)
    items: list[Item] = [encoder.info]
    for number in range(seconds * 10):
        rgb = np.full((64, 96, 3), 20 + number, np.uint8)
        is_key = encoder.is_key_due(number / 10)
        items += [*encoder.encode(rgb, number / 10), RawPicture(rgb, number / 10, is_key=is_key)]
    encoder.close()
    return items


def webcam(**capture: Any) -> WebcamSource:
    """Thirty pictures a second of its own time."""
    clock = ManualClock()
    fake = FakeCapture(pass_time=clock.advance, **capture)
    return WebcamSource(0, open_capture=lambda _: fake, monotonic=clock.monotonic)


# Each makes a fresh source, given an empty folder. All give `TAKEN` items or more.
SOURCES: list[tuple[str, Callable[[Path], Source]]] = [
    ("scripted", lambda _: ScriptedSource([*script(10), Silence(60.0)])),
    ("synthetic", lambda _: SyntheticSource("synthetic://?size=160x90")),
    ("synthetic-night", lambda _: SyntheticSource("synthetic://?size=96x72&fps=10&duration=5&night=1")),
    ("webcam", lambda _: webcam()),
    ("webcam-no-stamps", lambda _: webcam(stamps_ms=lambda _: 0.0)),
    ("pyav", lambda folder: PyAvSource(str(encode(folder / "clip.mp4")))),
]


@pytest.fixture(params=[make for _, make in SOURCES], ids=[name for name, _ in SOURCES])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Source]]:
    """Makes new sources of one kind; all are closed at the end, and their threads are gone then."""
    made: list[Source] = []

    def new() -> Source:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(request.param(folder))
        return made[-1]

    before = set(threading.enumerate())
    yield new
    for source in made:
        source.close()
    assert set(threading.enumerate()) <= before


def take(source: Source, count: int = TAKEN) -> list[Item]:
    source.open()
    return list(itertools.islice(source, count))


def packets_of(items: list[Item]) -> list[EncodedPacket]:
    return [item for item in items if isinstance(item, EncodedPacket)]


def pictures_of(items: list[Item]) -> list[Picture]:
    return [item for item in items if not isinstance(item, StreamInfo | EncodedPacket)]


def test_the_first_item_is_what_open_returned(make: Callable[[], Source]) -> None:
    source = make()
    info = source.open()
    assert next(iter(source)) == info
    assert info.width > 0
    assert info.height > 0
    assert info.codec
    assert info.time_base > 0


def test_a_packet_comes_before_the_pictures_decoded_from_it(make: Callable[[], Source]) -> None:
    items = take(make())
    assert len(pictures_of(items)) > 20
    info, packets = items[0], 0
    assert isinstance(info, StreamInfo)
    seen: list[float] = []
    for shown, item in enumerate(items):
        if isinstance(item, EncodedPacket):
            packets += 1
            assert item.pts is not None
            seen.append(float(item.pts * info.time_base))
        elif not isinstance(item, StreamInfo):
            assert packets >= len(pictures_of(items[: shown + 1]))
            if item.pts_s is not None:
                assert min(abs(pts_s - item.pts_s) for pts_s in seen) < 0.002


def test_the_first_packet_and_picture_are_key_ones_and_more_follow(make: Callable[[], Source]) -> None:
    items = take(make())
    for things in (packets_of(items), pictures_of(items)):
        assert things[0].is_key
        assert 2 <= sum(thing.is_key for thing in things) < len(things) / 4


def test_presentation_times_do_not_go_back(make: Callable[[], Source]) -> None:
    items = take(make())
    times = [picture.pts_s for picture in pictures_of(items) if picture.pts_s is not None]
    assert times == sorted(times)
    dts = [packet.dts for packet in packets_of(items) if packet.dts is not None]
    assert dts == sorted(set(dts))


@pytest.mark.parametrize("size", [None, (448, 448), (31, 17), (8, 200)])
def test_a_picture_fills_any_size_and_nothing_beside_it(
    make: Callable[[], Source], size: tuple[int, int] | None
) -> None:
    source = make()
    info = source.open()
    picture = next(item for item in source if not isinstance(item, StreamInfo | EncodedPacket))
    width, height = size or (info.width, info.height)
    written = []
    for before in (0, 255):
        ring = np.full((3, height, width, 3), before, np.uint8)
        picture.write_rgb(ring[1])
        assert (ring[[0, 2]] == before).all()
        written.append(ring[1])
    assert (written[0] == written[1]).all()


def test_keyframes_only_hands_out_key_pictures_only_and_every_packet(make: Callable[[], Source]) -> None:
    everything = take(make())
    sparing = make()
    sparing.keyframes_only = True
    sparing.open()
    items: list[Item] = []
    for item in sparing:
        items.append(item)
        if len(packets_of(items)) == len(packets_of(everything)):
            break
    assert pictures_of(items)
    assert all(picture.is_key for picture in pictures_of(items))
    assert len(pictures_of(items)) < len(pictures_of(everything)) / 4
    assert [packet.pts for packet in packets_of(items)] == [packet.pts for packet in packets_of(everything)]


def test_keyframes_only_can_be_turned_on_and_off_between_items(make: Callable[[], Source]) -> None:
    source = make()
    source.open()
    shown: list[bool] = []
    for item in source:
        if isinstance(item, StreamInfo | EncodedPacket):
            continue
        shown.append(item.is_key)
        source.keyframes_only = len(shown) == 3
        if len(shown) == 6:
            break
    assert shown == [True, False, False, True, False, False]


def test_its_packets_make_a_clip_with_every_picture(make: Callable[[], Source], tmp_path: Path) -> None:
    items = take(make())
    info, packets = items[0], packets_of(items)
    assert isinstance(info, StreamInfo)
    clip = ClipWriter(tmp_path / "out.mp4", info)
    for packet in packets:
        clip.write(packet)
    assert clip.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        sizes = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert sizes == [(info.width, info.height)] * len(packets)


def test_closing_twice_and_at_any_moment_is_harmless(make: Callable[[], Source]) -> None:
    unopened, opened, begun = make(), make(), make()
    unopened.close()
    opened.open()
    begun.open()
    next(iter(begun))
    for source in (unopened, opened, begun):
        source.close()
        source.close()


def test_a_source_closed_by_its_reader_yields_no_more(make: Callable[[], Source]) -> None:
    source = make()
    source.open()
    items = iter(source)
    first = list(itertools.islice(items, 5))
    source.close()
    assert len(first) == 5
    assert len(list(items)) <= 3  # what came with the picture in hand


def test_close_from_another_thread_ends_the_iteration_soon(make: Callable[[], Source]) -> None:
    source = make()
    source.open()
    begun, failures = threading.Event(), []

    def read() -> None:
        try:
            for item in source:
                if not isinstance(item, StreamInfo | EncodedPacket):
                    begun.set()
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails the test
            failures.append(error)

    reader = threading.Thread(target=read, name="reader")
    reader.start()
    try:
        assert begun.wait(SOON_S)
    finally:
        source.close()
        reader.join(SOON_S)
    assert not reader.is_alive()
    assert not failures


def test_two_sources_of_a_kind_do_not_disturb_each_other(make: Callable[[], Source]) -> None:
    one, other = make(), make()
    one.open()
    other.open()
    pairs = list(itertools.islice(zip(one, other, strict=False), 20))
    one.close()
    assert len(list(itertools.islice(other, 5))) <= 5
    assert [type(a) for a, _ in pairs] == [type(b) for _, b in pairs]
