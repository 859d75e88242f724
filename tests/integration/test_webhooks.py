"""Webhooks against a real receiver: what is posted, what its answers lead to, and that nothing is lost on the way."""

from __future__ import annotations

import logging
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx2", reason="needs the webhooks extra")

from engine.errors import UsageError
from stream import backoff
from stream.bridges import bridge as bridging
from stream.bridges import webhook
from stream.bridges.board import Board
from stream.bridges.bridge import Bridge
from stream.bridges.ledger import Ledger
from stream.bridges.signature import verify
from stream.bridges.webhook import WebhookSettings, WebhookSink
from stream.config import from_mapping
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.wiring.bridges import make_bridges
from tests.integration.conftest import Certificate
from tests.integration.hooks import OK, Answer, Receiver
from tests.integration.test_watch import free_port
from tests.unit.stream.bridges.made import bridge, closing, open_outbox, tell, until, value

REPO = Path(__file__).parents[2]
SECRET = "a very secret secret"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts are a hundredth of what they are."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with open_outbox(tmp_path) as outbox:
        yield outbox


@pytest.fixture
def post(tmp_path: Path, outbox: Outbox) -> Iterator[Callable[..., Bridge]]:
    """Starts bridges from the outbox's start to a URL; all end with the test."""
    with ExitStack() as stack:

        def start(url: str, metrics: Metrics | None = None, **settings: Any) -> Bridge:
            sink = WebhookSink(WebhookSettings(url, **{"allow_private": True, "timeout_s": 5.0, **settings}))
            started = bridge(tmp_path, outbox, sink, metrics=metrics or Metrics("1"))
            stack.enter_context(closing(started))
            return started

        yield start


def dead_letters(folder: Path) -> list[tuple[int, str]]:
    ledger = Ledger(folder)
    try:
        return [(letter.place.seq, letter.reason) for letter in ledger.dead_letters()]
    finally:
        ledger.close()


def test_an_alert_is_posted_as_it_is_in_the_outbox_and_signed(outbox: Outbox, post: Callable[..., Bridge]) -> None:
    tell(outbox, 2, explanation='Somebody says "</script>" \u202e\n and {{ more }}.')
    with Receiver() as receiver:
        post(receiver.url, secret=SECRET)
        until(lambda: receiver.numbers == [1, 2])
        first = receiver.posts[0]
    assert first.path == "/in/secret-path?token=secret-token"
    assert first.alert == outbox.since(0)[0]
    headers = first.headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert headers["User-Agent"].startswith("vigil/")
    assert headers["Vigil-Delivery"] == f"{outbox.epoch}-1"
    assert verify(SECRET, headers["Vigil-Timestamp"], headers["Vigil-Signature"], first.body, time.time())
    assert not verify("wrong", headers["Vigil-Timestamp"], headers["Vigil-Signature"], first.body, time.time())


def test_without_a_secret_nothing_is_signed_and_a_user_in_the_url_signs_in(
    outbox: Outbox, post: Callable[..., Bridge]
) -> None:
    tell(outbox)
    with Receiver() as receiver:
        post(receiver.url.replace("://", "://me:p%40ss@"))
        until(lambda: receiver.numbers == [1])
    assert "Vigil-Signature" not in receiver.posts[0].headers
    assert receiver.posts[0].headers["Authorization"] == "Basic bWU6cEBzcw=="


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500), Answer(503), Answer(502), Answer(408), Answer(429), Answer(cut=True),
        Answer(401), Answer(403), Answer(404), Answer(425),
        Answer(503, {"Retry-After": "0"}), Answer(503, {"Retry-After": "soon"}), Answer(200, {"Content-Length": "5"}),
    ],
    ids=lambda answer: f"{answer.status}{'-cut' if answer.cut else ''}{'-odd' if answer.headers else ''}",
)  # fmt: skip
def test_what_may_go_well_later_is_tried_again_in_order(
    outbox: Outbox, post: Callable[..., Bridge], tmp_path: Path, answer: Answer
) -> None:
    tell(outbox, 3)
    with Receiver([OK, answer, answer]) as receiver:
        post(receiver.url, timeout_s=0.5)
        until(lambda: receiver.numbers[-1:] == [3])
        assert list(dict.fromkeys(receiver.numbers)) == [1, 2, 3]
        assert len(receiver.posts) == 5
    assert dead_letters(tmp_path) == []


