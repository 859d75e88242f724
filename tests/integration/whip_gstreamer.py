"""A WHIP publisher made of GStreamer's webrtcbin, for the tests: an implementation that shares nothing with Vigil's.

Run by the system's Python, which has `gi`; it knows nothing of Vigil. It makes an offer with all its candidates, posts
it, takes the answer and sends a moving test picture until its standard input closes, so it never outlives the test
run. Then it deletes what it began. It writes the endpoint's status as the first line of its output.
"""

from __future__ import annotations

import argparse
import sys
import threading
import urllib.error
import urllib.request
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

RTP = "application/x-rtp,media=video,payload=96,encoding-name"
CODECS = {
    "vp8": f"vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay ! {RTP}=VP8",
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! "
    f"video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 ! {RTP}=H264",
}
PATIENCE_S = 20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--token", default="")
    parser.add_argument("--codec", choices=sorted(CODECS), default="vp8")
    options = parser.parse_args()

    Gst.init(None)
    pipeline = Gst.parse_launch(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1 ! queue ! "
        f"{CODECS[options.codec]} ! webrtcbin name=peer bundle-policy=max-bundle"
    )
    peer = pipeline.get_by_name("peer")
    loop = GLib.MainLoop()
    failed: list[str] = []
    location: list[str] = []

    def offer(*_: object) -> None:
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(offered, None, None))

    def offered(promise: Gst.Promise, *_: object) -> None:
        reply = promise.get_reply()  # which owns the offer
        peer.emit("set-local-description", reply.get_value("offer"), None)

    def gathered(*_: object) -> None:
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            threading.Thread(target=post, daemon=True).start()

    def post() -> None:
        sdp = peer.get_property("local-description").sdp.as_text()
        status, path, answer = ask("POST", options.url, options.token, sdp)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()
        if status != 201:
            loop.quit()
            return
        location.append(urljoin(options.url, path))
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        peer.emit("set-remote-description", described, None)

    def ended(_bus: object, message: Gst.Message) -> None:
        failed.append(str(message.parse_error()))
        loop.quit()

    peer.connect("on-negotiation-needed", offer)
    peer.connect("notify::ice-gathering-state", gathered)
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", ended)
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    if location:
        sys.stdout.write(f"{ask('DELETE', location[0], options.token)[0]}\n")
    pipeline.set_state(Gst.State.NULL)
    sys.exit("; ".join(failed) or 0)


def ask(method: str, url: str, token: str, body: str = "") -> tuple[int, str, str]:
    """The status, the location and the text of the answer."""
    headers = {"Content-Type": "application/sdp"} if body else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, body.encode() or None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return response.status, response.headers.get("Location", ""), response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, "", error.read().decode()


if __name__ == "__main__":
    main()
