"""Bounds what aiortc keeps of a stream that comes faster than it can be decoded, or with gaps. Knows aiortc's insides.

aiortc gives every received track a thread that decodes, and an unbounded queue of what waits for it. Here that queue
holds a second's worth: when it is full, all that waits is left out and counted, and the sender is asked for a key
picture. What was lost on the way aiortc asks for again, and waits for up to 512 packets; here the one who watches may
have it given up. Whenever pictures were left out, the next one to be decoded is a key picture: those between are told
as changes of ones that are missing, and would show things that never were. Decoded pictures need no such care: they
are taken at once, and `stream.webrtc.door` keeps the newest only.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from itertools import takewhile
from typing import Any

from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpreceiver import NackGenerator, RTCRtpReceiver

from engine.errors import RuntimeFault

MOST_WAITING = 30
MOST_WITHOUT_KEY = 60  # some encoders never send a key picture: then anything is better than nothing
UNDECODED = "undecoded"  # the reason of these drops

_JITTER, _NACKS = "_RTCRtpReceiver__jitter_buffer", "_RTCRtpReceiver__nack_generator"
_QUEUE, _ERROR = "_RTCRtpReceiver__decoder_queue", "_RTCRtpReceiver__decoder_error"
_H264_KEYS = (5, 7, 8)  # an IDR slice, and the parameter sets that come before one


class KeepLatest(queue.Queue[Any]):
    """An unbounded queue's stand-in that never blocks who puts; `None`, which ends the thread, is never lost."""

    def __init__(self, most: int, wants_key: threading.Event, dropped: Counter[str]) -> None:
        super().__init__()
        self._most = most
        self._wants_key = wants_key
        self._dropped = dropped
        self._left_out: int | None = None  # since the last picture that was decoded, while that was no key picture

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        with self.mutex:
            if item is None or len(self.queue) >= self._most:
                self._dropped[UNDECODED] += len(self.queue)
                self.queue.clear()
                self._begin_anew()
            if item is not None and self._left_out is not None:
                if not _is_key(*item) and self._left_out < MOST_WITHOUT_KEY:
                    self._left_out += 1
                    self._dropped[UNDECODED] += 1
                    return
                self._left_out = None
        super().put(item, block, timeout)

    def begin_anew(self) -> None:
        """Something is missing: ask for a key picture, and leave out what comes before it."""
        with self.mutex:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._left_out = self._left_out or 0
        self._wants_key.set()


class Inflow:
    """A receiver that is bounded. Make it before anything is received; raises RuntimeFault for another aiortc."""

    def __init__(self, receiver: RTCRtpReceiver, dropped: Counter[str]) -> None:
        wants_key, jitter, nacks = (getattr(receiver, name, None) for name in (_ERROR, _JITTER, _NACKS))
        if not (
            hasattr(receiver, _QUEUE)
            and isinstance(wants_key, threading.Event)
            and isinstance(jitter, JitterBuffer)
            and isinstance(nacks, NackGenerator)
        ):
            raise RuntimeFault("this aiortc can't be bounded", advice="install the version of the webrtc extra")
        self._jitter, self._nacks = jitter, nacks
        self._waiting = KeepLatest(MOST_WAITING, wants_key, dropped)
        setattr(receiver, _QUEUE, self._waiting)

    def give_up_gap(self) -> None:
        """If pictures are held back because packets are missing: wait for those no longer."""
        jitter = self._jitter
        packets, origin = jitter._packets, jitter._origin
        if origin is None:
            return
        in_order = (packets[(origin + n) % jitter.capacity] for n in range(jitter.capacity))
        whole = sum(1 for _ in takewhile(lambda packet: packet is not None, in_order))
        if whole == sum(packet is not None for packet in packets):
            return
        jitter.remove(jitter.capacity)
        jitter._origin = None
        self._nacks.missing.clear()
        self._waiting.begin_anew()


def _is_key(codec: Any, frame: Any) -> bool:
    """Whether an encoded picture of aiortc's needs no other one."""
    data: bytes = frame.data
    if codec.name.upper() == "H264":
        return any(unit[:1] and unit[0] & 0x1F in _H264_KEYS for unit in data.split(b"\x00\x00\x01")[1:])
    return bool(data) and not data[0] & 1  # VP8
