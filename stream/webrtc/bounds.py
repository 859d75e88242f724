"""Bounds what aiortc keeps of a stream that comes faster than it can be decoded. Knows aiortc's insides.

aiortc gives every received track a thread that decodes, and an unbounded queue of what waits for it. Here that queue
holds a second's worth: when it is full, all that waits is left out and counted, and the sender is asked for a key
frame. Decoded pictures need no such care: they are taken at once, and `stream.webrtc.door` keeps the newest only.
"""

from __future__ import annotations

import queue
import threading
from typing import Any

from aiortc.rtcrtpreceiver import RTCRtpReceiver

from engine.errors import RuntimeFault

MOST_WAITING = 30
_QUEUE, _ERROR = "_RTCRtpReceiver__decoder_queue", "_RTCRtpReceiver__decoder_error"


class KeepLatest(queue.Queue[Any]):
    """An unbounded queue's stand-in that never blocks who puts; `None`, which ends the thread, is never lost."""

    def __init__(self, most: int, wants_key: threading.Event) -> None:
        super().__init__()
        self._most = most
        self._wants_key = wants_key
        self.dropped = 0

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        with self.mutex:
            if item is None or len(self.queue) >= self._most:
                self.dropped += len(self.queue)
                self.queue.clear()  # later ones are told as changes of these, so none can be kept
                self._wants_key.set()
        super().put(item, block, timeout)


def bound(receiver: RTCRtpReceiver) -> KeepLatest:
    """Before anything is received. Raises RuntimeFault for an aiortc that is built otherwise."""
    wants_key = getattr(receiver, _ERROR, None)
    if not hasattr(receiver, _QUEUE) or not isinstance(wants_key, threading.Event):
        raise RuntimeFault("this aiortc's queue can't be bounded", advice="install the version of the webrtc extra")
    kept = KeepLatest(MOST_WAITING, wants_key)
    setattr(receiver, _QUEUE, kept)
    return kept
