"""What a camera, a server or a file may try: to lead elsewhere, and to be too large."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import SourceError, SourceFault
from stream.sources import pyav as pyav_module
from stream.sources.pyav import PyAvOptions, PyAvSource
from tests.integration.servers import answer, files_over_http, peer
from tests.unit.stream.sources.videos import encode

OPTIONS = PyAvOptions(open_timeout_s=10, read_timeout_s=1)


def refusal(source: PyAvSource) -> SourceError:
    with closing(source), pytest.raises(SourceError) as caught:
        play(source)
    return caught.value


def play(source: PyAvSource) -> None:
    source.open()
    for _ in source:
        pass


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """A video of this machine that nobody has named."""
    path = encode(tmp_path / "private.ts", pictures=10)
    yield path
    with closing(PyAvSource(str(path), OPTIONS)) as source:
        play(source)  # so it would play


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
@pytest.mark.parametrize("target", ["file://{path}", "file:{path}", "{path}", "concat:{path}", "subfile,,:{path}"])
def test_a_redirect_leads_to_no_file_of_this_machine(private: Path, scheme: str, target: str) -> None:
    location = f"Location: {target.format(path=private)}\r\n"
    with peer(answer("302 Found", headers=location)) as port:
        refusal(PyAvSource(f"{scheme}://127.0.0.1:{port}/stream", OPTIONS))


@pytest.mark.parametrize(
    "body", ["ffconcat version 1.0\nfile 'file:{path}'\n", "ffconcat version 1.0\nfile '{path}'\n"]
)
def test_a_list_of_files_leads_to_no_file_of_this_machine(private: Path, tmp_path: Path, body: str) -> None:
    served = tmp_path / "served"
    served.mkdir()
    (served / "list.ffconcat").write_text(body.format(path=private))
    with files_over_http(served) as base:
        refusal(PyAvSource(f"{base}/list.ffconcat", OPTIONS))


@pytest.mark.parametrize("name", ["http://127.0.0.1:{port}/a.ts", "concat:a.ts|b.ts", "pipe:0", "data:text/plain,x"])
def test_a_files_name_is_never_taken_for_an_address(tmp_path: Path, name: str) -> None:
    """A file source is what the configuration names, whatever FFmpeg might make of the name."""
    called: list[int] = []
    with peer(lambda connection, _: called.append(len(connection.recv(10)))) as port:
        error = refusal(PyAvSource(f"file://{name.format(port=port)}", OPTIONS))
    assert not called
    assert error.fault is SourceFault.NOT_FOUND


def test_a_picture_that_is_too_wide_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "wide.avi", codec="mjpeg", pix_fmt="yuvj420p", size=(16_400, 32), pictures=1)
    error = refusal(PyAvSource(str(path), OPTIONS))
    assert (error.fault, "16400x32 is too large" in error.message) == (SourceFault.UNSUPPORTED, True)


def test_a_picture_that_says_it_is_larger_than_it_may_be_is_never_decoded(tmp_path: Path) -> None:
    path = encode(tmp_path / "lies.avi", codec="mjpeg", pix_fmt="yuvj420p", pictures=3)
    data = path.read_bytes()
    size = struct.pack(">HH", 96, 160)  # as JPEG's frame header has it
    assert size in data
    path.write_bytes(data.replace(size, b"\xff\xff\xff\xff").replace(struct.pack("<II", 160, 96), b"\xff\xff\0\0" * 2))
    assert refusal(PyAvSource(str(path), OPTIONS)).fault in (SourceFault.INVALID, SourceFault.UNSUPPORTED)


def test_too_many_streams_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=10) for _ in range(pyav_module.MAX_STREAMS + 1)]
        for stream in streams:
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stream in streams:
            assert isinstance(stream, av.VideoStream)
            container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    error = refusal(PyAvSource(str(path), OPTIONS))
    assert (error.fault, "65 streams are too many" in error.message) == (SourceFault.UNSUPPORTED, True)


def test_a_packet_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyav_module, "MAX_PACKET_BYTES", 100)
    path = encode(tmp_path / "large.mp4", pictures=3)
    error = refusal(PyAvSource(str(path), OPTIONS))
    assert (error.fault, "is too large" in error.message) == (SourceFault.UNSUPPORTED, True)
