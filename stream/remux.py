"""Encoded packets without their source: into an MP4 as they are, or into one decoded picture.

Knows PyAV, MP4 and codecs. Knows nothing of cameras, rings, events or where a file should lie.

`StreamInfo.header`, made by `describe`, is all that is kept of a source. It is

    length of the extradata (4 bytes, little endian) | extradata | an MP4 without pictures, or nothing

because PyAV offers no other way to keep a stream's parameters than a file's header, and that header alone
would not do: it holds H.264 and H.265 parameter sets in MP4's form, while the packets of a network camera
keep the form of the wire ("Annex B"). The original extradata says which form the packets have.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext

from engine.errors import EvidenceError
from engine.types import Image
from stream.sources.base import EncodedPacket, StreamInfo

_LENGTH = struct.Struct("<I")

# Written in fragments, so that a crash leaves a file that plays; made a plain MP4 when it is closed.
_HYBRID = "hybrid_fragmented"
_FRAGMENTED = "frag_keyframe+empty_moov+default_base_moof"
_MOVFLAGS = {"vp9": _FRAGMENTED}  # FFmpeg 7.1 to 8.1 finish a hybrid file of VP9 wrongly

_BACKWARD_S = 1.0  # timestamps that go back further, or ahead further than _FORWARD_S, have a new origin
_FORWARD_S = 10.0
_STEP_S = 0.04  # between two pictures when nothing says how long one lasts

_NOT_IN_BROWSERS = {
    "hevc": "H.265 plays in Safari and in some builds of Chrome and Edge only; VLC plays it everywhere",
    "mpeg4": "browsers play no MPEG-4 Part 2; VLC does",
    "mjpeg": "browsers play no Motion JPEG inside an MP4; VLC does",
    "mpeg2video": "browsers play no MPEG-2; VLC does",
}


def describe(stream: av.VideoStream) -> bytes:
    """What is needed to remux or decode the packets of an open stream after it is closed; never fails.

    Takes a stream that is read, or one that an encoder writes once its container has begun.
    """
    extradata = stream.codec_context.extradata or b""
    described = _LENGTH.pack(len(extradata)) + extradata
    template = io.BytesIO()
    try:
        with av.open(template, "w", format="mp4", options={"movflags": "empty_moov+frag_keyframe"}) as container:
            container.add_stream_from_template(stream, opaque=True)  # opaque: asks for no encoder
            container.start_encoding()
    except (av.FFmpegError, ValueError):  # MP4 does not take this codec; its packets can still be decoded
        return described
    return described + template.getvalue()


def _split(header: bytes) -> tuple[bytes, bytes]:
    """(extradata, MP4 template or nothing) of a header that `describe` made; a source without one has empty ones."""
    if not header:
        return b"", b""
    (length,) = _LENGTH.unpack_from(header)
    end = _LENGTH.size + length
    return header[_LENGTH.size : end], header[end:]


def browser_note(codec: str) -> str:
    """What to tell someone whose browser does not play a clip of this codec; empty when all of them do."""
    return _NOT_IN_BROWSERS.get(codec, "")


def browser_playable(codec: str) -> bool:
    """Whether every current browser plays an MP4 of this codec."""
    return not browser_note(codec)


class ClipWriter:
    """Writes packets into `path` without encoding them again, beginning with the first key frame.

    Until `close`, the pictures are in `part_path(path)`, which plays up to its last whole group of pictures
    even when the process dies. Times begin at zero; missing, repeated and restarted ones are mended, so
    packets of a stream that was opened anew with the same `StreamInfo` may follow. One thread. Every
    failure is an EvidenceError, and after one the writer only wants to be closed.
    """

    def __init__(self, path: Path, info: StreamInfo) -> None:
        self.path = path
        self._info = info
        self._out: tuple[OutputContainer, av.VideoStream] | None = None
        self._finished = False
        self._failed = False
        self._origin: int | None = None  # what is taken from the camera's times
        self._last_dts = -(1 << 40)  # below any first one
        self._next_pts = 0  # where a picture goes that does not say when

    @property
    def started(self) -> bool:
        """Whether a key frame has come."""
        return self._out is not None or self._finished

    def write(self, packet: EncodedPacket) -> None:
        """Append one packet, in decoding order. Those before the first key frame are left out."""
        if self._out is None and not packet.is_key:
            return
        with self._mapped():
            if self._out is None:
                self._out = self._open()
            container, stream = self._out
            muxed = av.Packet(packet.data)
            muxed.stream = stream
            muxed.time_base = self._info.time_base
            muxed.pts, muxed.dts = self._times(packet)
            muxed.duration = packet.duration
            muxed.is_keyframe = packet.is_key
            container.mux(muxed)

    def close(self) -> bool:
        """Finish the file and give it its name; True when there is one. Safe to call twice.

        After a failure what was written stays under its part's name.
        """
        out, self._out = self._out, None
        if out is not None and self._failed:
            with suppress(av.FFmpegError):
                out[0].close()
        elif out is not None:
            with self._mapped():
                out[0].close()
                part_path(self.path).replace(self.path)
            self._finished = True
        return self._finished

    def _open(self) -> tuple[OutputContainer, av.VideoStream]:
        extradata, template = _split(self._info.header)
        if not template:
            raise EvidenceError(
                f"{self.path.name}: an MP4 can't hold {self._info.codec}",
                advice="set the camera to H.264 or H.265 to get clips",
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        options = {"movflags": _MOVFLAGS.get(self._info.codec, _HYBRID), "flush_packets": "1"}
        container = av.open(str(part_path(self.path)), "w", format="mp4", options=options)
        with av.open(io.BytesIO(template)) as described:
            stream = container.add_stream_from_template(described.streams.video[0], opaque=True)
        if extradata:
            stream.codec_context.extradata = extradata
        # MPEG-4 Part 2 has its size in its packets only, so its template has none.
        stream.codec_context.width, stream.codec_context.height = self._info.width, self._info.height
        return container, stream

    def _times(self, packet: EncodedPacket) -> tuple[int, int]:
        """(pts, dts): dts always rises, no picture is shown before it is decoded, and the first pts is zero.

        Where pictures are reordered dts begins below zero, and FFmpeg moves all by those few pictures: an edit
        list would do without, but cuts an unfinished file off at its first group.
        """
        second = 1 / self._info.time_base
        said = packet.pts if packet.dts is None else packet.dts
        if said is not None:
            ahead = None if self._origin is None else said - self._origin - self._last_dts
            if ahead is None or not -_BACKWARD_S * second < ahead < _FORWARD_S * second:
                self._origin = (said if packet.pts is None else packet.pts) - self._next_pts
        if said is None or self._origin is None:
            pts = dts = self._next_pts
        else:
            dts = max(said - self._origin, self._last_dts + 1)
            pts = dts if packet.pts is None else max(packet.pts - self._origin, dts)
        self._last_dts = dts
        step = packet.duration if packet.duration > 0 else max(1, round(_STEP_S * second))
        self._next_pts = max(self._next_pts, pts + step)
        return pts, dts

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, ValueError, OSError) as error:
            self._failed = True
            reason = getattr(error, "strerror", None) or str(error)
            raise EvidenceError(
                f"{self.path}: can't write the clip ({reason})",
                advice="check the free space and the permissions of the data folder",
            ) from error


def part_path(path: Path) -> Path:
    """Where a file grows before it gets its name: `a/b.mp4` in `a/b.part.mp4`."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


