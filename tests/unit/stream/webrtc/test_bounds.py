from __future__ import annotations

import asyncio
import threading
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="needs the webrtc extra")

from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from stream.webrtc.bounds import MOST_WITHOUT_KEY, Inflow, KeepLatest

VP8_KEY, VP8_CHANGE = b"\x10\x02\x00", b"\x11\x02\x00"
H264_KEY, H264_CHANGE = b"\x00\x00\x01\x67\x42\x00\x00\x00\x01\x65\x88", b"\x00\x00\x00\x01\x41\x9a"


def encoded(data: bytes, codec: str = "VP8") -> tuple[Any, Any]:
    return SimpleNamespace(name=codec), SimpleNamespace(data=data)


def kept(most: int = 3) -> tuple[KeepLatest, threading.Event, Counter[str]]:
    wants_key, dropped = threading.Event(), Counter[str]()
    return KeepLatest(most, wants_key, dropped), wants_key, dropped


def test_what_waits_for_a_decoder_is_bounded_and_its_end_is_never_lost() -> None:
    waiting, wants_key, dropped = kept()
    for _ in range(3):
        waiting.put(encoded(VP8_CHANGE))
    assert not wants_key.is_set()
    key = encoded(VP8_KEY)
    waiting.put(key)
    assert wants_key.is_set()
    assert (waiting.get(), waiting.qsize(), dropped["undecoded"]) == (key, 0, 3)
    waiting.put(encoded(VP8_CHANGE))
    waiting.put(None)
    assert (waiting.get(), dropped["undecoded"]) == (None, 4)


@pytest.mark.parametrize(("codec", "key", "change"), [("VP8", VP8_KEY, VP8_CHANGE), ("H264", H264_KEY, H264_CHANGE)])
def test_after_a_gap_the_first_to_be_decoded_is_a_key_picture(codec: str, key: bytes, change: bytes) -> None:
    waiting, wants_key, dropped = kept()
    waiting.begin_anew()
    assert wants_key.is_set()
    for data in (change, b"", change, key, change):
        waiting.put(encoded(data, codec))
    assert [waiting.get()[1].data for _ in range(2)] == [key, change]
    assert dropped["undecoded"] >= 2


def test_a_sender_without_key_pictures_is_shown_all_the_same_after_a_while() -> None:
    waiting, _, dropped = kept()
    waiting.begin_anew()
    for _ in range(MOST_WITHOUT_KEY + 2):
        waiting.put(encoded(H264_CHANGE, "H264"))
    assert (waiting.qsize(), dropped["undecoded"]) == (2, MOST_WITHOUT_KEY)


def test_a_gap_is_waited_for_until_it_is_given_up() -> None:
    asyncio.run(_give_up_a_gap())


async def _give_up_a_gap() -> None:
    class Transport:
        """Takes what is registered, and everything that is sent."""

        state = "connected"

        def _register_rtp_receiver(self, receiver: object, parameters: object) -> None: ...

        def _unregister_rtp_receiver(self, receiver: object) -> None: ...

        async def _send_rtp(self, data: bytes) -> None: ...

    receiver = RTCRtpReceiver("video", Transport())  # type: ignore[arg-type]
    receiver._track = SimpleNamespace(_queue=asyncio.Queue())  # type: ignore[assignment]
    receiver._set_rtcp_ssrc(1)
    dropped = Counter[str]()
    inflow = Inflow(receiver, dropped)
    decoded = receiver._RTCRtpReceiver__decoder_queue  # type: ignore[attr-defined]
    put: list[Any] = []
    decoded.put = put.append  # instead of decoding it
    vp8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=96)
    await receiver.receive(RTCRtpReceiveParameters(codecs=[vp8]))
    numbers = iter(range(400))

    async def receive(data: bytes, *, lost: int = 0) -> None:
        for _ in range(lost):
            next(numbers)
        number = next(numbers)
        packet = RtpPacket(payload_type=96, sequence_number=number, timestamp=number * 3000, marker=1)
        packet.payload = b"\x10" + data
        await receiver._handle_rtp_packet(packet, arrival_time_ms=number)

    try:
        for _ in range(5):
            await receive(VP8_CHANGE)
        inflow.give_up_gap()  # there is none
        assert len(put) == 4  # a picture is whole when the next one begins
        for _ in range(20):
            await receive(VP8_CHANGE, lost=1)
        assert len(put) == 4
        inflow.give_up_gap()
        for _ in range(3):
            await receive(VP8_KEY)
        assert len(put) == 6
    finally:
        decoded.put = KeepLatest.put.__get__(decoded)
        await receiver.stop()
