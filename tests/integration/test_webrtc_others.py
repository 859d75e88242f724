"""Publishing with implementations that share nothing with aiortc: GStreamer's webrtcbin and FFmpeg's WHIP muxer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("aiortc", reason="needs the webrtc extra")

import av

from tests.integration.conftest import STOP_S, SYSTEM_PYTHON
from tests.integration.console import Running, WordScorer, settings, until

HERE = Path(__file__).parent
NEEDED = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstWebRTC', '1.0'); "
    "from gi.repository import Gst, GstWebRTC; Gst.init(None); "
    "assert all(Gst.ElementFactory.find(name) for name in ('webrtcbin', 'nicesrc', 'vp8enc', 'x264enc'))"
)
PACKAGES = "python3-gi, gir1.2-gst-plugins-bad-1.0, gstreamer1.0-nice, gstreamer1.0-plugins-good, -bad and -ugly"
TOKEN = "a-phone's-token-of-good-length"
PHONE = {"source": "webrtc://phone", "publish_token": TOKEN, "stall": "20s", "open_timeout": "20s"}


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_what_gstreamer_publishes_is_judged(codec: str, tmp_path: Path) -> None:
    try:
        subprocess.run([SYSTEM_PYTHON, "-c", NEEDED], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        if os.environ.get("CI") == "true":
            pytest.fail(f"webrtcbin does not start: {PACKAGES}")
        pytest.skip(f"needs {PACKAGES}")
    with publishing(tmp_path, SYSTEM_PYTHON, "whip_gstreamer.py", "--codec", codec) as publisher:
        assert publisher.stdout is not None
        assert publisher.stdout.readline() == "201\n"


@pytest.mark.parametrize("role", [(), ("--calls",)])
def test_what_ffmpeg_publishes_is_judged(role: tuple[str, ...], tmp_path: Path) -> None:
    if "whip" not in av.formats_available:
        pytest.skip("this PyAV's FFmpeg has no WHIP muxer")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=phone", "-days", "1", "-keyout", key, "-out", certificate,
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    with publishing(tmp_path, sys.executable, "whip_ffmpeg.py", "--certificate", certificate, "--key", key, *role):
        pass


@contextmanager
def publishing(data: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A publisher to a watch that tells an alert of what it sends, and waits for the next when it has said goodbye."""
    scorer = WordScorer()
    scorer.levels["phone"] = 0.9
    running = Running(settings(data, {"phone": PHONE}), scorer)
    python, script, *options = command
    whole = [python, str(HERE / script), f"{running.url}/whip/phone", "--token", TOKEN, *options]
    try:
        with subprocess.Popen(whole, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as publisher:
            try:
                yield publisher
                until(lambda: running.get("/api/cameras")[0]["size"] == [320, 240], "its pictures")
                until(lambda: running.get("/api/alerts")["events"], "an alert")
                stats = running.watch._cameras["phone"].keeper.stats
                until(lambda: stats.pictures >= 20, "twenty pictures")
                assert stats.connections == 1
                publisher.communicate(timeout=STOP_S)
                assert publisher.returncode == 0
            finally:
                publisher.kill()
        until(lambda: running.get("/api/cameras")[0]["state"] == "connecting", "the wait for the next")
    finally:
        running.stop()
