"""Files through `PyAvSource`: what it yields, decodes, skips, notices and refuses."""

from __future__ import annotations

import itertools
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import SourceError, SourceFault
from stream.remux import decode_at
from stream.sources.base import EncodedPacket, Item, Picture, StreamInfo
from stream.sources.pyav import PyAvOptions, PyAvSource
from tests.unit.stream.sources.videos import REAL_CLIPS, encode, joined, plain, rgb, split

ALL = PyAvOptions(skip_unreferenced=False)


@contextmanager
def opened(path: Path | str, options: PyAvOptions = ALL) -> Iterator[PyAvSource]:
    source = PyAvSource(str(path), options)
    try:
        source.open()
        yield source
    finally:
        source.close()


def read(path: Path | str, options: PyAvOptions = ALL, *, keyframes_only: bool = False) -> list[Item]:
    with opened(path, options) as source:
        source.keyframes_only = keyframes_only
        return list(source)


def fault_of(path: Path | str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(path)
    return caught.value


def times_s(pictures: list[Picture]) -> list[float]:
    assert all(picture.pts_s is not None for picture in pictures)
    return [round(picture.pts_s or 0.0, 3) for picture in pictures]


# What is yielded


def test_a_file_gives_its_kind_then_every_packet_and_picture_with_the_streams_own_times(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", pictures=25, fps=10, b_frames=2)
    items = read(path)
    infos, packets, pictures = split(items)
    assert items[0] is infos[0]
    assert (infos[0].codec, infos[0].width, infos[0].height) == ("h264", 160, 96)
    assert (infos[0].announced_fps, infos[0].decoder) == (10.0, "h264 (software)")
    assert len(packets) == 25
    assert [number for number, packet in enumerate(packets) if packet.is_key] == [0, 10, 20]
    assert times_s(pictures) == [round(number / 10, 3) for number in range(25)]
    assert [picture.is_key for picture in pictures].count(True) == 3


def test_a_packet_comes_before_the_pictures_decoded_from_it(tmp_path: Path) -> None:
    seen_s: list[float] = []
    time_base = None
    for item in read(encode(tmp_path / "a.mp4", b_frames=2)):
        if isinstance(item, StreamInfo):
            time_base = item.time_base
        elif isinstance(item, EncodedPacket):
            assert item.pts is not None
            seen_s.append(float(item.pts * (time_base or 0)))
        else:
            assert item.pts_s in seen_s


def test_pictures_are_those_of_a_plain_decoder(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", b_frames=2)
    _, _, pictures = split(read(path))
    frames = plain(path)
    assert len(pictures) == len(frames) == 30
    for picture, frame in zip(pictures, frames, strict=True):
        assert np.array_equal(rgb(picture, 160, 96), frame.to_ndarray(format="rgb24"))


def test_packets_can_be_decoded_with_nothing_but_the_header(tmp_path: Path) -> None:
    infos, packets, pictures = split(read(encode(tmp_path / "a.mp4")))
    assert np.array_equal(decode_at(infos[0], packets, 0), rgb(pictures[0], 160, 96))


def test_sound_is_left_out(tmp_path: Path) -> None:
    infos, packets, pictures = split(read(encode(tmp_path / "a.mp4", sound=True)))
    assert (len(infos), len(packets), len(pictures)) == (1, 30, 30)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "says"),
    [
        ("a.mkv", "libx265", "yuv420p10le", "hevc"),
        ("a.avi", "mjpeg", "yuvj420p", "mjpeg"),
        ("a.ts", "mpeg2video", "yuv420p", "mpeg2video"),
        ("a.mkv", "libx264", "gray", "h264"),
    ],
)
def test_other_codecs_and_colour_formats_look_the_same(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, says: str
) -> None:
    infos, packets, pictures = split(read(encode(tmp_path / name, codec=codec, pix_fmt=pix_fmt, pictures=10)))
    assert infos[0].codec == says
    assert len(packets) == len(pictures) == 10
    shown = rgb(pictures[0], 160, 96).astype(float)
    wanted = plain(tmp_path / name)[0].to_ndarray(format="rgb24").astype(float)
    assert np.abs(shown - wanted).mean() < 4


def test_raw_video_has_packets_and_pictures_without_a_real_clock(tmp_path: Path) -> None:
    _, packets, pictures = split(read(encode(tmp_path / "a.h264", pictures=12)))
    assert len(packets) == len(pictures) == 12


def test_times_that_a_stream_does_not_say_are_none(tmp_path: Path) -> None:
    _, _, pictures = split(read(encode(tmp_path / "a.h264", pictures=3)))
    assert [picture.pts_s for picture in pictures] == [None, None, None]


def test_a_file_may_be_named_as_a_url_or_look_like_a_protocol(tmp_path: Path) -> None:
    path = encode(tmp_path / "a b%20?.mp4", pictures=3)
    odd = path.rename(tmp_path / "concat:x|y.mp4")
    assert len(split(read(odd))[2]) == 3
    assert len(split(read(f"file://{encode(tmp_path / 'c d.mp4', pictures=3)}".replace(" ", "%20")))[2]) == 3


@pytest.mark.parametrize(
    ("url", "live"),
    [
        ("rtsp://cam/x.mp4", True),
        ("https://cam/live.m3u8", True),
        ("http://cam/stream.mjpg", True),
        ("http://host/clip.MP4?token=1", False),
        ("clip.ts", False),
    ],
)
def test_files_are_not_live_wherever_they_lie(url: str, live: bool) -> None:
    assert PyAvSource(url).live is live


# Key frames only


@pytest.mark.parametrize("b_frames", [0, 2])
def test_key_frames_only_gives_every_packet_and_every_key_picture(tmp_path: Path, b_frames: int) -> None:
    path = encode(tmp_path / "a.mp4", pictures=40, b_frames=b_frames)
    _, packets, pictures = split(read(path, keyframes_only=True))
    assert len(packets) == 40
    assert times_s(pictures) == [0.0, 1.0, 2.0, 3.0]
    assert all(picture.is_key for picture in pictures)
    for picture, frame in zip(pictures, plain(path)[::10], strict=True):
        assert np.array_equal(rgb(picture, 160, 96), frame.to_ndarray(format="rgb24"))


def test_a_key_picture_comes_with_its_packet_even_where_pictures_are_reordered(tmp_path: Path) -> None:
    items = read(encode(tmp_path / "a.mp4", pictures=40, b_frames=2), keyframes_only=True)
    for before, item in pairwise(items):
        if not isinstance(item, StreamInfo | EncodedPacket):
            assert isinstance(before, EncodedPacket)
            assert before.is_key


def times_when_woken(path: Path, wake_at_packet: int, *, after_picture: bool) -> list[float]:
    """The pictures' times when `keyframes_only` is given up at a packet, or right after the picture it gives.

    Every picture's pixels are checked against a plain decoding.
    """
    frames = {round(float(frame.time), 3): frame for frame in plain(path)}
    seen_s: list[float] = []
    packets = 0
    with opened(path) as source:
        source.keyframes_only = True
        for item in source:
            if isinstance(item, EncodedPacket):
                packets += 1
            elif not isinstance(item, StreamInfo):
                assert item.pts_s is not None
                seen_s.append(round(item.pts_s, 3))
                wanted = frames[seen_s[-1]].to_ndarray(format="rgb24")
                assert np.array_equal(rgb(item, 160, 96), wanted)
            if packets > wake_at_packet and not (after_picture and isinstance(item, EncodedPacket)):
                source.keyframes_only = False
    return seen_s


def tenths(*ranges: range) -> list[float]:
    return [number / 10 for numbers in ranges for number in numbers]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_decoding_goes_on_right_after_the_key_picture_that_woke_it(tmp_path: Path, codec: str, b_frames: int) -> None:
    path = encode(tmp_path / "a.mkv", codec=codec, pictures=40, b_frames=b_frames)
    assert times_when_woken(path, 20, after_picture=True) == tenths(range(0, 20, 10), range(20, 40))


def test_decoding_can_be_changed_again_and_again(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", pictures=60, b_frames=2)
    frames = {round(float(frame.time), 3): frame for frame in plain(path)}
    seen_s = []
    with opened(path) as source:
        for item in source:
            if not isinstance(item, StreamInfo | EncodedPacket):
                seen_s.append(times_s([item])[0])
                assert np.array_equal(rgb(item, 160, 96), frames[seen_s[-1]].to_ndarray(format="rgb24"))
                source.keyframes_only = len(seen_s) % 3 == 0
    assert seen_s == sorted(set(seen_s))
    assert {0.0, 1.0, 2.0, 3.0} <= set(seen_s)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_woken_between_key_frames_it_decodes_from_the_next_one_on(tmp_path: Path, b_frames: int) -> None:
    path = encode(tmp_path / "a.mp4", pictures=40, b_frames=b_frames)
    assert times_when_woken(path, 14, after_picture=False) == tenths(range(0, 20, 10), range(20, 40))


def test_a_stream_joined_in_the_middle_begins_with_its_first_key_frame(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.ts", pictures=30)
    with av.open(str(whole)) as container, av.open(str(tmp_path / "late.ts"), "w") as late:
        stream = late.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(container.demux(video=0)):
            if number >= 5 and packet.size:
                packet.stream = stream
                late.mux(packet)
    _, packets, pictures = split(read(tmp_path / "late.ts"))
    assert len(packets) == 25
    assert len(pictures) == 20
    assert pictures[0].is_key


# Skipping what no other picture needs


def test_unreferenced_pictures_are_skipped_where_enough_remain(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "a.mp4", fps=60, pictures=240, gop=60, b_frames=2, options={"b-pyramid": "none", "b_strategy": "0"}
    )
    _, packets, pictures = split(read(path, PyAvOptions(wanted_fps=8)))
    assert len(packets) == 240
    assert 60 <= len(pictures) <= 100


def test_skipping_ends_where_too_few_would_remain_and_this_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = encode(
        tmp_path / "a.mp4", fps=20, pictures=200, gop=40, b_frames=3, options={"b-pyramid": "none", "b_strategy": "0"}
    )
    with caplog.at_level(logging.INFO):
        _, _, pictures = split(read(path, PyAvOptions(wanted_fps=8)))
    times = times_s(pictures)
    assert sum(time < 2 for time in times) < 20
    assert sum(time >= 3 for time in times) == 140
    said = [record for record in caplog.records if "unreferenced" in record.getMessage()]
    assert [record.camera for record in said] == ["a"]  # type: ignore[attr-defined]


def test_all_pictures_come_when_none_may_be_skipped(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", fps=60, pictures=120, gop=60, b_frames=2)
    assert len(split(read(path))[2]) == 120


# Changes in mid-stream


@pytest.mark.parametrize(("suffix", "codec"), [("ts", "libx264"), ("h264", "libx264"), ("hevc", "libx265")])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_new_resolution_is_told_before_its_first_packet(
    tmp_path: Path, suffix: str, codec: str, b_frames: int
) -> None:
    small = encode(tmp_path / f"1.{suffix}", codec=codec, pictures=20, b_frames=b_frames)
    large = encode(tmp_path / f"2.{suffix}", codec=codec, size=(320, 192), pictures=20, b_frames=b_frames, first=20)
    items = read(joined(tmp_path / f"both.{suffix}", small, large))
    infos, packets, pictures = split(items)
    assert [(info.width, info.height) for info in infos] == [(160, 96), (320, 192)]
    assert (len(packets), len(pictures)) == (40, 40)
    at = items.index(infos[1])
    before, after = split(items[:at]), split(items[at:])
    assert (len(before[1]), len(before[2])) == (20, 20)
    assert after[1][0].is_key
    wanted = plain(large)
    for number in (0, 19):
        shown = rgb(after[2][number], 320, 192)
        assert np.array_equal(shown, wanted[number].to_ndarray(format="rgb24"))
    assert np.array_equal(decode_at(infos[1], after[1], 0), rgb(after[2][0], 320, 192))


def test_a_new_resolution_is_told_without_parameter_sets_too(tmp_path: Path) -> None:
    small = encode(tmp_path / "1.ts", codec="mpeg2video", pictures=20)
    large = encode(tmp_path / "2.ts", codec="mpeg2video", size=(320, 192), pictures=20, first=20)
    items = read(joined(tmp_path / "both.ts", small, large))
    infos, packets, _ = split(items)
    assert [(info.width, info.height) for info in infos] == [(160, 96), (320, 192)]
    assert len(packets) == 40
    assert len(split(items[items.index(infos[1]) :])[2]) == 20


def test_new_parameters_at_the_same_size_are_told_too(tmp_path: Path) -> None:
    plain_one = encode(tmp_path / "1.ts", pictures=10, options={"profile": "baseline"})
    other = encode(tmp_path / "2.ts", pictures=10, first=10, options={"preset": "medium"})
    infos, packets, pictures = split(read(joined(tmp_path / "both.ts", plain_one, other)))
    assert len(infos) == 2
    assert infos[0].header != infos[1].header
    assert (len(packets), len(pictures)) == (20, 20)


def test_repeated_parameters_are_no_change(tmp_path: Path) -> None:
    assert len(split(read(encode(tmp_path / "a.ts", pictures=40)))[0]) == 1


# What is broken


def garbled(path: Path, packets: range, target: Path) -> Path:
    """`path` with the contents of some packets replaced by noise."""
    noise = np.random.default_rng(0)
    with av.open(str(path)) as container, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(container.demux(video=0)):
            if not packet.size:
                continue
            copy = av.Packet(noise.bytes(packet.size) if number in packets else bytes(packet))
            copy.pts, copy.dts, copy.time_base, copy.is_keyframe = (
                packet.pts,
                packet.dts,
                packet.time_base,
                packet.is_keyframe,
            )
            copy.stream = stream
            out.mux(copy)
    return target


def test_packets_that_cannot_be_decoded_are_counted_and_passed_over(tmp_path: Path) -> None:
    whole = encode(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p", pictures=20)
    path = garbled(whole, range(5, 9), tmp_path / "bad.avi")
    with opened(path) as source:
        _, packets, pictures = split(list(source))
        assert source.corrupt_packets == 4
    assert (len(packets), len(pictures)) == (20, 16)


def test_a_file_of_which_nothing_can_be_decoded_is_invalid(tmp_path: Path) -> None:
    whole = encode(tmp_path / "a.mkv", codec="mjpeg", pix_fmt="yuvj420p", pictures=10)
    error = fault_of(garbled(whole, range(10), tmp_path / "bad.mkv"))
    assert error.fault is SourceFault.INVALID


def test_a_file_that_is_cut_off_gives_what_there_is(tmp_path: Path) -> None:
    whole = encode(tmp_path / "a.ts", pictures=30)
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 5 <= len(split(read(cut))[2]) <= 25


# What can't be opened


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("missing.mp4", None, SourceFault.NOT_FOUND),
        ("empty.mp4", b"", SourceFault.INVALID),
        ("page.mp4", b"<html><body>Not a video</body></html>", SourceFault.INVALID),
        ("noise.mp4", bytes(range(256)) * 64, SourceFault.INVALID),
    ],
)
def test_what_is_no_video_says_what_is_wrong(
    tmp_path: Path, name: str, content: bytes | None, fault: SourceFault
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    error = fault_of(path)
    assert error.fault is fault
    assert name in error.message
    assert error.advice
    assert "\n" not in str(error)


def test_a_folder_is_no_video(tmp_path: Path) -> None:
    assert fault_of(tmp_path).fault is SourceFault.INVALID


def test_a_file_with_sound_only_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        samples.sample_rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    error = fault_of(tmp_path / "a.wav")
    assert error.fault is SourceFault.INVALID
    assert "no video" in error.message


def test_an_unknown_codec_is_unsupported(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", codec="ffv1", pictures=3)
    path.write_bytes(path.read_bytes().replace(b"V_FFV1", b"V_NEWX"))
    assert fault_of(path).fault is SourceFault.UNSUPPORTED


def test_an_absurd_size_is_unsupported(tmp_path: Path) -> None:
    error = fault_of(encode(tmp_path / "a.mkv", codec="ffv1", size=(16400, 16), pictures=1))
    assert error.fault is SourceFault.UNSUPPORTED
    assert "16400x16" in error.message


def test_ffmpeg_writes_nothing_on_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    av.logging.restore_default_callback()
    fault_of(tmp_path / "missing.mp4")
    (tmp_path / "noise.ts").write_bytes(bytes(range(256)) * 64)
    fault_of(tmp_path / "noise.ts")
    assert capfd.readouterr() == ("", "")


def test_nothing_of_the_foreign_error_travels_along(tmp_path: Path) -> None:
    error = fault_of(tmp_path / "missing.mp4")
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "FFmpeg" not in "".join(traceback.format_exception(error)).replace("stream/sources", "")


# Closing


@pytest.mark.parametrize(("network", "step_s", "stalls"), [(True, 5.0, True), (True, 3.0, False), (False, 5.0, False)])
def test_a_packet_that_ffmpeg_only_gives_because_its_time_is_up_is_a_stall(
    tmp_path: Path, network: bool, step_s: float, stalls: bool
) -> None:
    now_s = itertools.count(0.0, step_s)  # so long does each wait for a packet seem
    source = PyAvSource(str(encode(tmp_path / "a.mp4")), ALL, monotonic=lambda: next(now_s))
    source._is_network = network
    source.open()
    try:
        if stalls:
            with pytest.raises(SourceError, match="nothing came for 4 s") as caught:
                list(source)
            assert caught.value.fault is SourceFault.STALLED
        else:
            assert len(split(list(source))[1]) > 10
    finally:
        source.close()


def test_closing_twice_or_before_opening_is_harmless(tmp_path: Path) -> None:
    source = PyAvSource(str(encode(tmp_path / "a.mp4", pictures=3)))
    source.close()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.open()
    source.close()
    assert list(source) == []


@pytest.mark.parametrize("from_another_thread", [False, True])
def test_iteration_ends_plainly_after_close(tmp_path: Path, from_another_thread: bool) -> None:
    with opened(encode(tmp_path / "a.mp4")) as source:
        taken = 0
        for item in source:
            taken += 1
            if isinstance(item, EncodedPacket) and taken < 10:
                closer = threading.Thread(target=source.close) if from_another_thread else None
                if closer is None:
                    source.close()
                else:
                    closer.start()
                    closer.join()
        assert taken <= 3


def test_pictures_outlive_their_source(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", pictures=10)
    _, _, pictures = split(read(path))
    assert np.array_equal(rgb(pictures[-1], 160, 96), plain(path)[-1].to_ndarray(format="rgb24"))


# Hardware


@pytest.mark.parametrize("wanted", ["cuda", "auto", "no-such-device"])
def test_without_the_hardware_software_decodes_and_this_is_said(
    tmp_path: Path, wanted: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = encode(tmp_path / "a.mp4", pictures=10)
    infos, _, pictures = split(read(path, PyAvOptions(hwaccel=wanted, skip_unreferenced=False)))
    assert len(pictures) == 10
    said = any("no hardware decoding" in record.getMessage() for record in caplog.records)
    assert said == (infos[0].decoder == "h264 (software)")
    assert said or wanted != "no-such-device"


# Real footage


@pytest.mark.parametrize(
    ("name", "says", "count"),
    [("ucf_robbery102.mp4", ("h264", 300, 190), 1827), ("cctv_door.mp4", ("hevc", 852, 480), 2730)],
)
def test_real_footage_is_read_to_its_end(name: str, says: tuple[str, int, int], count: int) -> None:
    path = REAL_CLIPS / name
    if not path.exists():
        pytest.skip(f"the real clip {name} is not here")
    packets = 0
    last_s = -1.0
    with opened(path, PyAvOptions()) as source:
        for item in source:
            if isinstance(item, StreamInfo):
                assert (item.codec, item.width, item.height) == says
            elif isinstance(item, EncodedPacket):
                packets += 1
            else:
                assert item.pts_s is not None
                assert item.pts_s > last_s
                last_s = item.pts_s
        assert source.corrupt_packets == 0
    assert packets == count
    assert last_s > 60
