"""RTSP over TCP or UDP, HTTP(S), HLS and files, read with PyAV.

Knows FFmpeg's demuxers, decoders and timeouts. Knows nothing of sampling, clocks or reconnecting.

How long things take at most: `open` the open timeout, one step of the iteration the read timeout, plus
what looking up the host's name takes, which no timeout of FFmpeg's covers. `close` from another thread
frees nothing that FFmpeg may be using (PyAV offers no way to interrupt it, and closing a container under
it would crash): it leaves word, and the blocked call gives up at the latest when its own timeout is over.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote

import av
import av.logging
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext

from engine.errors import SourceError, SourceFault
from stream.remux import describe
from stream.sources.base import EncodedPacket, Item, StreamInfo
from stream.sources.parameter_sets import parameter_sets
from stream.sources.pyav_decoder import PacketDecoder
from stream.sources.pyav_errors import Foreign, opening_error, reading_error, stalled
from stream.sources.pyav_picture import DecodedPicture, Scaler
from stream.urls import SourceKind, camera_name_from, kind_of, redact, require_host

log = logging.getLogger(__name__)

MAX_SIDE_PX = 16384
MAX_AREA_PX = 8192 * 8192
MAX_STREAMS = 64  # a recorder's channels, each with its sound
MAX_PACKET_BYTES = 64 << 20  # a raw picture of 8K

# What a stream, a playlist or a redirect may lead to: never from the network to a file.
_PROTOCOLS = {
    SourceKind.RTSP: "rtsp,rtsps,rtp,tcp,udp,tls",
    SourceKind.HTTP: "http,https,httpproxy,tcp,tls,crypto",
    SourceKind.FILE: "file,crypto",
}
_FINITE = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})  # over HTTP: files, not cameras
_PLAYLIST = ".m3u8"
_SEGMENT_TIMEOUT_S = 20.0  # HLS delivers whole segments: it is silent in between for as long as one lasts


@dataclass(frozen=True, slots=True)
class PyAvOptions:
    """How a stream is opened and decoded.

    `open_timeout_s` is shared evenly by connecting and by looking for the video. `skip_unreferenced` leaves
    out pictures that no other one needs, unless fewer than 1.5 x `wanted_fps` would remain. `threads`: one
    costs the least CPU time and delay and is enough for 1080p; 4K at 25 fps and more may want 2.
    """

    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    open_timeout_s: float = 9.0
    read_timeout_s: float = 4.0
    hwaccel: str | None = None  # "auto", or a device type of FFmpeg's: "cuda", "vaapi", "qsv", ...
    skip_unreferenced: bool = True
    wanted_fps: float = 8.0
    threads: int = 1
    exact: bool = False  # scale as Pillow does


_DEFAULTS = PyAvOptions()


def patience_s(url: str, stall_s: float) -> float:
    """How long a camera that should stall after `stall_s` may be silent: longer when it delivers in segments."""
    is_playlist = kind_of(url) is SourceKind.HTTP and _suffix(url) == _PLAYLIST
    return max(_SEGMENT_TIMEOUT_S, stall_s) if is_playlist else stall_s


def _suffix(url: str) -> str:
    return PurePosixPath(url.partition("?")[0]).suffix.lower()


class PyAvSource:
    """Fulfils `stream.sources.base.Source`. Making one raises UsageError for a URL that names nothing to open.

    `live` is told by the address, before anything is opened: a file is not, nor is a video file over HTTP.
    With `keyframes_only` other packets never reach the decoder; for what follows see `PacketDecoder.decode`.
    """

    def __init__(
        self,
        url: str,
        options: PyAvOptions = _DEFAULTS,
        *,
        camera: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        require_host(url)
        self._url = url
        self._options = options
        self._monotonic = monotonic
        self._camera = camera or camera_name_from(url)
        self._kind = kind_of(url)
        suffix = _suffix(url)
        self._is_network = self._kind is not SourceKind.FILE
        self.live = self._is_network and not (self._kind is SourceKind.HTTP and suffix in _FINITE)
        self._read_timeout_s = patience_s(url, options.read_timeout_s)

        self.keyframes_only = False
        self.dropped: Counter[str] = Counter()

        self._closed = False
        self._native = threading.Lock()  # held while a thread may be inside FFmpeg
        self._container: InputContainer | None = None

    @property
    def corrupt_packets(self) -> int:
        """Packets that the decoder refused. Of a source that was opened."""
        return self._decoder.corrupt_packets

    def __repr__(self) -> str:
        return f"PyAvSource({redact(self._url)!r})"

    def open(self) -> StreamInfo:
        """Connect and find the video. Raises SourceError within the open timeout."""
        started_s = self._monotonic()
        half_s = self._options.open_timeout_s / 2
        with self._native:
            try:
                container = self._connect(half_s)
            except Foreign as error:
                timed_out = self._monotonic() - started_s >= 0.9 * half_s
                failure = opening_error(error, self._url, is_network=self._is_network, timed_out=timed_out)
            else:
                self._container = container
                if not self._closed:
                    self._prepare(container)
                    return self._info
                self._dispose()
                failure = SourceError(f"{redact(self._url)}: closed while it was opened", SourceFault.LOST)
        raise failure  # out of the `except`, so that the foreign error does not travel along

    def __iter__(self) -> Iterator[Item]:
        """Yield the StreamInfo, then packets and the pictures they gave. Ends plainly at a file's end or on `close`."""
        container = self._container
        if container is None:
            return
        yield self._info
        packets = container.demux(self._stream)
        while True:
            with self._native:
                items = self._step(packets)
            if items is None:
                return
            yield from items

    def close(self) -> None:
        self._closed = True
        if self._native.acquire(blocking=False):  # else the thread inside FFmpeg gives it all back
            try:
                self._dispose()
            finally:
                self._native.release()

    def _dispose(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    # Opening

    def _connect(self, half_s: float) -> InputContainer:
        av.logging.set_level(None)  # FFmpeg's own lines name the whole URL
        address = self._url
        if self._kind is SourceKind.FILE:
            path = unquote(self._url.partition("://")[2]) if "://" in self._url else self._url
            address = f"file:{path}"  # so that no path is taken for a protocol
        options = {
            "protocol_whitelist": _PROTOCOLS[self._kind],
            "analyzeduration": str(round(half_s * 1e6)),
            "fpsprobesize": "0",  # else 20 pictures are awaited to guess a frame rate that nobody needs
            "max_pixels": str(MAX_AREA_PX),
        }
        if self._kind is SourceKind.RTSP:
            options |= {"rtsp_transport": self._options.rtsp_transport, "allowed_media_types": "video"}
        elif self._kind is SourceKind.HTTP:
            options["live_start_index"] = "-1"  # HLS: the newest segment, not the third newest
        return av.open(
            address,
            "r",
            options=options,
            timeout=(half_s, self._read_timeout_s),
            metadata_errors="replace",
            hwaccel=_accelerator(self._options.hwaccel),
        )

    def _prepare(self, container: InputContainer) -> None:
        stream = container.streams.best("video")
        if len(container.streams) > MAX_STREAMS:
            raise SourceError(
                f"{redact(self._url)}: {len(container.streams)} streams are too many",
                SourceFault.UNSUPPORTED,
                advice="use an address or a file that has the one to be watched",
            )
        if not isinstance(stream, av.VideoStream):
            raise SourceError(f"{redact(self._url)}: has no video", SourceFault.INVALID)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        context: VideoCodecContext | None = stream.codec_context
        if context is None:
            raise SourceError(f"{redact(self._url)}: its video codec is unknown here", SourceFault.UNSUPPORTED)
        context.thread_count = self._options.threads
        context.options = {"max_pixels": str(MAX_AREA_PX)}
        self._stream, self._context = stream, context
        self._codec = context.codec.canonical_name
        self._sets = parameter_sets(self._codec, context.extradata or b"")
        self._scaler = Scaler(exact=self._options.exact)
        self._decoder = PacketDecoder(
            context,
            skip_unreferenced=self._options.skip_unreferenced,
            wanted_fps=self._options.wanted_fps,
            camera=self._camera,
            monotonic=self._monotonic,
        )
        wanted = self._options.hwaccel
        if wanted and not context.is_hwaccel:
            log.warning(
                "%s: no hardware decoding with %s here, using software",
                self._codec,
                wanted,
                extra={"camera": self._camera},
            )
        self._info = self._describe(describe(stream))

    def _describe(self, header: bytes) -> StreamInfo:
        stream, context = self._stream, self._context
        width, height = context.width, context.height
        if not (width and height):
            raise SourceError(
                f"{redact(self._url)}: plays, but no key frame came in time",
                SourceFault.INVALID,
                advice="restart the camera if it stays silent; else shorten its key-frame interval or raise the "
                "open timeout",
            )
        if max(width, height) > MAX_SIDE_PX or width * height > MAX_AREA_PX:
            raise SourceError(f"{redact(self._url)}: {width}x{height} is too large", SourceFault.UNSUPPORTED)
        rate = stream.average_rate or stream.guessed_rate
        device = self._options.hwaccel if context.is_hwaccel else "software"
        return StreamInfo(
            codec=self._codec,
            width=width,
            height=height,
            time_base=stream.time_base or Fraction(1, av.time_base),
            header=header,
            announced_fps=float(rate) if rate else None,
            decoder=f"{self._codec} ({device})",
        )

    # Reading

    def _step(self, packets: Iterator[av.Packet[av.VideoStream]]) -> list[Item] | None:
        """What the next packet gives; None when there is nothing more."""
        failure: SourceError | None = None
        packet: av.Packet[av.VideoStream] | None = None
        if not self._closed:
            timeout_s = self._read_timeout_s
            started_s = self._monotonic()
            try:
                packet = next(packets, None)
            except Foreign as error:
                failure = reading_error(error, self._url, is_network=self._is_network, timeout_s=timeout_s)
            else:
                if self._is_network and self._monotonic() - started_s >= timeout_s:
                    # Told to give up, FFmpeg first hands out the picture it had begun, as if all were well.
                    failure = stalled(self._url, timeout_s)
        if self._closed:
            self._dispose()
            return None
        if failure is not None:
            raise failure
        if packet is None:
            self._check_end()
            return None
        if packet.size == 0:  # PyAV's way to say that the end is reached
            return self._show(self._decoder.drain())
        if packet.size > MAX_PACKET_BYTES:
            raise SourceError(
                f"{redact(self._url)}: a picture of {packet.size >> 20} MiB is too large", SourceFault.UNSUPPORTED
            )
        encoded = EncodedPacket(bytes(packet), packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe)
        new_sets = self._new_parameter_sets(encoded)
        items = self._show(self._decoder.drain()) if new_sets else []  # what is still held back is of the old kind
        frames = self._decoder.decode(packet, keyframes_only=self.keyframes_only)
        if self._decoder.failing_s > self._read_timeout_s:
            raise SourceError(f"{redact(self._url)}: sends nothing that can be decoded", SourceFault.INVALID)
        if new_sets or (self._context.width, self._context.height) != (self._info.width, self._info.height):
            self._info = self._describe(_describe_key(self._codec, encoded.data) or describe(self._stream))
            items.append(self._info)
        items.append(encoded)
        return items + self._show(frames)

    def _check_end(self) -> None:
        if self.live:
            raise SourceError(f"{redact(self._url)}: the stream ended", SourceFault.ENDED)
        if not self._decoder.pictures and self.corrupt_packets:
            raise SourceError(f"{redact(self._url)}: none of its pictures can be decoded", SourceFault.INVALID)

    def _show(self, frames: list[av.VideoFrame]) -> list[Item]:
        return [DecodedPicture(frame, self._info.time_base, self._scaler) for frame in frames]

    def _new_parameter_sets(self, packet: EncodedPacket) -> bool:
        """Whether this packet brings other parameter sets than those before. The first that come are not new."""
        sets = parameter_sets(self._codec, packet.data) if packet.is_key else ()
        if not sets or sets == self._sets:
            return False
        first, self._sets = not self._sets, sets
        return not first


def _describe_key(codec: str, data: bytes) -> bytes:
    """The header of a stream that begins with this Annex B key packet; empty when that can't be told."""
    if not parameter_sets(codec, data):
        return b""
    try:
        with av.open(io.BytesIO(data), format=codec) as container:
            return describe(container.streams.video[0])
    except Foreign:
        return b""


def _accelerator(wanted: str | None) -> HWAccel | None:
    """The wanted hardware, or the first there is for "auto"; None when there is none: PyAV itself would fail."""
    names = hwdevices_available()
    for name in names if wanted == "auto" else [wanted]:
        if name in names:
            try:
                HWAccel(name).create(av.Codec("h264", "r"))
            except (*Foreign, NotImplementedError):
                continue
            return HWAccel(name, allow_software_fallback=True)
    return None
