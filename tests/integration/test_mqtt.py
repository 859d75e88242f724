"""The MQTT bridge against a real Mosquitto in another process, which goes, comes back, hangs, or refuses."""

from __future__ import annotations

import gc
import json
import logging
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("aiomqtt", reason="needs the mqtt extra")

from paho.mqtt.publish import single

from stream import backoff
from stream.bridges import mqtt
from stream.bridges.board import Board
from stream.bridges.bridge import Bridge
from stream.bridges.mqtt import MqttSettings, MqttSink
from stream.metrics import Metrics
from stream.outbox import Outbox
from tests.integration.broker import Broker, Subscriber, mosquitto, retained
from tests.integration.conftest import Certificate
from tests.integration.servers import peer, silent
from tests.unit.stream.bridges.made import bridge, closing, open_outbox, tell, until, value
from tests.unit.stream.feed.made import a_status

REPO = Path(__file__).parents[2]
CAMERAS = ("front", "back", "yard")
DISCOVERED = [
    "homeassistant/binary_sensor/vigil_front/connectivity/config",
    "homeassistant/binary_sensor/vigil_front/event/config",
    "homeassistant/image/vigil_front/snapshot/config",
    "homeassistant/sensor/vigil_front/explanation/config",
]


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are a tenth of what they are."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.1)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.3)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with open_outbox(tmp_path) as outbox:
        yield outbox


@pytest.fixture
def board() -> Board:
    board = Board(["front"])
    board.tell(a_status())
    return board


Start = Callable[..., Bridge]


@pytest.fixture
def start(tmp_path: Path, outbox: Outbox, board: Board, broker: Broker) -> Iterator[Start]:
    """Starts bridges from the outbox's start; all end with the test."""
    with ExitStack() as stack:

        def started(metrics: Metrics | None = None, **settings: Any) -> Bridge:
            made = MqttSettings(**{"host": "127.0.0.1", "port": broker.port, **settings})
            running = bridge(tmp_path, outbox, MqttSink(made, board, tmp_path), metrics=metrics or Metrics("1"))
            stack.enter_context(closing(running))
            return running

        yield started


def test_alerts_are_published_in_order_for_all_cameras_and_for_each(
    broker: Broker, outbox: Outbox, board: Board, start: Start
) -> None:
    board.watch(CAMERAS)
    hostile = 'Somebody holds up "#/+\u202e" \n{{ states }} </script>'
    with Subscriber(broker) as subscriber:
        tell(outbox, explanation=hostile)
        tell(outbox, 2, camera="back")
        start()
        until(lambda: subscriber.numbers() == [1, 2, 3])
        assert subscriber.numbers("vigil/front/alerts") == [1]
        assert subscriber.numbers("vigil/back/alerts") == [2, 3]
        (first, *_), kept = subscriber.of("vigil/alerts"), outbox.since(0)[0]
        assert first.payload == msgspec.json.encode(kept)
        assert not first.retained
        topics = {heard.topic for heard in subscriber.heard}
    assert all(topic.startswith(("vigil/", "homeassistant/")) for topic in topics)
    assert not any("Somebody" in topic or "{{" in topic for topic in topics)


def test_states_are_retained_and_follow_what_happens(
    broker: Broker, outbox: Outbox, board: Board, start: Start
) -> None:
    running = start()
    until(lambda: retained(broker).get("vigil/available") == b"online")
    now = retained(broker)
    assert sorted(topic for topic in now if topic.startswith("homeassistant")) == DISCOVERED
    assert json.loads(now["vigil/front/status"])["state"] == "live"
    assert json.loads(now["vigil/front/event"]) == {"state": "OFF", "open": 0}
    with Subscriber(broker) as subscriber:
        tell(outbox, id="A", explanation="A man climbs over the gate.")
        tell(outbox, id="B", definition="fire")
        tell(outbox, id="B", type="end")
        board.tell(a_status(state="stalled", fault="stalled", time=99.0))
        running.wake()
        until(lambda: b'"stalled"' in subscriber.last("vigil/front/status") and subscriber.numbers() == [1, 2, 3])
        until(lambda: len(subscriber.of("vigil/front/event")) == 4)  # with the one that was there
        states = [heard.json() for heard in subscriber.of("vigil/front/event") if not heard.retained]
    assert [(state["state"], state["open"], state["id"]) for state in states] == [
        ("ON", 1, "A"),
        ("ON", 2, "B"),
        ("ON", 1, "A"),
    ]
    assert states[0]["explanation"] == "A man climbs over the gate."
    assert json.loads(retained(broker)["vigil/front/explanation"])["explanation"] == "A man climbs over the gate."
    tell(outbox, id="A", type="end")
    running.wake()
    until(lambda: json.loads(retained(broker)["vigil/front/event"]) == {"state": "OFF", "open": 0})


