"""How an RTSP camera can fail: in mid-stream, and while it is called. Knows nothing of who watches it."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from tests.integration.fake_rtsp import Call, Talk

PAUSE_S = 0.01  # between pieces of what never ends, so that the camera's own process is not what is measured


def _hang_up(_call: Call) -> None:
    pass


def _send_garbage(call: Call) -> None:
    garbage = random.Random(1).randbytes(4096)
    while True:
        call.send(garbage)
        time.sleep(PAUSE_S)


def _send_garbage_in_packets(call: Call) -> None:
    """Whole packets of the right length, whose contents mean nothing."""
    packet = b"$\0\x04\x00" + random.Random(1).randbytes(1024)
    while True:
        call.send(packet)
        time.sleep(PAUSE_S)


def _send_too_long_a_packet(call: Call) -> None:
    call.send(b"$\0\x00\x04" + bytes(5000))
    call.say_nothing()


def _send_too_short_a_packet(call: Call) -> None:
    call.send(b"$\0\xff\xff" + bytes(100))
    call.say_nothing()


# What a camera does after it has played for a while.
FAULTS: Mapping[str, Talk] = {
    "hangs up": _hang_up,
    "falls silent": Call.say_nothing,
    "sends garbage": _send_garbage,
    "sends garbage in packets": _send_garbage_in_packets,
    "sends a packet that is longer than told": _send_too_long_a_packet,
    "sends a packet that is shorter than told": _send_too_short_a_packet,
}


def _silent_after(method: str) -> Talk:
    def talk(call: Call) -> None:
        if method:
            call.serve(method)
        call.say_nothing()

    return talk


def _describe(length: int) -> Talk:
    def talk(call: Call) -> None:
        call.serve("OPTIONS")
        call.request()
        call.reply(b"v=0\r\n", "Content-Type: application/sdp\r\n", length=length)
        call.say_nothing()

    return talk


def _endless(line: bytes) -> Talk:
    def talk(call: Call) -> None:
        call.request()
        call.send(b"RTSP/1.0 200 OK\r\n")
        while True:
            call.send(line)
            time.sleep(PAUSE_S)

    return talk


# What it does when it is called.
OPENINGS: Mapping[str, Talk] = {
    "silent when called": _silent_after(""),
    "silent after OPTIONS": _silent_after("OPTIONS"),
    "silent after DESCRIBE": _silent_after("DESCRIBE"),
    "silent after SETUP": _silent_after("SETUP"),
    "silent after PLAY": _silent_after("PLAY"),
    "an answer shorter than told": _describe(2_000_000_000),
    "an answer of negative length": _describe(-5),
    "endless headers": _endless(b"X-Filler: nothing to see here\r\n" * 500),
    "an endless line": _endless(b"x" * 65536),
}
