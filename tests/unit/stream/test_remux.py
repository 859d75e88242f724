"""Packets find their way into an MP4 or a picture without their source."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import EvidenceError
from engine.types import Image
from stream.remux import ClipWriter, browser_note, browser_playable, decode_at, describe, part_path
from stream.sources.base import EncodedPacket
from tests.unit.stream import clips
from tests.unit.stream.clips import Video, encode, pictures, read, times_s, without_times

ROOT = Path(__file__).parents[3]


def remux(video: Video, path: Path, packets: list[EncodedPacket] | None = None) -> Path:
    writer = ClipWriter(path, video.info)
    write_all(writer, video.packets if packets is None else packets)
    assert writer.close()
    return path


def write_all(writer: ClipWriter, packets: list[EncodedPacket]) -> None:
    for packet in packets:
        writer.write(packet)


def same(one: list[Image], other: list[Image]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("codec", "container"),
    [
        ("libx264", "mp4"),
        ("libx264", "ts"),  # Annex B, as RTSP delivers it
        ("libx264", "h264"),  # Annex B without any container
        ("libx265", "mp4"),
        ("libx265", "ts"),
        ("mpeg4", "avi"),
        ("mjpeg", "avi"),
        ("libvpx-vp9", "webm"),
    ],
)
def test_a_remuxed_clip_shows_the_very_same_pictures(tmp_path: Path, codec: str, container: str) -> None:
    source = encode(tmp_path / f"source.{container}", codec)
    clip = remux(read(source), tmp_path / "clip.mp4")
    assert same(pictures(clip), pictures(source))
    assert not part_path(clip).exists()


@pytest.mark.parametrize("name", ["ucf_robbery102.mp4", "cctv_door.mp4"])
def test_footage_of_real_cameras_is_remuxed_and_decoded_unchanged(tmp_path: Path, name: str) -> None:
    source = clips.REAL_CLIPS / name
    if not source.exists():
        pytest.skip(f"the real clip {name} is not here")
    video = read(source)
    keys = [index for index, packet in enumerate(video.packets) if packet.is_key]
    span = video.packets[keys[1] : keys[2]]
    clip = remux(video, tmp_path / "clip.mp4", span)
    start_pts = min(packet.pts for packet in span if packet.pts is not None)
    first = next(index for index, time_s in enumerate(times_s(source)) if time_s >= start_pts * video.info.time_base)
    with av.open(str(source)) as container:
        expected = [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for index, frame in enumerate(container.decode(video=0))
            if first <= index < first + len(span)
        ]
    got = pictures(clip)
    assert len(got) == len(span)
    assert same(got, expected)
    shown = sorted(packet.pts for packet in span if packet.pts is not None)
    wanted = next(index for index, packet in enumerate(span) if packet.pts == shown[-1])
    assert np.array_equal(decode_at(video.info, span, wanted), expected[-1])


def test_a_clip_keeps_the_cameras_timing_and_begins_at_once(tmp_path: Path) -> None:
    video = read(encode(tmp_path / "source.ts"))
    late = [replace(packet, pts=(packet.pts or 0) + 10**9, dts=(packet.dts or 0) + 10**9) for packet in video.packets]
    times = times_s(remux(video, tmp_path / "clip.mp4", late))
    assert 0 <= times[0] <= 0.3  # reordered pictures move all of them a little
    assert [time_s - times[0] for time_s in times] == pytest.approx([n / clips.FPS for n in range(40)], abs=0.001)


def test_a_clip_begins_with_the_first_key_frame(tmp_path: Path) -> None:
    video = read(encode(tmp_path / "source.mp4"))
    clip = remux(video, tmp_path / "clip.mp4", video.packets[5:])
    assert len(pictures(clip)) == 30


def test_nothing_is_written_while_no_key_frame_came(tmp_path: Path) -> None:
    video = read(encode(tmp_path / "source.mp4"))
    writer = ClipWriter(tmp_path / "clips" / "clip.mp4", video.info)
    writer.write(video.packets[3])
    assert not writer.started
    assert not writer.close()
    assert not (tmp_path / "clips").exists()


@pytest.mark.parametrize("silent", [slice(0, 1), slice(0, 40), slice(12, 17)], ids=["first", "all", "some"])
def test_missing_timestamps_are_mended(tmp_path: Path, silent: slice) -> None:
    video = read(encode(tmp_path / "source.avi", "mpeg4"))
    packets = list(video.packets)
    packets[silent] = [without_times(packet) for packet in packets[silent]]
    clip = remux(video, tmp_path / "clip.mp4", packets)
    times = times_s(clip)
    assert len(times) == 40
    assert all(before < after for before, after in pairwise(times))


def test_timestamps_that_stand_still_or_step_back_a_little_are_mended(tmp_path: Path) -> None:
    video = read(encode(tmp_path / "source.avi", "mpeg4"))
    packets = [replace(packet, dts=index // 2, pts=index // 2) for index, packet in enumerate(video.packets)]
    packets[20] = replace(packets[20], dts=9, pts=9)
    times = times_s(remux(video, tmp_path / "clip.mp4", packets))
    assert len(times) == 40
    assert all(before < after for before, after in pairwise(times))


@pytest.mark.parametrize("restart_ticks", [-1_000_000, 1_000_000_000], ids=["back", "ahead"])
def test_a_stream_whose_times_begin_anew_goes_on_where_it_was(tmp_path: Path, restart_ticks: int) -> None:
    video = read(encode(tmp_path / "source.ts"))
    again = [
        replace(packet, pts=(packet.pts or 0) + restart_ticks, dts=(packet.dts or 0) + restart_ticks)
        for packet in video.packets
    ]
    times = times_s(remux(video, tmp_path / "clip.mp4", video.packets + again))
    assert len(times) == 80
    assert times[-1] - times[0] == pytest.approx(7.9, abs=0.05)


def test_packets_of_an_encoder_need_no_file_at_all(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "unused"), "w", format="null") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        encoded: list[EncodedPacket] = []
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(clips.picture(number), format="rgb24")
            frame.pts = number
            encoded += [
                EncodedPacket(bytes(p), p.pts, p.dts, p.duration or 0, p.is_keyframe) for p in stream.encode(frame)
            ]
        container.start_encoding()
        header = describe(stream)
    video = read(encode(tmp_path / "other.mp4"))
    info = replace(video.info, header=header, time_base=stream.codec_context.time_base)
    clip = remux(Video(info, encoded), tmp_path / "clip.mp4")
    assert len(pictures(clip)) == len(encoded) > 0


def test_a_codec_that_mp4_does_not_take_is_decoded_but_not_recorded(tmp_path: Path) -> None:
    source = encode(tmp_path / "source.webm", "libvpx")
    video = read(source)
    with pytest.raises(EvidenceError, match="can't hold vp8"):
        ClipWriter(tmp_path / "clip.mp4", video.info).write(video.packets[0])
    assert np.array_equal(decode_at(video.info, video.packets, 3), pictures(source)[3])


def test_a_stream_that_was_never_described_is_not_recorded(tmp_path: Path) -> None:
    video = read(encode(tmp_path / "source.mp4"))
    with pytest.raises(EvidenceError, match="can't hold"):
        ClipWriter(tmp_path / "clip.mp4", replace(video.info, header=b"")).write(video.packets[0])


@pytest.mark.parametrize(("codec", "container"), [("libx264", "ts"), ("libx264", "mp4"), ("libx265", "mp4")])
def test_decode_at_finds_the_picture_of_a_packet_among_reordered_ones(
    tmp_path: Path, codec: str, container: str
) -> None:
    source = encode(tmp_path / f"source.{container}", codec)
    video, shown = read(source), pictures(source)
    assert any(packet.pts != packet.dts for packet in video.packets), "nothing is reordered in this clip"
    order = sorted(packet.pts for packet in video.packets if packet.pts is not None)
    for wanted in (0, 1, 7, 23, 39):
        at = order.index(video.packets[wanted].pts or 0)
        assert np.array_equal(decode_at(video.info, video.packets, wanted), shown[at])


def test_decode_at_takes_the_nearest_picture_where_one_is_damaged(tmp_path: Path) -> None:
    source = encode(tmp_path / "source.avi", "mjpeg")
    video, shown = read(source), pictures(source)
    packets = list(video.packets)
    packets[5] = replace(packets[5], data=b"\x00" * 50)
    image = decode_at(video.info, packets, 5)
    assert any(np.array_equal(image, shown[number]) for number in (4, 6))
    with pytest.raises(EvidenceError, match="could be decoded"):
        decode_at(video.info, packets[5:6], 0)


def test_a_process_killed_while_it_writes_leaves_a_part_that_plays(tmp_path: Path) -> None:
    source = encode(tmp_path / "source.mp4")
    script = (
        "import os, sys; from pathlib import Path\n"
        "from stream.remux import ClipWriter; from tests.unit.stream.clips import read\n"
        "video = read(Path(sys.argv[1])); writer = ClipWriter(Path(sys.argv[2]), video.info)\n"
        "[writer.write(packet) for packet in video.packets[:35]]\n"
        "os.kill(os.getpid(), 9)\n"
    )
    clip = tmp_path / "clip.mp4"
    killed = subprocess.run([sys.executable, "-c", script, source, clip], cwd=ROOT, timeout=60, check=False)
    assert killed.returncode == -9
    assert not clip.exists()
    left = pictures(part_path(clip))
    assert len(left) >= 25
    assert same(left, pictures(source)[: len(left)])


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    video = read(encode(tmp_path / "source.mp4"))
    clip = tmp_path / "clip.mp4"
    part_path(clip).symlink_to(full)
    writer = ClipWriter(clip, video.info)
    with pytest.raises(EvidenceError, match="No space left"):
        write_all(writer, video.packets)
    assert not writer.close()
    assert not clip.exists()


def test_a_disk_that_fills_at_the_very_end_does_not_pass_as_a_clip(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from stream.remux import ClipWriter, part_path; from tests.unit.stream.clips import read\n"
        "video = read(Path(sys.argv[1])); clip = Path(sys.argv[2]); writer = ClipWriter(clip, video.info)\n"
        "[writer.write(packet) for packet in video.packets]\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "size_bytes = part_path(clip).stat().st_size + 100\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))\n"
        "writer.close()\n"
    )
    source, clip = encode(tmp_path / "source.mp4"), tmp_path / "clip.mp4"
    command = [sys.executable, "-c", script, str(source), str(clip)]
    failed = subprocess.run(command, cwd=ROOT, timeout=60, check=False, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "EvidenceError" in failed.stderr
    assert not clip.exists()
    assert len(pictures(part_path(clip))) >= 25


def test_a_folder_that_can_not_be_made_is_one_clear_error(tmp_path: Path) -> None:
    video = read(encode(tmp_path / "source.mp4"))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EvidenceError, match="can't write the clip"):
        ClipWriter(tmp_path / "file" / "clip.mp4", video.info).write(video.packets[0])


def test_what_browsers_play() -> None:
    assert [browser_playable(codec) for codec in ("h264", "av1", "vp9")] == [True] * 3
    for codec in ("hevc", "mpeg4", "mjpeg"):
        assert not browser_playable(codec)
        assert "VLC" in browser_note(codec)