def test_a_fault_of_the_camera_is_an_alert_but_not_something_that_happens_in_its_picture(
    broker: Broker, outbox: Outbox, start: Start
) -> None:
    running = start()
    until(lambda: retained(broker).get("vigil/available") == b"online")
    with Subscriber(broker) as subscriber:
        tell(outbox, id="A", fault="refused", severity="fault", explanation="Refused: nobody there.")
        tell(outbox, id="B", explanation="A man climbs over the gate.")
        running.wake()
        until(lambda: subscriber.numbers() == [1, 2])
        until(lambda: json.loads(retained(broker)["vigil/front/event"])["state"] == "ON")
    now = retained(broker)
    assert json.loads(now["vigil/front/event"])["open"] == 1
    assert json.loads(now["vigil/front/explanation"])["id"] == "B"


def test_a_status_that_says_the_same_is_not_repeated(
    broker: Broker, board: Board, outbox: Outbox, start: Start
) -> None:
    with Subscriber(broker) as subscriber:
        running = start()
        until(lambda: subscriber.of("vigil/front/status"))
        for second in range(3):
            board.tell(a_status(time=50.0 + second, fps=second, last_alert_seq=second))
            tell(outbox)
            running.wake()
            until(lambda second=second: subscriber.numbers()[-1:] == [second + 1])  # type: ignore[misc]
        assert len(subscriber.of("vigil/front/status")) == 1


def test_a_snapshot_goes_before_its_alert_if_it_is_not_too_large(
    broker: Broker, outbox: Outbox, tmp_path: Path, start: Start
) -> None:
    (tmp_path / "small.jpg").write_bytes(b"\xff\xd8 small")
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8" * 100)
    (tmp_path.parent / "elsewhere.jpg").write_bytes(b"\xff\xd8 elsewhere")
    with Subscriber(broker) as subscriber:
        for name in ("small.jpg", "large.jpg", "gone.jpg", "../elsewhere.jpg"):
            tell(outbox, snapshot=name)
        start(largest_snapshot_bytes=100)
        until(lambda: subscriber.numbers() == [1, 2, 3, 4])
        (snapshot,) = subscriber.of("vigil/front/snapshot")
        order = [heard.topic for heard in subscriber.heard]
    assert snapshot.payload == b"\xff\xd8 small"
    assert order.index("vigil/front/snapshot") < order.index("vigil/alerts")
    assert retained(broker)["vigil/front/snapshot"] == b"\xff\xd8 small"


def test_a_camera_that_is_no_longer_watched_is_taken_away_and_others_come(
    broker: Broker, outbox: Outbox, board: Board, start: Start
) -> None:
    tell(outbox, explanation="Something.")
    start()
    until(lambda: "vigil/front/explanation" in retained(broker))
    board.watch(["back"])
    until(lambda: not [topic for topic in retained(broker) if "front" in topic])
    until(lambda: "vigil/back/event" in retained(broker))
    assert len([topic for topic in retained(broker) if topic.startswith("homeassistant")]) == len(DISCOVERED)


def test_a_camera_that_went_while_nobody_ran_is_taken_away_as_well(
    broker: Broker, outbox: Outbox, board: Board, start: Start
) -> None:
    with closing(start()):
        until(lambda: retained(broker).get("vigil/available") == b"online")
    board.watch(["back"])
    start()
    until(lambda: "vigil/back/event" in retained(broker))
    until(lambda: not [topic for topic in retained(broker) if "front" in topic])


def test_the_end_is_told_and_so_is_the_beginning(broker: Broker, start: Start) -> None:
    with Subscriber(broker, "vigil/available") as subscriber:
        with closing(start()):
            until(lambda: [heard.payload for heard in subscriber.heard] == [b"online"])
        until(lambda: [heard.payload for heard in subscriber.heard] == [b"online", b"offline"])


