from __future__ import annotations

import itertools
import logging
from pathlib import Path

import av
import numpy as np
import pytest

from engine.types import Image
from stream.remux import ClipWriter
from stream.sources import encode
from stream.sources.base import EncodedPacket
from stream.sources.encode import ENCODERS, TIME_BASE, PacketEncoder


def grey(level: int, width: int = 96, height: int = 64) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def run(encoder: PacketEncoder, times_s: list[float]) -> list[EncodedPacket]:
    packets = [packet for n, time_s in enumerate(times_s) for packet in encoder.encode(grey(40 + 5 * n), time_s)]
    encoder.close()
    return packets


def decode(path: Path, encoder: PacketEncoder, packets: list[EncodedPacket]) -> list[tuple[float, float]]:
    """(time, mean grey level) of every picture of the clip that the packets make."""
    clip = ClipWriter(path, encoder.info)
    for packet in packets:
        clip.write(packet)
    assert clip.close()
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [(frame.time or 0.0, float(frame.to_ndarray(format="rgb24").mean())) for frame in frames]


@pytest.mark.parametrize("name", ["libx264", "mpeg4"])
def test_a_clip_has_every_picture_at_its_time(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "ENCODERS", tuple(entry for entry in ENCODERS if entry[0] == name))
    encoder = PacketEncoder(96, 64, 15)
    times_s = [n / 15 + 0.007 * (n % 3) for n in range(40)]
    shown = decode(tmp_path / "clip.mp4", encoder, run(encoder, times_s))
    assert [time_s for time_s, _ in shown] == pytest.approx(times_s, abs=1e-3)
    assert [level for _, level in shown] == pytest.approx([40 + 5 * n for n in range(40)], abs=4)


def test_each_picture_gives_its_packet_at_once_in_the_order_of_time() -> None:
    encoder = PacketEncoder(96, 64, 10)
    for n in range(25):
        (packet,) = encoder.encode(grey(n), n / 10)
        assert packet.pts == packet.dts == round(n / 10 / TIME_BASE)
        assert packet.duration == round(0.1 / TIME_BASE)
        assert packet.data
    encoder.close()


@pytest.mark.parametrize("step_s", [1 / 30, 1 / 15, 0.3, 1.7])
def test_key_pictures_come_once_a_second_whatever_the_rate_really_is(step_s: float) -> None:
    encoder = PacketEncoder(96, 64, 25)
    times_s = [n * step_s for n in range(round(6 / step_s))]
    keys = []
    for time_s in times_s:
        due = encoder.is_key_due(time_s)
        (packet,) = encoder.encode(grey(90), time_s)
        assert packet.is_key == due
        if due:
            keys.append(time_s)
    encoder.close()
    assert keys[0] == 0.0
    assert all(0.9 <= after - before < max(1.0 + step_s, 2 * step_s) for before, after in itertools.pairwise(keys))


def test_odd_sizes_are_made_even_and_pictures_of_another_size_are_scaled(tmp_path: Path) -> None:
    encoder = PacketEncoder(97, 65, 10)
    assert (encoder.info.width, encoder.info.height) == (96, 64)
    packets = [*encoder.encode(grey(100, 97, 65), 0.0), *encoder.encode(grey(100, 40, 30), 0.1)]
    encoder.close()
    assert [level for _, level in decode(tmp_path / "clip.mp4", encoder, packets)] == pytest.approx([100, 100], abs=3)


def test_a_picture_that_is_no_contiguous_array_is_taken() -> None:
    encoder = PacketEncoder(96, 64, 10)
    assert len(encoder.encode(grey(100, 96 * 2, 64)[:, ::-2], 0.0)) == 1
    encoder.close()


def test_a_time_that_stands_still_or_goes_back_is_moved_on() -> None:
    encoder = PacketEncoder(96, 64, 10)
    assert [packet.pts for packet in run(encoder, [0.5, 0.5, 0.2])] == [30_000, 30_001, 30_002]


def test_without_an_encoder_there_are_no_packets_one_log_line_and_still_key_pictures(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(encode, "ENCODERS", (("no-such-encoder", {}), ("another-one", {})))
    encoder = PacketEncoder(97, 65, 10)
    due = []
    for n in range(3):
        due.append(encoder.is_key_due(n / 10))
        assert encoder.encode(grey(n), n / 10) == []
    encoder.close()
    assert due == [True, False, False]
    assert encoder.info.header == b""
    assert (encoder.info.codec, encoder.info.width, encoder.info.height) == ("rawvideo", 97, 65)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "no clips" in record.message


def test_an_encoder_that_fails_later_is_given_up_with_one_log_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def encode(self, frame: av.VideoFrame) -> list[EncodedPacket]:
            raise av.error.ExternalError(1, "out of order")

    encoder = PacketEncoder(96, 64, 10)
    assert len(encoder.encode(grey(1), 0.0)) == 1
    monkeypatch.setattr(encoder, "_stream", Broken())
    assert [encoder.encode(grey(n), n / 10) for n in (1, 2)] == [[], []]
    encoder.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_the_first_encoder_that_opens_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "ENCODERS", (("no-such-encoder", {}), ("mpeg4", {}), ("libx264", {})))
    encoder = PacketEncoder(96, 64, 10)
    encoder.close()
    assert encoder.info.codec == "mpeg4"


def test_a_closed_encoder_gives_no_packets_and_keeps_its_info() -> None:
    encoder = PacketEncoder(96, 64, None)
    encoder.close()
    encoder.close()
    assert encoder.encode(grey(1), 0.0) == []
    assert encoder.info.codec == "h264"
    assert encoder.info.announced_fps is None
