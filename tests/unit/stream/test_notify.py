from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.notify import Supervisor


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def supervisor(listener: socket.socket) -> Supervisor:
    return Supervisor.of({"NOTIFY_SOCKET": listener.getsockname()})


def test_each_message_is_one_datagram_of_the_protocol(listening: socket.socket) -> None:
    told = supervisor(listening)
    told.ready()
    told.alive()
    told.stopping()
    assert [listening.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_reloading_carries_the_monotonic_time(listening: socket.socket) -> None:
    before_us = time.monotonic_ns() // 1000
    supervisor(listening).reloading()
    first, second = listening.recv(100).decode().splitlines()
    assert first == "RELOADING=1"
    name, _, at_us = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before_us <= int(at_us) <= time.monotonic_ns() // 1000


def test_a_status_is_told_when_it_changes(listening: socket.socket) -> None:
    told = supervisor(listening)
    for line in ("1 of 2 cameras live", "1 of 2 cameras live", "2 of 2 cameras live"):
        told.status(line)
    told.ready()
    received = [listening.recv(100) for _ in range(3)]
    assert received == [b"STATUS=1 of 2 cameras live", b"STATUS=2 of 2 cameras live", b"READY=1"]


def test_an_abstract_socket_is_reached_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")  # an abstract name that the kernel chooses
        listener.settimeout(5)
        Supervisor("@" + listener.getsockname()[1:].decode()).ready()
        assert listener.recv(100) == b"READY=1"


def test_without_a_supervisor_nothing_is_sent() -> None:
    Supervisor.of({}).ready()
    Supervisor.of({"NOTIFY_SOCKET": ""}).alive()


def test_a_supervisor_that_is_gone_or_does_not_read_holds_up_nobody(listening: socket.socket, tmp_path: Path) -> None:
    Supervisor(str(tmp_path / "nobody")).ready()
    told = supervisor(listening)
    for _ in range(10_000):  # more than a socket holds
        told.alive()
    assert listening.recv(100) == b"WATCHDOG=1"
