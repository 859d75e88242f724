"""A WHIP publisher made of FFmpeg's own muxer, as PyAV brings it, for the tests: it shares nothing with aiortc.

Sends a moving test picture until its standard input closes, so it never outlives the test run.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from fractions import Fraction

import av
import numpy as np

FPS = 15


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--token", default="")
    parser.add_argument("--certificate", required=True, help="with a key of P-256; FFmpeg's own is P-224 with GnuTLS")
    parser.add_argument("--key", required=True)
    parser.add_argument("--calls", action="store_true", help="begin the DTLS handshake, instead of waiting for it")
    options = parser.parse_args()

    over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    about = {"authorization": options.token, "cert_file": options.certificate, "key_file": options.key}
    if options.calls:
        about["whip_flags"] = "dtls_active"
    with av.open(options.url, "w", format="whip", options=about) as whip:
        settings = {"tune": "zerolatency", "preset": "ultrafast", "profile": "baseline"}
        stream = whip.add_stream("libx264", FPS, settings)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 320, 240, "yuv420p", 2 * FPS
        begun_s, number = time.monotonic(), 0
        while not over.wait(max(0.0, begun_s + number / FPS - time.monotonic())):
            image = np.full((240, 320, 3), 80, np.uint8)
            image[80:160, (5 * number) % 240 :][:, :80] = 255
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            whip.mux(stream.encode(frame))
            number += 1


if __name__ == "__main__":
    main()