def test_a_receiver_that_hangs_is_given_up_in_time_and_tried_again(outbox: Outbox, post: Callable[..., Bridge]) -> None:
    tell(outbox, 2)
    with Receiver([Answer(hang=True)]) as receiver:
        post(receiver.url, timeout_s=0.3)
        until(lambda: receiver.numbers == [1, 2])


@pytest.mark.parametrize("status", [400, 405, 410, 413, 422, 301, 307])
def test_what_is_refused_becomes_a_dead_letter_at_once_and_no_redirect_is_followed(
    outbox: Outbox, post: Callable[..., Bridge], tmp_path: Path, status: int
) -> None:
    tell(outbox, 3)
    with Receiver() as elsewhere, Receiver([OK, Answer(status, {"Location": elsewhere.url})]) as receiver:
        running = post(receiver.url)
        until(lambda: receiver.numbers == [1, 3])
        until(lambda: running.seq == 3)
        assert len(receiver.posts) == 3
        assert elsewhere.posts == []
    ((seq, reason),) = dead_letters(tmp_path)
    assert seq == 2
    assert f"127.0.0.1 answered {status}" in reason


@pytest.mark.parametrize("told", ["1", "date"])
def test_a_receiver_that_is_busy_is_left_alone_for_as_long_as_it_wants(
    outbox: Outbox, post: Callable[..., Bridge], told: str
) -> None:
    tell(outbox)
    after = formatdate(time.time() + 2, usegmt=True) if told == "date" else told
    began_s = time.monotonic()
    with Receiver([Answer(429, {"Retry-After": after})]) as receiver:
        post(receiver.url)
        until(lambda: receiver.numbers == [1])
    assert time.monotonic() - began_s >= 0.9


def test_but_not_longer_than_is_reasonable(
    outbox: Outbox, post: Callable[..., Bridge], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "LONGEST_AFTER_S", 0.1)
    tell(outbox)
    with Receiver([Answer(503, {"Retry-After": "9" * 400}), Answer(503, {"Retry-After": "3600"})]) as receiver:
        post(receiver.url)
        until(lambda: receiver.numbers == [1])


def test_a_receiver_that_comes_late_gets_everything(
    outbox: Outbox, post: Callable[..., Bridge], tmp_path: Path
) -> None:
    metrics, port = Metrics("1"), free_port()
    tell(outbox, 3)
    running = post(f"http://127.0.0.1:{port}/", metrics)
    until(lambda: value(metrics, "vigil_bridge_failed_total") >= bridging.MOST_TRIES + 2)
    assert running.seq == 0
    with Receiver(port=port) as receiver:
        until(lambda: receiver.numbers == [1, 2, 3])
    assert dead_letters(tmp_path) == []


def test_more_of_an_answer_than_anybody_needs_is_not_waited_for(outbox: Outbox, post: Callable[..., Bridge]) -> None:
    tell(outbox, 2)
    with Receiver([Answer(200, body=b"x" * 5_000_000)]) as receiver:
        post(receiver.url)
        until(lambda: receiver.numbers == [1, 2])


def test_an_address_that_is_not_public_is_not_connected_unless_that_is_meant(
    outbox: Outbox, post: Callable[..., Bridge], caplog: pytest.LogCaptureFixture
) -> None:
    tell(outbox)
    with Receiver() as receiver:
        metrics = Metrics("1")
        post(f"https://localhost:{receiver.port}/", metrics, allow_private=False)
        until(lambda: value(metrics, "vigil_bridge_failed_total") >= 2)
        assert receiver.posts == []
    assert "must not go" in caplog.text
    assert "set allow_private" in caplog.text


