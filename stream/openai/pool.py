"""Several servers with the same model as one: shares the load, goes past those that fail, tries again in good time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from engine.errors import ScorerError
from stream.backoff import Backoff
from stream.openai.places import Places
from stream.openai.server import Busy, Rejected, Server, ServerFault

ROUNDS = 3  # of all servers, for one request
_SHARE = 0.95  # of the time that is left: a server that hangs is blamed for it before the time is over
_LEAST = 1 / 3  # of the whole time: a request that has less left when its turn comes is not made
_FAIR = 0.45  # of the whole time: a server that had less is not blamed for giving no answer
_OVERLOAD = "overload: too little time was left when its turn came to be asked"

Reply = TypeVar("Reply")
Body = Callable[[Server], bytes]  # what to ask a server, or a ScorerError where that is nothing


class Pool:
    """At most `concurrency` requests are under way, each for `time_s` at most. Used on one event loop only."""

    def __init__(self, servers: Sequence[Server], concurrency: int, time_s: float, rng: random.Random) -> None:
        self.servers = tuple(servers)
        self.places = Places(concurrency)
        self.time_s = time_s
        self._rng = rng
        self._turn = 0
        self._trials: dict[Server, asyncio.Task[None]] = {}

    def route(self, *, patient: bool = False) -> Route:
        return Route(self, self._rng, patient=patient)

    def ordered(self, first: Server | None) -> list[Server]:
        """The servers in the order in which to try them: `first`, then the least busy."""
        self._turn = (self._turn + 1) % len(self.servers)
        turned = self.servers[self._turn :] + self.servers[: self._turn]
        return sorted(turned, key=lambda server: (server is not first, server.in_flight))

    def try_out(self, server: Server, path: str, kind: type[Any], body: Body) -> None:
        """Find out whether a server is back, with a copy of a request: nobody waits for it."""
        if server not in self._trials:
            self._trials[server] = trial = asyncio.create_task(self._tried(server, path, kind, body))
            trial.add_done_callback(lambda _: self._trials.pop(server))

    async def _tried(self, server: Server, path: str, kind: type[Any], body: Body) -> None:
        async with self.places.spare_place():
            with contextlib.suppress(ScorerError):
                await server.ask(path, kind, body(server), _SHARE * self.time_s)


class Route:
    """Requests that begin alike: while their server answers they all go there, since it remembers beginnings."""

    def __init__(self, pool: Pool, rng: random.Random, *, patient: bool) -> None:
        self._pool = pool
        self._rng = rng
        self._patient = patient
        self.server: Server | None = None  # which answered last

    async def ask(self, path: str, kind: type[Reply], body: Body, deadline_s: float) -> Reply:
        """Raises ServerFault, at the latest at `deadline_s` of the monotonic clock, and whatever `body` does."""
        places = self._pool.places
        had_place = False
        try:
            async with asyncio.timeout_at(deadline_s), places.patient_place() if self._patient else places.place():
                had_place = True
                late = deadline_s - time.monotonic() < _LEAST * self._pool.time_s
                if late and any(server.available for server in self._pool.servers):
                    raise ServerFault(_OVERLOAD)
                return await self._ask(path, kind, body, deadline_s)
        except TimeoutError:
            raise ServerFault("no server answered in time" if had_place else _OVERLOAD) from None

    async def _ask(self, path: str, kind: type[Reply], body: Body, deadline_s: float) -> Reply:
        backoff = Backoff(self._rng)
        latest = None
        for _ in range(ROUNDS):
            faults = []
            for server, timeout_s in self._candidates(path, kind, body, deadline_s):
                fair = timeout_s >= _FAIR * self._pool.time_s
                try:
                    reply = await server.ask(path, kind, body(server), timeout_s, fair=fair)
                except ScorerError as error:
                    if isinstance(error, ServerFault) and not isinstance(error, Rejected):
                        faults.append(error)
                        continue
                    self.server = server  # to be asked otherwise
                    raise
                self.server = server
                return reply
            latest = faults[-1] if faults else latest
            wait_s = backoff.next_s() + min((fault.after_s for fault in faults if isinstance(fault, Busy)), default=0.0)
            if not any(fault.retry for fault in faults) or time.monotonic() + wait_s >= deadline_s:
                break
            await asyncio.sleep(wait_s)
        raise latest or ServerFault("; ".join(server.trouble for server in self._pool.servers))

    def _candidates(self, path: str, kind: type[Any], body: Body, deadline_s: float) -> Iterator[tuple[Server, float]]:
        """Whom to ask one after the other, and how long to wait for each: half of what is left, the last for all of it.

        Where there are servers to rely on, the others are only tried out.
        """
        servers = self._pool.ordered(self.server)
        sound = [server for server in servers if not server.doubtful]
        if sound:
            for server in servers:
                if server.doubtful and server.available:
                    self._pool.try_out(server, path, kind, body)
        waiting = sound or servers
        while waiting := [server for server in waiting if server.available]:
            yield waiting[0], _SHARE * (deadline_s - time.monotonic()) / min(2, len(waiting))
            waiting = waiting[1:]
