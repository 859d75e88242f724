"""`vigil watch` and `vigil listen` as people run them: processes, a real RTSP server, real footage."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from tests.integration.conftest import RtspServer

CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "clips"
ROBBERY = CLIPS / "ucf_robbery102.mp4"
needs_clips = pytest.mark.skipif(not CLIPS.exists(), reason="the real clips are not beside the project")

Message = dict[str, Any]


def free_port() -> int:
    """With a free one after it, where catch-up will be."""
    for _ in range(100):
        with socket.socket() as probe, socket.socket() as after:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            with suppress(OSError):
                after.bind(("127.0.0.1", port + 1))
                return port
    raise AssertionError("no two free ports beside each other")


class Listener:
    """`vigil listen --format json`, or a subscriber to everything, in a process; what it printed, parsed."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.messages: list[Message] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.messages.append(json.loads(line))

    def wait_for(self, told: Callable[[list[Message]], object], timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not told(self.messages):
            assert time.monotonic() < deadline_s, f"not told within {timeout_s} s: {self.messages[-3:]}"
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        self._thread.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


EVERYTHING = """
import json, sys
from stream.feed import Received, subscribe
from stream.feed.messages import encode
with subscribe(sys.argv[1], kinds=("alerts", "status", "scores")) as feed:
    try:
        for event in feed:
            if isinstance(event, Received):
                print(encode(event.message).decode(), flush=True)
    except KeyboardInterrupt:
        pass
"""


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def start(*command: str) -> Listener:
        listeners.append(Listener(*command))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.stop()


@pytest.fixture
def vigil() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `vigil` with these arguments."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "stream.cli", *map(str, arguments)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def watch_to_the_end(
    vigil: Callable[..., subprocess.Popen[str]], source: Path, data: Path, *options: str | Path
) -> str:
    feed = f"tcp://127.0.0.1:{free_port()}"
    process = vigil(
        "watch", f"cam={source}", "--pace", "max", "--exit-at-end",
        "--data", data, "--feed", feed, "--http", "off", *options,
    )  # fmt: skip
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return str(said)


