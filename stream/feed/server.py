"""The answering end of catch-up: a ZeroMQ ROUTER socket with a thread of its own. Knows no outbox: asks a `History`."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from stream.feed.catch_up import History, Refusal, answer, encode
from stream.feed.sockets import Entrance

MAX_REQUEST_BYTES = 64 << 10
HIGH_WATER_MARK = 8  # requests and replies kept for each peer; more are dropped
LOOK_EVERY_MS = 250  # for who was revoked
CLOSE_WAIT_S = 3.0

_log = logging.getLogger(__name__)


class CatchUpServer:
    """Answers requests one at a time until closed. A peer that does not fetch replies loses them, and delays nobody.

    From here on `history` is used by the server's thread alone, which closes it. `run` is the publisher's.
    Raises as `stream.feed.sockets.Entrance` does.
    """

    def __init__(self, endpoint: str, history: History, run: str, *, keys: Path | None = None) -> None:
        self._history = history
        self._run = run
        self._look_every_ms = LOOK_EVERY_MS if keys else None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        with contextlib.ExitStack() as undo:
            undo.callback(history.close)
            undo.callback(self._context.destroy, linger=0)
            self._socket = self._context.socket(zmq.ROUTER)
            self._socket.set(zmq.RCVHWM, HIGH_WATER_MARK)
            self._socket.set(zmq.SNDHWM, HIGH_WATER_MARK)
            self._socket.set(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
            self._entrance = Entrance(self._socket, endpoint, "catch-up", keys)
            undo.callback(self._entrance.close)
            self.bound_endpoint = self._entrance.endpoint
            self._stopped = self._context.socket(zmq.PAIR)
            self._stopped.bind("inproc://stop")
            self._stop = self._context.socket(zmq.PAIR)
            self._stop.connect("inproc://stop")
            self._thread = threading.Thread(target=self._serve, name="vigil-catch-up", daemon=True)
            self._thread.start()
            undo.pop_all()

    def close(self) -> None:
        """Bounded, even when the disk hangs: then the thread is left behind. Safe to call twice."""
        if self._stop.closed:
            return
        self._stop.send(b"")
        self._stop.close()
        self._thread.join(CLOSE_WAIT_S)
        if self._thread.is_alive():
            _log.error("catch-up does not end: its thread is left behind")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        poller = zmq.Poller()
        for socket in (self._stopped, self._socket):
            poller.register(socket, zmq.POLLIN)
        while self._stopped not in (ready := dict(poller.poll(self._look_every_ms))):
            self._entrance.look()
            if self._socket in ready:
                *envelope, request = self._socket.recv_multipart()
                self._socket.send_multipart([*envelope, self._answer(request)], zmq.NOBLOCK)
        self._history.close()
        self._socket.close(linger=0)
        self._stopped.close()
        if self._entrance.close():
            self._context.term()

    def _answer(self, request: bytes) -> bytes:
        try:
            return answer(request, self._history, self._run)
        except Exception as error:  # noqa: BLE001 - a bug must not end the answering of others
            _log.exception("a request for catch-up could not be answered")
            return encode(Refusal(message=f"a fault of the publisher's: {type(error).__name__}"))
