from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

pytest.importorskip("httpx2", reason="needs the openai extra")

import httpx2

from stream.openai.breaker import FAILURES
from stream.openai.pool import Pool
from stream.openai.server import Server, ServerFault
from stream.openai.wire import Models

Answer = Callable[[httpx2.Request], Coroutine[Any, Any, httpx2.Response]]
RNG = random.Random(1)


def with_pool(answer: Answer, use: Callable[[Pool], Coroutine[Any, Any, None]], *, hosts: str, **options: Any) -> None:
    async def run() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            servers = [Server(f"http://{host}/v1", client, RNG) for host in hosts]
            await use(Pool(servers, rng=RNG, **options))

    asyncio.run(run())


async def ask(pool: Pool, within_s: float) -> str:
    """What came of a question: nothing, or what is wrong."""
    try:
        await pool.route().ask("/models", Models, lambda _: b"{}", time.monotonic() + within_s)
    except ServerFault as fault:
        return fault.message
    return ""


def is_left_alone(server: Server) -> bool:
    return server.doubtful


async def answering(_request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, json={"data": []})


async def hanging(_request: httpx2.Request) -> httpx2.Response:
    await asyncio.sleep(60)
    raise AssertionError


def test_what_has_too_little_time_left_is_not_asked() -> None:
    seen: list[httpx2.Request] = []

    async def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return await answering(request)

    async def use(pool: Pool) -> None:
        assert (await ask(pool, 30.0)).startswith("overload: too little time was left")
        assert seen == []
        assert await ask(pool, 60.0) == ""

    with_pool(answer, use, hosts="a", concurrency=1, time_s=100.0)


def test_a_server_is_blamed_for_being_late_only_if_it_had_its_time() -> None:
    async def use(pool: Pool) -> None:
        (server,) = pool.servers
        for _ in range(FAILURES + 1):
            await ask(pool, 0.08)
        assert not is_left_alone(server)
        for _ in range(50):  # where the machine is busy, some come late
            if not is_left_alone(server):
                await ask(pool, 0.2)
        assert is_left_alone(server)

    with_pool(hanging, use, hosts="a", concurrency=1, time_s=0.2)


def test_finding_out_whether_a_server_is_back_takes_a_place_and_keeps_nobody_waiting() -> None:
    under_way = most = 0
    tried = asyncio.Event()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            if request.url.host == "b":
                if tried.is_set():
                    return httpx2.Response(500)
                tried.set()
            await asyncio.sleep(0.01)
            return await answering(request)
        finally:
            under_way -= 1

    async def use(pool: Pool) -> None:
        _, b = pool.servers
        tried.set()
        while not is_left_alone(b):
            with pytest.raises(ServerFault):
                await b.ask("/models", Models, b"{}", 1.0)
        tried.clear()
        deadline_s = time.monotonic() + 20
        while is_left_alone(b):
            assert time.monotonic() < deadline_s
            assert await asyncio.gather(*(ask(pool, 60.0) for _ in range(4))) == [""] * 4
        assert tried.is_set()
        assert most <= 2

    with_pool(answer, use, hosts="ab", concurrency=2, time_s=60.0)
