"""The rules for which packets are decoded, where no file that this machine can make shows them."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from stream.sources.pyav_decoder import KEYLESS_PACKETS, PacketDecoder, Thrift
from tests.unit.stream.sources.videos import encode


def packets_of(path: Path, *, keys: bool = True) -> list[av.Packet[av.VideoStream]]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    for packet in packets:
        packet.is_keyframe = packet.is_keyframe and keys
    return packets


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def decoder(codec: str = "h264", clock: Clock | None = None) -> PacketDecoder:
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    return PacketDecoder(context, skip_unreferenced=False, wanted_fps=8, camera="a", monotonic=clock or Clock())


@pytest.mark.parametrize("keyframes_only", [False, True])
def test_a_stream_that_marks_no_key_frames_is_decoded_after_some_patience(tmp_path: Path, keyframes_only: bool) -> None:
    packets = packets_of(encode(tmp_path / "a.ts", pictures=KEYLESS_PACKETS + 50, size=(32, 32)), keys=False)
    subject = decoder()
    given = [len(subject.decode(packet, keyframes_only=keyframes_only)) for packet in packets]
    assert sum(given[: KEYLESS_PACKETS - 1]) == 0
    assert sum(given[KEYLESS_PACKETS - 1 :]) >= 40


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_nothing_that_refers_to_a_missing_picture_is_decoded(tmp_path: Path, codec: str) -> None:
    packets = packets_of(encode(tmp_path / "a.ts", codec=codec, pictures=30))
    subject = decoder("h264" if codec == "libx264" else "hevc")
    assert [len(subject.decode(packet, keyframes_only=False)) for packet in packets[3:10]] == [0] * 7
    assert len(subject.decode(packets[10], keyframes_only=True)) == 1
    assert len(subject.decode(packets[11], keyframes_only=True)) == 0
    assert len(subject.decode(packets[12], keyframes_only=False)) == 0
    assert [len(subject.decode(packet, keyframes_only=False)) for packet in packets[20:]] == [1] * 10


def test_it_tells_for_how_long_it_has_refused_everything(tmp_path: Path) -> None:
    good = packets_of(encode(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p", pictures=2))
    bad: av.Packet[av.VideoStream] = av.Packet(b"no picture" * 10)  # type: ignore[assignment]
    bad.is_keyframe = True
    clock = Clock()
    subject = decoder("mjpeg", clock)
    for clock.now_s in (10.0, 11.0, 14.5):
        assert subject.decode(bad, keyframes_only=False) == []
    assert (subject.corrupt_packets, subject.failing_s) == (3, 4.5)
    assert len(subject.decode(good[0], keyframes_only=False)) == 1
    assert subject.failing_s == 0
    clock.now_s = 20.0
    subject.decode(bad, keyframes_only=False)
    assert subject.failing_s == 0


FRAME = av.VideoFrame(16, 16)


@pytest.mark.parametrize(
    ("fps", "one_in", "too_few"),
    [(30, 1, False), (30, 2, False), (30, 3, True), (10, 2, True), (8, 1, False), (60, 4, False), (25, 1000, True)],
)
def test_thrift_ends_only_where_skipping_is_what_leaves_too_few(fps: int, one_in: int, too_few: bool) -> None:
    thrift = Thrift(enough_fps=12)
    said = [thrift.leaves_too_few(n / fps, [FRAME] if n % one_in == 0 else []) for n in range(5 * fps)]
    assert any(said) is too_few


def test_thrift_passes_no_judgement_across_gaps_or_without_times() -> None:
    thrift = Thrift(enough_fps=12)
    assert not any(thrift.leaves_too_few(None, []) for _ in range(100))
    assert not any(thrift.leaves_too_few(time_s, []) for time_s in (0.0, 100.0, 50.0, 200.0, 0.0))