def test_a_name_that_leads_elsewhere_after_a_while_is_not_followed_into_this_network(
    outbox: Outbox, post: Callable[..., Bridge], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """DNS rebinding: the name leads to an allowed address when it is first looked up, and elsewhere from then on."""
    caplog.set_level(logging.DEBUG)
    answers = iter(["127.0.0.2"])
    monkeypatch.setattr(webhook, "may_post", lambda _scheme, address, **_: address == "127.0.0.2")
    looked_up: list[str] = []

    def getaddrinfo(host: str, port: int, *rest: object, **more: object) -> list[Any]:
        looked_up.append(next(answers, "127.0.0.1"))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (looked_up[-1], port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    tell(outbox)
    with Receiver() as receiver:
        metrics = Metrics("1")
        post(f"https://hooks.example.org:{receiver.port}/", metrics, allow_private=False, timeout_s=0.5)
        until(lambda: len(looked_up) >= 3)
        assert receiver.posts == []
    assert "hooks.example.org is at 127.0.0.1, where this webhook must not go" in caplog.text


def test_over_tls_the_certificate_has_to_be_for_the_name_though_the_address_is_connected(
    outbox: Outbox,
    post: Callable[..., Bridge],
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tell(outbox)
    with Receiver(certificate=certificate.whole) as receiver:
        metrics = Metrics("1")
        with closing(post(f"https://localhost:{receiver.port}/", metrics)):
            until(lambda: value(metrics, "vigil_bridge_failed_total") >= 1)
        assert "its certificate does not hold" in caplog.text
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.public))
        with closing(post(f"https://127.0.0.1:{receiver.port}/", metrics)):
            until(lambda: value(metrics, "vigil_bridge_failed_total") >= 2)
        assert receiver.posts == []
        post(f"https://localhost:{receiver.port}/")
        until(lambda: receiver.numbers == [1])


def test_nothing_that_is_logged_has_the_secret_or_the_url(
    outbox: Outbox, post: Callable[..., Bridge], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tell(outbox, 4)
    with Receiver([Answer(500), Answer(404), Answer(cut=True), Answer(301, {"Location": "/x"})]) as receiver:
        post(receiver.url.replace("://", "://me:secret-password@"), secret=SECRET)
        until(lambda: receiver.numbers[-1:] == [4])
    assert caplog.records
    for word in (SECRET, "secret-path", "secret-token", "secret-password"):
        assert word not in caplog.text


@pytest.mark.timeout(240)
def test_however_often_the_process_is_killed_every_alert_arrives_in_order(tmp_path: Path) -> None:
    """Fifteen times kill -9 in the midst of steady alerts; the receiver has its bad moments as well."""
    rng = random.Random(7)
    faults = [Answer(500), Answer(503), Answer(cut=True)]
    answers = (rng.choice(faults) if rng.random() < 0.05 else OK for _ in range(100_000))
    with Receiver(answers) as receiver:
        command = [sys.executable, "-m", "tests.integration.bridging", str(tmp_path), "--webhook", receiver.url]
        for _ in range(15):
            before = len(receiver.taken)
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=REPO) as process:
                try:
                    until(lambda before=before: len(receiver.taken) >= before + 20, 60)  # type: ignore[misc]
                    time.sleep(rng.uniform(0.0, 0.1))
                finally:
                    process.kill()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPO) as process:
            said, _ = process.communicate(b"enough\n", timeout=60)
            last = int(said)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=REPO) as process:
            try:
                until(lambda: receiver.numbers[-1] >= last, 30)
            finally:
                process.kill()
        numbers = receiver.numbers
    first_time = list(dict.fromkeys(numbers))
    assert first_time[:last] == list(range(1, last + 1))
    assert len(first_time) >= 300
    assert len(numbers) - len(first_time) <= 17  # the one that was under way when it was killed
    assert dead_letters(tmp_path) == []


def test_without_its_extra_a_webhook_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("httpx2", "stream.bridges.webhook"):
        monkeypatch.setitem(sys.modules, name, None)
    config = from_mapping(
        {"webhooks": [{"name": "ops", "url": "https://hooks.example.org"}], "data": {"dir": str(tmp_path)}}
    )
    with open_outbox(tmp_path) as outbox, pytest.raises(UsageError, match=re.escape("pip install -e '.[webhooks]'")):
        make_bridges(config, outbox, Board(), Metrics("1"))
