"""Tells the supervisor that started this process how it is doing, by systemd's notification protocol.

A datagram of `NAME=value` lines to the socket in $NOTIFY_SOCKET. Without one nothing is sent. Knows nothing of
cameras or scorers: who calls says when all is well.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from typing import Self

_log = logging.getLogger(__name__)


class Supervisor:
    """Its methods never wait and never fail: a supervisor that does not listen must not stop the watching.

    `address` is the path of a Unix datagram socket; `@` in front marks an abstract one.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address and ("\0" + address[1:] if address.startswith("@") else address)
        self._status = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        return cls(environ.get("NOTIFY_SOCKET"))

    def ready(self) -> None:
        """Started, or done with reloading."""
        self._send("READY=1")

    def reloading(self) -> None:
        # Linux's CLOCK_MONOTONIC, which is the one that systemd compares it with.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        """To be said again and again: a supervisor that waits for it in vain starts the process anew."""
        self._send("WATCHDOG=1")

    def status(self, line: str) -> None:
        """One line for people; the same one again is not sent."""
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            _log.debug("the supervisor can't be told %s: %s", lines[0], error)
