"""Several servers with the same model as one: shares the load, goes past those that fail, tries again in good time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from stream.backoff import Backoff
from stream.openai.server import Busy, Rejected, Server, ServerFault

ROUNDS = 3  # of all servers, for one request
_SHARE = 0.95  # of the time that is left: a server that hangs is blamed for it before the time is over

Reply = TypeVar("Reply")


class Pool:
    """At most `concurrency` requests are under way. Used on one event loop only."""

    def __init__(self, servers: Sequence[Server], concurrency: int, rng: random.Random) -> None:
        self.servers = tuple(servers)
        self._rng = rng
        self._places = asyncio.Semaphore(concurrency)
        self._turn = 0
        self._trials: set[asyncio.Task[None]] = set()

    def route(self) -> Route:
        return Route(self, self._places, self._rng)

    def ordered(self, first: Server | None) -> list[Server]:
        """The servers in the order in which to try them: `first`, then the least busy."""
        self._turn = (self._turn + 1) % len(self.servers)
        turned = self.servers[self._turn :] + self.servers[: self._turn]
        return sorted(turned, key=lambda server: (server is not first, server.in_flight))

    def try_out(self, server: Server, path: str, kind: type[Any], body: bytes, timeout_s: float) -> None:
        """Find out whether a server is back, with a copy of a request: nobody waits for it."""
        trial = asyncio.create_task(_tried(server.ask(path, kind, body, timeout_s)))
        self._trials.add(trial)
        trial.add_done_callback(self._trials.discard)


class Route:
    """Requests that begin alike: while their server answers they all go there, since it remembers beginnings."""

    def __init__(self, pool: Pool, places: asyncio.Semaphore, rng: random.Random) -> None:
        self._pool = pool
        self._places = places
        self._rng = rng
        self._server: Server | None = None

    async def ask(self, path: str, kind: type[Reply], body: bytes, deadline_s: float) -> Reply:
        """Raises ServerFault, at the latest at `deadline_s` of the monotonic clock."""
        try:
            async with asyncio.timeout_at(deadline_s), self._places:
                return await self._ask(path, kind, body, deadline_s)
        except TimeoutError:
            raise ServerFault("no server answered in time") from None

    async def _ask(self, path: str, kind: type[Reply], body: bytes, deadline_s: float) -> Reply:
        backoff = Backoff(self._rng)
        latest = None
        for _ in range(ROUNDS):
            faults = []
            for server, timeout_s in self._candidates(path, kind, body, deadline_s):
                try:
                    reply = await server.ask(path, kind, body, timeout_s)
                except Rejected:
                    self._server = server
                    raise
                except ServerFault as fault:
                    faults.append(fault)
                else:
                    self._server = server
                    return reply
            latest = faults[-1] if faults else latest
            wait_s = backoff.next_s() + min((fault.after_s for fault in faults if isinstance(fault, Busy)), default=0.0)
            if not any(fault.retry for fault in faults) or time.monotonic() + wait_s >= deadline_s:
                break
            await asyncio.sleep(wait_s)
        raise latest or ServerFault("; ".join(server.trouble for server in self._pool.servers))

    def _candidates(self, path: str, kind: type[Any], body: bytes, deadline_s: float) -> Iterator[tuple[Server, float]]:
        """Whom to ask one after the other, and how long to wait for each: they share the time that is left.

        Where there are servers to rely on, the others are only tried out.
        """
        servers = self._pool.ordered(self._server)
        sound = [server for server in servers if not server.doubtful]
        if sound:
            for server in servers:
                if server.doubtful and server.available:
                    self._pool.try_out(server, path, kind, body, deadline_s - time.monotonic())
        waiting = sound or servers
        while waiting := [server for server in waiting if server.available]:
            yield waiting[0], _SHARE * (deadline_s - time.monotonic()) / len(waiting)
            waiting = waiting[1:]


async def _tried(trial: Coroutine[Any, Any, object]) -> None:
    with contextlib.suppress(ServerFault):
        await trial