def recorded(file: Path) -> dict[tuple[int, float], float | None]:
    """The scores of a recording by segment and stream time."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {(line["segment"], line["pts_s"]): line.get("score") for line in lines}


@needs_clips
@pytest.mark.timeout(240)
def test_a_robbery_over_rtsp_is_told_in_time_with_evidence_and_scored_as_the_file_is(
    start_rtsp_server: Callable[..., RtspServer],
    vigil: Callable[..., subprocess.Popen[str]],
    listen: Callable[..., Listener],
    tmp_path: Path,
) -> None:
    server = start_rtsp_server("--path", "/cam", "--file", str(ROBBERY))
    feed = f"tcp://127.0.0.1:{free_port()}"
    alerts = listen("-m", "stream.cli", "listen", feed, "--format", "json")
    everything = listen("-c", EVERYTHING, feed)
    process = vigil(
        "watch", f"cam={server.url(path='/cam')}", "--scorer", "motion", "--feed", feed,
        "--data", tmp_path / "rtsp", "--record", tmp_path / "rtsp.jsonl", "--http", "off", "--for", "63s",
    )  # fmt: skip
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 0, said
    everything.wait_for(lambda told: any(m.get("type") == "end" for m in told[-3:]), 5)

    first = next(m for m in everything.messages if m["schema"] == "vigil.score/1")
    started = first["time"] - first["pts_s"]  # UTC of the footage's first picture
    news = [m for m in alerts.messages if m["type"] == "new"]
    robbery = [m for m in news if 35.0 <= m["timing"]["published_time"] - started <= 41.5]
    assert robbery, [(m["timing"]["published_time"] - started, m["explanation"]) for m in news]
    assert all(m["end_time"] is None for m in robbery)
    new = robbery[0]
    assert "right" in new["explanation"]
    assert max(box["x2"] for box in new["boxes"]) > 0.6
    (end,) = [m for m in alerts.messages if m["id"] == new["id"] and m["type"] == "end"]
    assert end["start_time"] - started < 52
    assert end["end_time"] - started > 36

    picture = cv2.imread(str(tmp_path / "rtsp" / end["snapshot"]))
    assert picture is not None
    assert picture.shape == (190, 300, 3)
    with av.open(str(tmp_path / "rtsp" / end["clip"])) as clip:
        shown = [frame.time for frame in clip.decode(video=0)]
    assert shown[-1] - shown[0] > end["end_time"] - end["start_time"] + 4

    # The same file at full pace: the same score points for the same frames.
    watch_to_the_end(vigil, ROBBERY, tmp_path / "file", "--record", tmp_path / "file.jsonl")
    live, file = recorded(tmp_path / "rtsp.jsonl"), recorded(tmp_path / "file.jsonl")
    same = {place for place in live if place in file}
    assert len(same) >= 58
    assert {place: live[place] for place in same} == {place: file[place] for place in same}


@needs_clips
def test_hevc_with_cuts_is_watched_to_its_end_and_every_event_ends(
    vigil: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    said = watch_to_the_end(vigil, CLIPS / "cctv_door.mp4", tmp_path)
    opened = sum(line.count("DETECTION") + line.count("ALERT") for line in said.splitlines())
    assert opened >= 1
    assert said.count("over after") == opened
    assert "Traceback" not in said


@pytest.mark.timeout(180)
def test_a_camera_that_goes_and_returns_is_told_and_recovered_and_costs_the_others_nothing(
    start_rtsp_server: Callable[..., RtspServer],
    vigil: Callable[..., subprocess.Popen[str]],
    listen: Callable[..., Listener],
    tmp_path: Path,
) -> None:
    healthy, failing = start_rtsp_server(), start_rtsp_server()
    feed = f"tcp://127.0.0.1:{free_port()}"
    heard = listen("-c", EVERYTHING, feed)
    process = vigil(
        "watch", f"healthy={healthy.url()}", f"failing={failing.url()}", f"dead=rtsp://127.0.0.1:{free_port()}/x",
        "--feed", feed, "--data", tmp_path, "--http", "off",
    )  # fmt: skip

    def told(camera: str, state: str, fault: str | None = None) -> Callable[[list[Message]], bool]:
        return lambda messages: any(
            (m["schema"], m["camera"]) == ("vigil.status/1", camera)
            and m["state"] == state
            and fault in (None, m["fault"])
            for m in list(messages)
        )

    heard.wait_for(told("healthy", "live"), 60)
    heard.wait_for(told("failing", "live"), 60)
    heard.wait_for(told("dead", "offline", "refused"), 60)
    failing.kill()
    heard.wait_for(told("failing", "offline"), 30)
    time.sleep(3)
    before = len(heard.messages)
    start_rtsp_server("--port", str(failing.port))
    heard.wait_for(lambda messages: told("failing", "live")(messages[before:]), 30)
    heard.wait_for(lambda messages: any(m["camera"] == "failing" and "pts_s" in m for m in messages[before:]), 20)

    def windows_of(messages: list[Message], camera: str) -> list[Message]:
        return [m for m in list(messages) if m["schema"] == "vigil.score/1" and m["camera"] == camera]

    heard.wait_for(lambda messages: len(windows_of(messages, "healthy")) >= 5, 40)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=10)
    assert process.returncode == 0, said
    windows = windows_of(heard.messages, "healthy")
    assert [m["index"] for m in windows] == list(range(windows[0]["index"], windows[0]["index"] + len(windows)))
    assert {m["segment"] for m in windows} == {0}


def test_a_second_signal_ends_it_at_once_although_a_camera_does_not_answer(
    vigil: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        camera = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x"
        feed = f"tcp://127.0.0.1:{free_port()}"
        process = vigil("watch", camera, "--data", tmp_path, "--feed", feed, "--http", "off")
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            while "once more" not in process.stdout.readline():  # pytest's timeout bounds it
                pass
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == -signal.SIGINT


@pytest.mark.parametrize("options", [[], ["--exit-at-end"]])
def test_a_source_that_does_not_exist_ends_with_one_line_and_exit_code_1(
    vigil: Callable[..., subprocess.Popen[str]], options: list[str], tmp_path: Path
) -> None:
    feed = f"tcp://127.0.0.1:{free_port()}"
    process = vigil("watch", "nothing.mp4", *options, "--data", tmp_path, "--feed", feed, "--http", "off")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith("vigil: nothing.mp4")


def test_a_file_whose_cameras_are_all_turned_off_is_nothing_to_watch(
    vigil: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    (tmp_path / "vigil.yaml").write_text("cameras: {front: {source: 'synthetic://', enabled: false}}")
    process = vigil("watch", "-c", tmp_path / "vigil.yaml", "--data", tmp_path / "data")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "nothing to watch" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["watch"], "nothing to watch"),
        (["watch", "synthetic://?sede=3"], "seed"),
        (["watch", "gopher://x"], "rtsp"),
        (["watch", "synthetic://", "--for", "soon"], "--for"),
        (["watch", "-c", "missing.yaml"], "missing.yaml"),
        (["wach"], "No such command"),
        (["listen", "--format", "xml"], "vigil listen --help"),
        (["listen", "udp://x"], "no address of a feed"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    vigil: Callable[..., subprocess.Popen[str]], arguments: list[str], says: str, tmp_path: Path
) -> None:
    extra = ["--data", str(tmp_path), "--http", "off"] if arguments[0] == "watch" else []
    process = vigil(*arguments, *extra)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 2, said
    (line,) = said.splitlines()
    assert line.startswith("vigil: ")
    assert says in line


def test_a_changed_configuration_is_followed_and_a_bad_one_is_not(
    vigil: Callable[..., subprocess.Popen[str]], listen: Callable[..., Listener], tmp_path: Path
) -> None:
    endpoint, file = f"ipc://{tmp_path}/feed", tmp_path / "vigil.yaml"
    scene = "synthetic://?size=160x90&fps=10&events=none"

    def write(cameras: str) -> None:
        file.write_text(f"cameras: {{{cameras}}}\nfeed: {{bind: '{endpoint}'}}\nhttp: {{bind: off}}\n")

    write(f"front: {{source: '{scene}'}}")
    watching = vigil("watch", "-c", file, "--data", tmp_path / "data")
    assert watching.stdout is not None
    said: list[str] = []
    reader = threading.Thread(target=said.extend, args=(watching.stdout,))
    reader.start()
    subscriber = listen("-c", EVERYTHING, endpoint)
    subscriber.wait_for(lambda messages: any(message["camera"] == "front" for message in messages), 30)
    write("front: {sauce: typo}")
    watching.send_signal(signal.SIGHUP)
    deadline_s = time.monotonic() + 20
    while not any("stays as it is" in line for line in said):
        assert time.monotonic() < deadline_s, said
        time.sleep(0.05)
    write(f"front: {{source: '{scene}'}}, back: {{source: '{scene}'}}")  # noticed without a signal
    subscriber.wait_for(lambda messages: any(message["camera"] == "back" for message in messages), 30)
    watching.send_signal(signal.SIGTERM)
    assert watching.wait(20) == 0
    reader.join(10)
    assert any("was read again" in line for line in said)
    assert not any("Traceback" in line for line in said)
