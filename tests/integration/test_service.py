"""`vigil watch` as a supervisor runs it: what it is told by datagram, and how it ends at SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stream.outbox import Outbox
from tests.unit.stream.heard import Heard

SCENE = "synthetic://?size=160x90&fps=10&events=none"


class Supervised:
    """A process with a notification socket, and what it has told there and printed."""

    def __init__(self, socket_path: Path, *command: str | Path) -> None:
        self.told: list[str] = []
        self.printed = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(socket_path))
        self._socket.settimeout(0.2)
        self.process = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(socket_path), "PYTHONFAULTHANDLER": "1"},
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                self.told.append(self._socket.recv(1000).decode())
            except TimeoutError:
                continue

    def wait_for(self, told: Callable[[list[str]], object], timeout_s: float = 30) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not told(self.told):
            if time.monotonic() > deadline_s:
                self.process.kill()
                pytest.fail(f"not told within {timeout_s} s: {self.told[-5:]}, {self.process.communicate()[0]}")
            time.sleep(0.05)

    def terminate(self, timeout_s: float) -> int:
        """Its exit code after SIGTERM; fails when it takes longer."""
        self.process.send_signal(signal.SIGTERM)
        self.printed, _ = self.process.communicate(timeout=timeout_s)
        return self.process.returncode

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._over.set()
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    """Runs a Python module with these arguments under a supervisor."""
    started: list[Supervised] = []

    def start(*command: str | Path) -> Supervised:
        started.append(Supervised(tmp_path / "notify", *command))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def configured(folder: Path, **cameras: str) -> Path:
    """A configuration file for these sources; everything is written in `folder`."""
    file = folder / "vigil.yaml"
    named = ", ".join(f"{name}: {{source: '{source}'}}" for name, source in cameras.items())
    file.write_text(
        f"cameras: {{{named}}}\n"
        "defaults: {window: {length: 500ms, stride: 500ms, frames: 4}, smoothing: {kind: none}}\n"
        "scorer: {timeout: 1s}\n"
        f"feed: {{bind: 'ipc://{folder}/feed'}}\n"
        "http: {bind: off}\n"
        f"data: {{dir: '{folder}/data'}}\n"
    )
    return file


def test_a_supervisor_is_told_of_the_start_the_life_a_reload_and_the_end(
    supervise: Callable[..., Supervised], tmp_path: Path
) -> None:
    service = supervise("stream.cli", "watch", "-c", configured(tmp_path, front=SCENE))
    service.wait_for(lambda told: "STATUS=cameras live: 1 of 1, alert messages: 0" in told)
    service.wait_for(lambda told: told.count("WATCHDOG=1") >= 3)
    assert service.told.index("READY=1") < service.told.index("WATCHDOG=1")
    service.process.send_signal(signal.SIGHUP)
    service.wait_for(lambda told: told.count("READY=1") == 2)
    reloading = next(place for place, each in enumerate(service.told) if each.startswith("RELOADING=1\nMONOTONIC"))
    assert "READY=1" in service.told[reloading:]
    assert service.terminate(12) == 0, service.printed
    service.wait_for(lambda told: told[-1] == "STOPPING=1")


@pytest.mark.timeout(180)
def test_with_a_hung_scorer_it_is_not_alive_and_still_ends_in_time_with_every_message(
    supervise: Callable[..., Supervised], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)  # opening it hangs in the kernel, where nothing can interrupt it
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cameras = {"front": SCENE, "hung": str(pipe), "silent": f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x"}
        service = supervise("tests.integration.stubborn", "-c", configured(tmp_path, **cameras))
        service.wait_for(lambda told: told and told[-1].endswith("the scorer does not answer"), 60)
        lived = service.told.count("WATCHDOG=1")
        assert lived > 0
        time.sleep(1)  # four more rounds of the loop
        assert service.told.count("WATCHDOG=1") == lived
        assert service.terminate(12) == 0, service.printed
    with Outbox(tmp_path / "data" / "outbox.sqlite3", time.time) as outbox:
        told = outbox.since(0)
    new, *_, end = told
    assert (new.type, end.type, end.end_reason, end.has_clip) == ("new", "end", "shutdown", True)


@pytest.mark.timeout(180)
def test_when_disk_scorer_and_camera_hang_at_once_it_tells_its_ends_and_is_over_in_time(
    supervise: Callable[..., Supervised], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    heard = Heard()
    service = supervise("tests.integration.hopeless", "-c", configured(tmp_path, front=SCENE, hung=str(pipe)))
    try:
        service.wait_for(lambda told: "READY=1" in told)
        heard.start(f"ipc://{tmp_path}/feed")
        service.wait_for(lambda told: told and told[-1].endswith("the scorer does not answer"), 60)
        code = service.terminate(60)  # how much of it each part may take is for tests/unit/stream/test_ending.py
    finally:
        heard.stop()
    assert code == ("most recent call first" in service.printed), service.printed  # it was forced: a slow machine
    (end,) = [alert for alert in heard.alerts if alert.type == "end"]
    assert (end.camera, end.end_reason) == ("front", "shutdown")
    assert (end.clip, end.clip_note) == (None, "not finished in time when Vigil was stopped")
