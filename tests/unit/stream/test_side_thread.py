from __future__ import annotations

import asyncio
import threading
from contextlib import closing

import pytest

from engine.errors import RuntimeFault
from stream.side_thread import SideThread


def test_jobs_are_done_in_order_on_one_thread_and_what_they_raise_comes_back() -> None:
    async def run(side: SideThread) -> None:
        names = await asyncio.gather(*(side.do(lambda: threading.current_thread().name) for _ in range(3)))
        assert names == ["side"] * 3
        with pytest.raises(ZeroDivisionError):
            await side.do(lambda: 1 // 0)
        assert await side.do(lambda: 7) == 7

    with closing(SideThread("side")) as side:
        asyncio.run(run(side))


def test_a_job_that_hangs_is_not_waited_for_for_ever() -> None:
    hang = threading.Event()

    async def run(side: SideThread) -> None:
        with pytest.raises(RuntimeFault, match="no answer"):
            await side.do(lambda: hang.wait(10), within_s=0.05)
        hang.set()
        assert await side.do(lambda: "again") == "again"

    with closing(SideThread("side")) as side:
        asyncio.run(run(side))
