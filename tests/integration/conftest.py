"""What integration tests share: a real RTSP server in a process of its own, and a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.integration.browsing import Open

SYSTEM_PYTHON = "/usr/bin/python3"  # the one that has `gi`; a virtual environment has not
SERVER = Path(__file__).with_name("rtsp_server.py")
NEEDED = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
PACKAGES = "python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good, -bad and -ugly"
STOP_S = 10
EXAMPLES = Path(__file__).parents[2] / "examples"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class RtspServer:
    """A server that is running. `url` takes `user:password` as it stands in URLs."""

    process: subprocess.Popen[str]
    port: int

    def url(self, userinfo: str = "", path: str = "/stream") -> str:
        return f"rtsp://{userinfo}{'@' if userinfo else ''}127.0.0.1:{self.port}{path}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(STOP_S)

    def freeze(self) -> None:
        """It keeps its connections and says nothing more."""
        self.process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        self.process.wait(STOP_S)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@dataclass(frozen=True)
class Certificate:
    """For the name localhost, signed by itself. `whole` has its key as well."""

    public: Path
    whole: Path


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    made = Certificate(tmp_path / "public.pem", tmp_path / "whole.pem")
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", str(made.whole), "-out", str(made.public),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    made.whole.write_text(made.whole.read_text() + made.public.read_text())
    return made


@pytest.fixture(scope="session")
def system_python_with_gstreamer() -> str:
    """Skips where GStreamer's RTSP server is not installed, but fails in continuous integration, which must have it."""
    found = (
        Path(SYSTEM_PYTHON).exists()
        and subprocess.run([SYSTEM_PYTHON, "-c", NEEDED], capture_output=True).returncode == 0
    )
    if not found:
        _missing(f"GStreamer's RTSP server is not installed for {SYSTEM_PYTHON} (Debian: {PACKAGES})")
    return SYSTEM_PYTHON


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Skips where there is none, but fails in continuous integration, which must have it."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        _missing(f"no browser is installed: one of {', '.join(BROWSERS)} (Debian: chromium)")
    return found


@pytest.fixture(scope="session")
def node() -> str:
    """Skips where Node.js or its package is not there, but fails in continuous integration, which must have them."""
    found = shutil.which("node")
    if found is None or not (EXAMPLES / "node_modules" / "zeromq").exists():
        _missing("Node.js with zeromq is not installed (Debian: nodejs, npm; then: npm install --prefix examples)")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    pytest.importorskip("playwright.sync_api", reason="needs playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens pages, each for a viewer of its own; none may raise, log an error, or break the content policy."""
    from tests.integration.browsing import pages

    with pages(browser) as opened:
        yield opened


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def start_rtsp_server(system_python_with_gstreamer: str) -> Iterator[Callable[..., RtspServer]]:
    """Starts servers with the options of rtsp_server.py; all of them are gone after the test."""
    servers: list[RtspServer] = []

    def start(*options: str) -> RtspServer:
        process = subprocess.Popen(
            [system_python_with_gstreamer, str(SERVER), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()  # empty when it could not start: pytest's timeout bounds the wait
        servers.append(RtspServer(process, int(line or 0)))
        assert line, "the RTSP server did not start"
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
