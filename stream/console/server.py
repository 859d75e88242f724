"""Serves the console from a thread and an event loop of its own, so that no viewer ever delays an alert."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from importlib.util import find_spec

import uvicorn

from engine.errors import RuntimeFault, UsageError
from stream.config.fields import HostPort
from stream.console.app import make_app
from stream.console.auth import Gate
from stream.console.catalogue import Catalogue
from stream.console.changes import Changes
from stream.console.database import NAME, open_database
from stream.console.hub import Hub
from stream.console.live import Places
from stream.console.machine import Storage
from stream.console.pictures import Pictures
from stream.console.services import Services
from stream.console.snapshots import Snapshots
from stream.console.tries import Tries
from stream.console.view import WatchView
from stream.feed.messages import Message
from stream.outbox import OutboxHistory
from stream.side_thread import SideThread
from stream.webrtc.peers import Peers
from stream.webrtc.publishers import Publishers
from stream.webrtc.viewers import Viewers

log = logging.getLogger(__name__)

MOST_STREAMS, MOST_VIDEOS, MOST_LOOKS, MOST_CONNECTIONS = 64, 16, 128, 256
GRACE_S = 1  # for answers that are under way at the end
CLOSE_WITHIN_S = 5.0


class ConsoleServer:
    """Serves from the moment it is made until it is closed. Raises RuntimeFault when it can't."""

    def __init__(self, view: WatchView) -> None:
        config = view.config()
        if config.console.bind is None:
            raise UsageError("the console is off", advice="give it an address: --console 127.0.0.1:8788")
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(_listen(config.console.bind))
            self.url = _url(listener)
            db = open_database(config.data.dir / NAME, view.clock.time())
            stack.callback(db.close)
            histories = [OutboxHistory(view.outbox) for _ in range(2)]  # one for each thread that reads
            threads = {name: SideThread(f"vigil-console-{name}") for name in ("disk", "outbox", "pictures")}
            for history in histories:
                stack.callback(history.close)
            for thread in threads.values():
                stack.callback(thread.close)
            peers = Peers()
            stack.callback(peers.close)
            self._viewers = Viewers(config.console.webrtc_viewers if find_spec("aiortc") else 0, peers)
            self._hub = Hub(histories[0], view.outbox.last_seq, threads["outbox"], view.clock)
            self._services = Services(
                view=view,
                gate=Gate(config.console.tokens, view.clock.monotonic),
                hub=self._hub,
                disk=threads["disk"],
                db=db,
                catalogue=Catalogue(db, histories[1]),
                pictures=Pictures(threads["pictures"]),
                snapshots=Snapshots(config.data.dir),
                changes=Changes(view, db, threads["disk"]),
                tries=Tries(view),
                data=config.data.dir,
                storage=Storage(config.data.dir, view.clock.monotonic),
                publishers=Publishers(view.doors, peers),
                viewers=self._viewers,
                streams=Places(MOST_STREAMS),
                videos=Places(MOST_VIDEOS),
                looks=Places(MOST_LOOKS),
            )
            threads["disk"].begin(self._services.catalogue.catch_up)
            self._server = uvicorn.Server(
                uvicorn.Config(
                    make_app(self._services),
                    http="h11",
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    log_level="critical",  # what fails is logged by our own handlers, with no token in it
                    access_log=False,
                    server_header=False,
                    proxy_headers=bool(config.console.trusted_proxies),  # by default it believes all of this machine
                    forwarded_allow_ips=list(config.console.trusted_proxies),
                    limit_concurrency=MOST_CONNECTIONS,
                    timeout_graceful_shutdown=GRACE_S,
                )
            )
            self._loop = asyncio.new_event_loop()
            self._left = stack.pop_all()
        self._thread = threading.Thread(target=self._run, args=(listener,), name="vigil-console", daemon=True)
        self._thread.start()

    def hear(self, message: Message) -> None:
        """The watch has told something. From any thread; never waits."""
        with contextlib.suppress(RuntimeError):  # after the end
            self._loop.call_soon_threadsafe(self._hub.take, message)
            self._viewers.hear(message)

    def close(self) -> None:
        """Let everybody go, within some seconds. Safe to call twice."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(CLOSE_WITHIN_S)
        if self._thread.is_alive():
            log.warning("the console did not end in time: it is left behind")
        else:
            self._left.close()

    def _stop(self) -> None:
        self._hub.close()
        self._server.should_exit = True

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._serve(listener))
            except Exception:
                log.exception("the console has failed; watching goes on without it")

    async def _serve(self, listener: socket.socket) -> None:
        try:
            await self._server.serve([listener])
        finally:
            await self._services.tries.close()


def _listen(bind: HostPort) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    try:
        return socket.create_server(("127.0.0.1" if bind.host == "localhost" else bind.host, bind.port), family=family)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        raise RuntimeFault(
            f"the console can't be served at {bind} ({error.strerror})",
            advice="stop the program that has it, or choose another port" if in_use else "choose another address",
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{HostPort(host, port)}"
