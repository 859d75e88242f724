"""A real Mosquitto on loopback, and a subscriber that remembers what it heard."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.integration.test_watch import free_port
from tests.unit.stream.bridges.made import until

STOP_S = 10
User = tuple[str, str]  # name and password


def mosquitto() -> str:
    """Skips where it is not installed, but fails in continuous integration, which must have it."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found:
        return found
    reason = "no MQTT broker is installed (Debian: mosquitto)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Broker:
    """Keeps what it has in `folder` over a stop and a start. `lines` are more of its configuration."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self._folder = folder
        self._lines = lines or ("allow_anonymous true",)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        config = self._folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {self._folder}/",
            "max_queued_messages 0", "log_type none", *(["user root"] if os.geteuid() == 0 else []), *self._lines,
        ]  # fmt: skip
        config.write_text("".join(f"{line}\n" for line in lines))
        self._process = subprocess.Popen([mosquitto(), "-c", str(config)], stderr=subprocess.DEVNULL)
        until(self._listens)
        return self

    def stop(self) -> None:
        """As the system would: it saves what it has."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It keeps its connections and says nothing more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(STOP_S)
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the broker did not start"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


@dataclass(frozen=True)
class Heard:
    topic: str
    payload: bytes
    retained: bool

    def json(self) -> Any:
        return msgspec.json.decode(self.payload)


class Subscriber:
    """To everything, or to `topic`; comes back by itself. With a `name` the broker keeps what it misses."""

    def __init__(self, broker: Broker, topic: str = "#", *, name: str = "", user: User | None = None) -> None:
        self._lock = threading.Lock()
        self._heard: list[Heard] = []
        self._topic = topic
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=not name)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._hear
        if user:
            self._client.username_pw_set(*user)
        self._client.connect("127.0.0.1", broker.port, keepalive=5)
        self._client.loop_start()
        assert self._subscribed.wait(STOP_S)

    def _hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._lock:
            self._heard.append(Heard(message.topic, bytes(message.payload), bool(message.retain)))

    @property
    def heard(self) -> list[Heard]:
        with self._lock:
            return list(self._heard)

    def of(self, topic: str) -> list[Heard]:
        return [heard for heard in self.heard if heard.topic == topic]

    def last(self, topic: str) -> bytes:
        """Nothing when there is none."""
        return next((heard.payload for heard in reversed(self.heard) if heard.topic == topic), b"")

    def numbers(self, topic: str = "vigil/alerts") -> list[int]:
        return [heard.json()["seq"] for heard in self.of(topic)]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def retained(broker: Broker, *, user: User | None = None) -> dict[str, bytes]:
    """What the broker remembers now, by topic."""
    with Subscriber(broker, user=user) as subscriber:
        before = -1
        while len(subscriber.heard) > before:  # they come at once, after the confirmation
            before = len(subscriber.heard)
            time.sleep(0.2)
        return {heard.topic: heard.payload for heard in subscriber.heard if heard.retained}