def test_home_assistant_can_be_left_out_and_a_prefix_chosen(broker: Broker, outbox: Outbox, start: Start) -> None:
    tell(outbox)
    with Subscriber(broker) as subscriber:
        start(prefix="site/vigil", discovery=None)
        until(lambda: subscriber.numbers("site/vigil/alerts") == [1])
        assert {heard.topic for heard in subscriber.heard} == {
            f"site/vigil/{topic}" for topic in ("available", "alerts", "front/alerts", "front/status", "front/event")
        }


@pytest.mark.parametrize("discovery", [None, "elsewhere/homes"])
def test_what_an_earlier_run_told_home_assistant_is_taken_back_where_it_is_told_no_more(
    broker: Broker, board: Board, start: Start, discovery: str | None
) -> None:
    board.watch(["front", "back"])
    with closing(start()):
        until(lambda: retained(broker).get("vigil/available") == b"online")
    assert set(DISCOVERED) < set(retained(broker))
    board.watch(["front"])  # the other one went meanwhile
    with closing(start(discovery=discovery)):
        until(lambda: not [topic for topic in retained(broker) if topic.startswith("homeassistant")])
        told = [topic for topic in retained(broker) if topic.startswith("elsewhere")]
        assert len(told) == (len(DISCOVERED) if discovery else 0)
        until(lambda: not [topic for topic in retained(broker) if "back" in topic])
    start()
    until(lambda: set(DISCOVERED) < set(retained(broker)))
    until(lambda: not [topic for topic in retained(broker) if topic.startswith("elsewhere")])


@pytest.mark.parametrize("told", [b"#", b"a/+", b"\xff", b"x" * 300])
def test_what_somebody_else_left_in_place_of_what_was_told_harms_nothing(
    broker: Broker, outbox: Outbox, start: Start, told: bytes
) -> None:
    with Subscriber(broker) as subscriber:
        single("vigil/front/discovery", told, qos=1, retain=True, hostname="127.0.0.1", port=broker.port)
        tell(outbox)
        start(discovery=None)
        until(lambda: subscriber.numbers() == [1])


def test_a_broker_that_restarts_in_mid_stream_loses_nothing_and_has_the_states_right_after(
    broker: Broker, outbox: Outbox, start: Start
) -> None:
    with Subscriber(broker, "vigil/alerts", name="recorder") as subscriber:
        running = start()
        for number in range(60):
            if number == 20:
                broker.stop()
            if number == 40:
                broker.start()
            tell(outbox, id="A")
            running.wake()
            time.sleep(0.02)
        until(lambda: subscriber.numbers()[-1:] == [60])
        assert list(dict.fromkeys(subscriber.numbers())) == list(range(1, 61))
    now = retained(broker)
    assert now["vigil/available"] == b"online"
    assert json.loads(now["vigil/front/event"])["state"] == "ON"


def test_a_broker_that_forgot_everything_is_told_the_states_again(
    broker: Broker, outbox: Outbox, tmp_path: Path, start: Start
) -> None:
    tell(outbox, id="A")
    start()
    until(lambda: json.loads(retained(broker).get("vigil/front/event", b"{}")).get("id") == "A")
    broker.kill()
    for file in (tmp_path / "broker").glob("*.db"):
        file.unlink()
    broker.start()
    until(lambda: retained(broker).get("vigil/available") == b"online")
    now = retained(broker)
    assert json.loads(now["vigil/front/event"])["id"] == "A"
    assert json.loads(now["vigil/front/status"])["state"] == "live"
    assert sorted(topic for topic in now if topic.startswith("homeassistant")) == DISCOVERED


def test_a_broker_that_hangs_is_left_and_found_again(
    broker: Broker, outbox: Outbox, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "TIMEOUT_S", 0.5)
    metrics = Metrics("1")
    with Subscriber(broker, "vigil/alerts", name="recorder") as subscriber:
        running = start(metrics)
        tell(outbox)
        running.wake()
        until(lambda: subscriber.numbers() == [1])
        broker.freeze()
        tell(outbox)
        running.wake()
        until(lambda: value(metrics, "vigil_bridge_failed_total") >= 2)
        broker.stop()
        broker.start()
        until(lambda: 2 in subscriber.numbers())


