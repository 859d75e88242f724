"""Says who may connect to the sockets of one ZeroMQ context: the owners of the keys in a folder.

ZeroMQ does the cryptography (CURVE) and asks for each client's key by a protocol of its own (ZAP, RFC 27); what answers
is a thread, which also looks at the folder: a disk that hangs holds up whoever wants in, and no alert.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from pathlib import Path

import zmq
from zmq.utils import z85

from engine.errors import UsageError
from stream.keys import Guests, KeyFolder

LOOK_EVERY_S = 2.0
CLOSE_WAIT_S = 3.0
_DOMAIN = b"vigil"
_VERSION = b"1.0"

_log = logging.getLogger(__name__)


class Doorkeeper:
    """To be made before a socket of `context` is bound, and closed after the last is closed.

    `what` the sockets lead to is said in the log. Raises UsageError when the server has no key, or the folder can't be
    read or can be changed by others.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], folder: Path, what: str) -> None:
        self._what = what
        self.revocations = 0  # how often somebody was found to be let in no more
        self._keys = KeyFolder(folder)
        self._guests = Guests()
        self._server, guests = self._keys.open()
        self._take(guests)
        self._asked: zmq.Socket[bytes] = context.socket(zmq.REP)
        self._asked.set(zmq.LINGER, 0)
        self._asked.bind("inproc://zeromq.zap.01")
        self._stopped = context.socket(zmq.PAIR)
        self._stopped.bind("inproc://stop-keeping")
        self._stop = context.socket(zmq.PAIR)
        self._stop.connect("inproc://stop-keeping")
        self._context = context
        self._parting = threading.Lock()  # of the two below: who goes last ends the context
        self._ended = self._left_behind = False
        self._thread = threading.Thread(target=self._run, name="vigil-doorkeeper", daemon=True)
        self._thread.start()

    def lock(self, socket: zmq.Socket[bytes]) -> None:
        """From its next binding on it lets in nobody but the guests, and nobody at all without a doorkeeper."""
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, self._server.secret.encode())
        socket.set(zmq.ZAP_DOMAIN, _DOMAIN)
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def close(self, within_s: float = math.inf) -> bool:
        """Whether the context has no socket of this any more. Bounded, and safe to call twice.

        When the disk hangs the thread is left behind, and ends the context if it ever comes back.
        """
        if not self._stop.closed:
            self._stop.send(b"")
            self._stop.close()
            self._thread.join(min(CLOSE_WAIT_S, within_s))
            with self._parting:
                self._left_behind = not self._ended
            if self._left_behind:
                _log.error("the folder of keys can't be read: its thread is left behind")
        return self._ended

    def _run(self) -> None:
        try:
            self._keep()
        finally:
            self._asked.close()
            self._stopped.close()
            with self._parting:
                self._ended = True
                if self._left_behind:
                    self._context.term()

    def _keep(self) -> None:
        poller = zmq.Poller()
        for socket in (self._stopped, self._asked):
            poller.register(socket, zmq.POLLIN)
        look_at_s = time.monotonic() + LOOK_EVERY_S
        while self._stopped not in (ready := dict(poller.poll(_ms_until(look_at_s)))):
            if self._asked in ready:
                self._asked.send_multipart(self._answer(self._asked.recv_multipart()))
            if time.monotonic() >= look_at_s:
                self._look()
                look_at_s = time.monotonic() + LOOK_EVERY_S

    def _answer(self, question: list[bytes]) -> list[bytes]:
        version, number, domain, _address, _identity, mechanism, *keys = question + [b""] * (6 - len(question))
        proper = (version, domain, mechanism, len(keys)) == (_VERSION, _DOMAIN, b"CURVE", 1) and len(keys[0]) == 32
        key = z85.encode(keys[0]).decode() if proper else ""
        if proper and key not in self._guests.names:  # it may be new
            self._look()
        name = self._guests.names.get(key)
        if name is None:
            return [_VERSION, number, b"400", b"unknown key", b"", b""]
        return [_VERSION, number, b"200", b"OK", name.encode("utf-8", "replace"), b""]

    def _look(self) -> None:
        try:
            guests = self._keys.guests()
        except UsageError as error:  # who may come in is not known: nobody, until it is
            guests = Guests(problems=(str(error),))
        self._take(guests)

    def _take(self, guests: Guests) -> None:
        before, self._guests = self._guests, guests
        for problem in guests.problems:
            if problem not in before.problems:
                _log.error("%s", problem)
        for key in before.names.keys() - guests.names.keys():
            _log.warning("%s is let in to %s no more", before.names[key], self._what)
        if before.names.keys() - guests.names.keys():
            self.revocations += 1


def _ms_until(time_s: float) -> int:
    return int(1000 * max(0.0, time_s - time.monotonic())) + 1
