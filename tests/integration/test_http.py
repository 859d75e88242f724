"""Files, playlists and endless streams over HTTP."""

from __future__ import annotations

import itertools
import socket
import threading
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import SourceError, SourceFault
from stream.sources.base import EncodedPacket, Item, StreamInfo
from stream.sources.pyav import PyAvOptions, PyAvSource
from tests.integration.servers import files_over_http, peer
from tests.unit.stream.sources.videos import encode, plain, rgb, split

OPTIONS = PyAvOptions(open_timeout_s=10, read_timeout_s=1, skip_unreferenced=False)


def hls(folder: Path, *segments: str, over: bool) -> None:
    """A playlist of MPEG-TS segments of one second each."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
    for segment in segments:
        lines += ["#EXTINF:1.0,", segment]
    (folder / "live.m3u8").write_text("\n".join([*lines, *(["#EXT-X-ENDLIST"] if over else [])]) + "\n")


def test_a_video_file_over_http_is_read_to_its_plain_end(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", pictures=20)
    with files_over_http(tmp_path) as base:
        source = PyAvSource(f"{base}/clip.mp4", OPTIONS)
        try:
            source.open()
            _, packets, pictures = split(source)
        finally:
            source.close()
    assert not source.live
    assert (len(packets), len(pictures)) == (20, 20)
    assert np.array_equal(rgb(pictures[-1], 160, 96), plain(path)[-1].to_ndarray(format="rgb24"))


def test_a_playlist_is_read_across_its_segments_and_its_end_is_the_streams(tmp_path: Path) -> None:
    for number in range(3):
        encode(tmp_path / f"{number}.ts", pictures=10, first=10 * number)
    hls(tmp_path, "0.ts", "1.ts", "2.ts", over=True)
    items: list[Item] = []
    with files_over_http(tmp_path) as base:
        source = PyAvSource(f"{base}/live.m3u8", OPTIONS)
        try:
            source.open()
            with pytest.raises(SourceError) as caught:
                items.extend(source)  # what came before the error stays
        finally:
            source.close()
    assert source.live
    assert caught.value.fault is SourceFault.ENDED
    infos, packets, pictures = split(items)
    assert [(info.width, info.height) for info in infos] == [(160, 96)]
    assert (len(packets), len(pictures)) == (30, 30)


def test_a_live_playlist_begins_near_its_end(tmp_path: Path) -> None:
    for number in range(6):
        encode(tmp_path / f"{number}.ts", pictures=10, first=10 * number)
    hls(tmp_path, *(f"{number}.ts" for number in range(6)), over=False)
    with files_over_http(tmp_path) as base:
        source = PyAvSource(f"{base}/live.m3u8", OPTIONS)
        try:
            source.open()
            picture = next(item for item in source if not isinstance(item, StreamInfo | EncodedPacket))
        finally:
            source.close()
    newest = plain(tmp_path / "5.ts")[0]
    assert np.array_equal(rgb(picture, 160, 96), newest.to_ndarray(format="rgb24"))


@pytest.mark.parametrize("where", ["file://{path}", "{path}", "concat:{path}"])
def test_a_playlist_leads_to_no_file_of_this_machine(tmp_path: Path, where: str) -> None:
    served = tmp_path / "served"
    served.mkdir()
    private = encode(tmp_path / "private.ts", pictures=10)
    hls(served, where.format(path=private), over=True)
    with files_over_http(served) as base:
        source = PyAvSource(f"{base}/live.m3u8", OPTIONS)
        with pytest.raises(SourceError):
            source.open()
        source.close()


def test_a_web_page_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<html><body>camera login</body></html>" * 100)
    with files_over_http(tmp_path) as base:
        for path, fault in (("/index.html", SourceFault.INVALID), ("/missing.mp4", SourceFault.NOT_FOUND)):
            source = PyAvSource(base + path, OPTIONS)
            with pytest.raises(SourceError) as caught:
                source.open()
            source.close()
            assert caught.value.fault is fault


class Mjpeg:
    """A camera's Motion JPEG: parts of a reply that never ends, until it is told to hang up or fall silent."""

    def __init__(self, folder: Path) -> None:
        with av.open(str(encode(folder / "a.avi", codec="mjpeg", pix_fmt="yuvj420p", pictures=10))) as container:
            self._pictures = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        self.hang_up = threading.Event()
        self.fall_silent = threading.Event()

    def talk(self, connection: socket.socket, over: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=--part\r\n\r\n")
        for picture in itertools.cycle(self._pictures):
            if self.fall_silent.is_set():
                over.wait(30)
            if over.wait(0.02) or self.hang_up.is_set():
                return
            head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            with suppress(TimeoutError):
                connection.sendall(head.encode() + picture + b"\r\n")


@pytest.mark.parametrize("end", ["hang_up", "fall_silent"])
def test_motion_jpeg_is_live_until_it_ends_or_falls_silent(tmp_path: Path, end: str) -> None:
    camera = Mjpeg(tmp_path)
    with peer(camera.talk) as port:
        source = PyAvSource(f"http://admin:s3cr3t@127.0.0.1:{port}/video.mjpg", OPTIONS)
        try:
            assert source.open().codec == "mjpeg"
            _, packets, pictures = split(itertools.islice(source, 31))
            getattr(camera, end).set()
            with pytest.raises(SourceError) as caught:
                list(itertools.islice(source, 10_000))
        finally:
            source.close()
    assert len(packets) == len(pictures) == 15
    expected = {SourceFault.STALLED} if end == "fall_silent" else {SourceFault.ENDED, SourceFault.LOST}
    assert caught.value.fault in expected
    assert "s3cr3t" not in str(caught.value)
