"""`vigil watch` with bridges, killed and started again: everything that its outbox has arrives."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiomqtt", reason="needs the mqtt extra")
pytest.importorskip("httpx2", reason="needs the webhooks extra")

from tests.integration.broker import Broker, Subscriber, retained
from tests.integration.hooks import Receiver
from tests.integration.test_watch import free_port
from tests.unit.stream.bridges.made import numbers_kept, until

REPO = Path(__file__).parents[2]
PATIENCE_S = 30
SOURCE = "synthetic://?size=160x90&fps=10&events=none"


class Watching:
    """`vigil watch` with an event that opens and ends time and again."""

    def __init__(self, folder: Path, broker: Broker, receiver: Receiver) -> None:
        self.data = folder / "data"
        self.log = ""
        self._file = folder / "vigil.yaml"
        responses = folder / "responses.jsonl"
        scores = ([0.1] * 2 + [0.9] * 3) * 200
        lines = [{"camera": "cam", "index": index, "score": score} for index, score in enumerate(scores)]
        responses.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.config: dict[str, Any] = {
            "cameras": {"cam": {"source": SOURCE}, "other": {"source": SOURCE}},
            "defaults": {
                "window": {"length": "200ms", "stride": "200ms", "frames": 1},
                "smoothing": {"kind": "none"},
                "alerts": {"cooldown": 0, "merge_gap": 0, "close_hold": 0, "update_every": 0},
                "evidence": {"clip": False},
            },
            "scorer": {"kind": "recorded", "responses": str(responses)},
            "feed": {"bind": f"tcp://127.0.0.1:{free_port()}", "catch_up": f"tcp://127.0.0.1:{free_port()}"},
            "http": {"bind": "off"},
            "data": {"dir": str(self.data)},
            "mqtt": {"url": broker.url, "from": "start"},
            "webhooks": [{"name": "ops", "url": receiver.url, "allow_private": "yes", "from": "start"}],
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.configure()
        command = [sys.executable, "-m", "stream.cli", "watch", "-c", str(self._file)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=REPO)

    def configure(self) -> None:
        self._file.write_text(json.dumps(self.config))  # which is YAML too

    def end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.log += self.process.communicate(timeout=PATIENCE_S)[1]
            self.process = None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def watching(tmp_path: Path, broker: Broker, receiver: Receiver) -> Iterator[Watching]:
    watching = Watching(tmp_path, broker, receiver)
    yield watching
    watching.end(signal.SIGKILL)


@pytest.mark.timeout(180)
def test_all_that_is_in_the_outbox_arrives_though_the_process_is_killed(
    watching: Watching, broker: Broker, receiver: Receiver
) -> None:
    with Subscriber(broker, name="recorder") as subscriber:
        for ending in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
            before = len(receiver.taken)
            watching.start()
            until(lambda before=before: len(receiver.taken) >= before + 8, PATIENCE_S)  # type: ignore[misc]
            watching.end(ending)
        kept = numbers_kept(watching.data)
        assert list(dict.fromkeys(receiver.numbers)) == kept
        until(lambda: list(dict.fromkeys(subscriber.numbers())) == kept)
        assert subscriber.last("vigil/available") == b"offline"
        snapshots = subscriber.of("vigil/cam/snapshot")
    assert snapshots[-1].payload[:2] == b"\xff\xd8"
    now = retained(broker)
    assert json.loads(now["vigil/cam/event"]) == {"state": "OFF", "open": 0}
    assert "secret" not in watching.log
    assert "Traceback" not in watching.log


def test_a_camera_that_is_taken_out_of_the_file_goes_from_the_broker(
    watching: Watching, broker: Broker, receiver: Receiver
) -> None:
    watching.start()
    until(lambda: b'"live"' in retained(broker).get("vigil/other/status", b""), PATIENCE_S)
    del watching.config["cameras"]["other"]
    watching.config["mqtt"]["prefix"] = "elsewhere"
    watching.configure()
    until(lambda: not [topic for topic in retained(broker) if "other" in topic], PATIENCE_S)
    assert b'"live"' in retained(broker)["vigil/cam/status"]
    watching.end(signal.SIGTERM)
    assert "a change of `mqtt` takes effect after a restart only" in watching.log
