"""Finds the parameter sets that stand before a picture in H.264 and H.265 as cameras send it ("Annex B").

They say codec profile and picture size, so a stream that changes in its middle shows it here first.
Knows bytes only: no container, no decoder, no picture.
"""

from __future__ import annotations

_START = b"\x00\x00\x01"


def is_annex_b(data: bytes) -> bool:
    """Whether NAL units follow start codes, as on the wire, and not lengths, as in MP4."""
    return data.startswith((_START, b"\x00" + _START))


def parameter_sets(codec: str, data: bytes) -> tuple[bytes, ...]:
    """The VPS, SPS and PPS before the first slice of `data`, in order; none for other codecs and forms."""
    if codec not in ("h264", "hevc") or not is_annex_b(data):
        return ()
    found = []
    at = data.find(_START)
    while 0 <= at < len(data) - len(_START):
        begin = at + len(_START)
        kind = data[begin] & 0x1F if codec == "h264" else data[begin] >> 1 & 0x3F
        is_slice = 1 <= kind <= 5 if codec == "h264" else kind < 32
        if is_slice:  # all that matters came before; pictures are long, so they are not searched
            break
        at = data.find(_START, begin)
        if kind in ((7, 8) if codec == "h264" else (32, 33, 34)):
            found.append(data[begin : at if at >= 0 else len(data)].rstrip(b"\x00"))
    return tuple(found)
