"""A GStreamer RTSP server for the tests: one moving test picture, with or without a password.

Run by the system's Python, which has `gi`; it knows nothing of Vigil. It writes its port as the first
line of its output and ends when its standard input closes, so it never outlives the test run.
"""

from __future__ import annotations

import argparse
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

X264 = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={gop}"
X265 = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={gop}"
CODECS = {
    "h264": f"{X264} ! h264parse ! rtph264pay name=pay0 pt=96",
    "h265": f"{X265} ! h265parse ! rtph265pay name=pay0 pt=96",
    "mjpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}
AUDIO = "audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay1 pt=0"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--path", default="/stream")
    parser.add_argument("--port", default="0")
    parser.add_argument("--file", help="an MP4 of that codec to send, from its start for each client")
    parser.add_argument("--codec", choices=sorted(CODECS), default="h264")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--gop", type=int, default=15)
    parser.add_argument("--audio", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--auth", choices=("basic", "digest"), default="basic")
    options = parser.parse_args()

    Gst.init(None)
    width, height = options.size.split("x")
    picture = (
        f"videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},"
        f"framerate={options.fps}/1 ! {CODECS[options.codec].format(gop=options.gop)}"
    )
    factory = GstRtspServer.RTSPMediaFactory()
    if options.file:
        parse, pay = CODECS[options.codec].split(" ! ")[1:]
        factory.set_launch(f"( filesrc location={options.file} ! qtdemux ! {parse} ! {pay} config-interval=-1 )")
    else:
        factory.set_launch(f"( {picture} {AUDIO if options.audio else ''} )")
        factory.set_shared(True)

    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    server.get_mount_points().add_factory(options.path, factory)
    if options.user:
        protect(server, factory, options)
    server.attach(None)

    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    loop.run()


def protect(
    server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory, options: argparse.Namespace
) -> None:
    """Let in only the one user, who may see and play the stream; all others get 401."""
    viewer = GstRtspServer.RTSPToken()
    viewer.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    if options.auth == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(options.user, options.password), viewer)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(options.user, options.password, viewer)
    server.set_auth(auth)
    factory.add_role_from_structure(
        Gst.Structure.from_string("viewer,media.factory.access=true,media.factory.construct=true")[0]
    )


if __name__ == "__main__":
    main()
