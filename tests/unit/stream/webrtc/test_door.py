from __future__ import annotations

import threading

import av
import numpy as np
import pytest

from engine.errors import SourceError, SourceFault
from stream.sources.base import StreamInfo
from stream.webrtc.door import Doors, Incoming
from stream.webrtc.source import WebRtcSource


def picture(width: int = 64, height: int = 48) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((height, width, 3), 99, np.uint8), format="rgb24")


def test_only_the_newest_picture_is_kept_and_the_others_are_counted() -> None:
    incoming, newest = Incoming(), picture()
    for _ in range(9):
        incoming.put(picture())
    incoming.put(newest)
    assert incoming.take(0) is newest
    assert incoming.take(0) is None
    assert incoming.dropped == {"untaken": 9}


def test_the_first_reason_for_an_end_is_the_one_that_is_told() -> None:
    incoming = Incoming()
    incoming.end(SourceError("first", SourceFault.LOST))
    incoming.end(SourceError("second", SourceFault.ENDED))
    with pytest.raises(SourceError, match="first"):
        incoming.take(0)
    doors = Doors()
    doors["a"].enter(incoming)
    assert doors["a"].wait(0) is None


def test_what_a_camera_leaves_out_is_counted_with_its_source() -> None:
    doors, incoming = Doors(), Incoming()
    doors["phone"].enter(incoming)
    source = WebRtcSource("phone", doors["phone"], 5.0)
    source.dropped["late"] = 1  # the reader's own
    for _ in range(3):
        incoming.put(picture())
    incoming.dropped["undecoded"] += 5
    source.open()
    shown = iter(source)
    next(shown)
    next(shown)
    assert source.dropped == {"late": 1, "untaken": 2, "undecoded": 5}
    incoming.put(picture())
    incoming.put(picture())
    source.close()
    assert source.dropped == {"late": 1, "untaken": 3, "undecoded": 5}


def test_a_publisher_that_turns_its_device_begins_a_new_stretch() -> None:
    doors, incoming = Doors(), Incoming()
    doors["phone"].enter(incoming)
    source = WebRtcSource("phone", doors["phone"], 5.0)
    incoming.put(picture(64, 48))
    source.open()
    items = iter(source)
    shown = [next(items) for _ in range(3)]
    incoming.put(picture(48, 64))
    shown += [next(items) for _ in range(3)]
    sizes = [(item.width, item.height) for item in shown if isinstance(item, StreamInfo)]
    assert sizes == [(64, 48), (48, 64)]
    source.close()


def test_a_source_that_waits_for_a_publisher_can_be_closed() -> None:
    source = WebRtcSource("phone", Doors()["phone"], 5.0)
    threading.Timer(0.1, source.close).start()
    with pytest.raises(SourceError, match="closed while"):
        source.open()