def test_open_events_are_right_also_when_the_bridge_has_a_lot_to_catch_up(
    broker: Broker, outbox: Outbox, start: Start
) -> None:
    """It shows what is open now at once, and never what was open at the alert that it is at."""
    for number in range(30):
        tell(outbox, id=f"E{number}")
        tell(outbox, id=f"E{number}", type="end")
    tell(outbox, id="last")
    with Subscriber(broker) as subscriber:
        start()
        until(lambda: subscriber.numbers()[-1:] == [61])
        assert [heard.json()["id"] for heard in subscriber.of("vigil/front/event")] == ["last"]


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Broker]:
    """A broker with a password."""
    mosquitto()
    passwords = tmp_path / "passwords"
    passwords.write_text("vigil:very-secret\n")
    passwords.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    with Broker(tmp_path / "locked", "allow_anonymous false", f"password_file {passwords}") as broker:
        yield broker


def test_a_password_is_given_and_never_logged(
    locked: Broker, outbox: Outbox, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tell(outbox)
    metrics = Metrics("1")
    with closing(start(metrics, port=locked.port, user="vigil", password="not-very-secret")):
        until(lambda: value(metrics, "vigil_bridge_failed_total") >= 2)
    assert "refuses the connection" in caplog.text
    with Subscriber(locked, user=("vigil", "very-secret")) as subscriber:
        start(port=locked.port, user="vigil", password="very-secret")
        until(lambda: subscriber.numbers() == [1])
    assert "very-secret" not in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves a refused socket to Python
def test_over_tls_the_certificate_has_to_be_vouched_for(
    tmp_path: Path, certificate: Certificate, outbox: Outbox, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    tell(outbox)
    lines = ("allow_anonymous true", f"certfile {certificate.public}", f"keyfile {certificate.whole}")
    with Broker(tmp_path / "tls", *lines) as broker:
        metrics = Metrics("1")
        with closing(start(metrics, host="localhost", port=broker.port, tls=ssl.create_default_context())):
            until(lambda: value(metrics, "vigil_bridge_failed_total") >= 1)
        assert "certificate verify failed" in caplog.text
        trusting = ssl.create_default_context(cafile=certificate.public)
        with closing(start(metrics, host="127.0.0.1", port=broker.port, tls=trusting)):
            until(lambda: value(metrics, "vigil_bridge_failed_total") >= 2)
        start(metrics, host="localhost", port=broker.port, tls=trusting)
        until(lambda: value(metrics, "vigil_bridge_delivered_total") == 1)
    gc.collect()


def test_a_peer_that_says_nothing_is_given_up_each_time(
    start: Start, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "TIMEOUT_S", 0.2)
    metrics = Metrics("1")
    with peer(silent) as port, closing(start(metrics, port=port)):
        until(lambda: value(metrics, "vigil_bridge_failed_total") >= 3)


class Process:
    """Alerts and the bridge in a process of its own, as tests.integration.bridging runs them."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        command = [sys.executable, "-m", "tests.integration.bridging", str(folder), "--mqtt", broker.url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPO)

    def finish(self) -> int:
        said, _ = self._process.communicate(b"enough\n", timeout=30)
        return int(said)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


@pytest.mark.timeout(180)
def test_however_often_the_process_is_killed_nothing_is_lost_and_the_last_will_is_told(
    broker: Broker, tmp_path: Path
) -> None:
    with Subscriber(broker, name="recorder") as subscriber:
        for _ in range(10):
            before = len(subscriber.of("vigil/alerts"))
            process = Process(tmp_path, broker)
            try:
                until(lambda before=before: len(subscriber.of("vigil/alerts")) >= before + 20, 30)  # type: ignore[misc]
            finally:
                process.kill()
            until(lambda: subscriber.last("vigil/available") == b"offline")
        process = Process(tmp_path, broker)
        try:
            until(lambda: subscriber.last("vigil/available") == b"online", 30)
            last = process.finish()
        finally:
            process.kill()
        until(lambda: subscriber.numbers()[-1:] == [last])
        numbers = subscriber.numbers()
        assert list(dict.fromkeys(numbers)) == list(range(1, last + 1))
        assert len(numbers) - last <= 10  # the one that was under way when it was killed
        fronts = [heard.json()["seq"] for heard in subscriber.of("vigil/alerts") if heard.json()["camera"] == "front"]
        assert list(dict.fromkeys(subscriber.numbers("vigil/front/alerts"))) == list(dict.fromkeys(fronts))
        told = [heard.payload for heard in subscriber.of("vigil/available") if not heard.retained]
    assert told == [b"online", b"offline"] * 11