def decode_at(info: StreamInfo, packets: Sequence[EncodedPacket], wanted: int) -> Image:
    """The picture of `packets[wanted]` as [H, W, 3] RGB at full resolution, or the nearest that decodes.

    `packets` are in decoding order and begin with a key frame; a few after the wanted one are needed where
    pictures are reordered. Raises EvidenceError when none of them decodes.
    """
    nearest: av.VideoFrame | None = None
    distance = len(packets)
    for frame in _decoded(info, packets):
        if frame.pts is not None and abs(frame.pts - wanted) < distance:
            nearest, distance = frame, abs(frame.pts - wanted)
            if distance == 0:
                break
    if nearest is None:
        raise EvidenceError(f"none of {len(packets)} packets of {info.codec} could be decoded")
    return np.asarray(nearest.to_ndarray(format="rgb24"), dtype=np.uint8)


def _decoded(info: StreamInfo, packets: Sequence[EncodedPacket]) -> Iterator[av.VideoFrame]:
    """Every picture that decodes; its `pts` is its packet's index, since the packets' own times may be missing."""
    extradata, template = _split(info.header)
    name = info.codec
    if template:  # FFmpeg's own choice of decoder, e.g. libdav1d for av1
        with av.open(io.BytesIO(template)) as described:
            name = described.streams.video[0].codec_context.name
    try:
        decoder = av.CodecContext.create(name, "r")
    except ValueError as error:
        raise EvidenceError(f"no decoder for {info.codec} here") from error
    if not isinstance(decoder, VideoCodecContext):
        raise EvidenceError(f"{info.codec} is no video codec")
    if extradata:
        decoder.extradata = extradata
    for index, packet in enumerate((*packets, None)):
        encoded = None
        if packet is not None:
            encoded = av.Packet(packet.data)
            encoded.pts = encoded.dts = index
        with suppress(av.FFmpegError):  # a damaged packet costs its own picture only
            yield from decoder.decode(encoded)
