from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError

import pytest

from stream.openai.background import Background

ended: list[str] = []


async def say_so() -> None:
    ended.append("last")


@pytest.fixture
def background() -> Background:
    ended.clear()
    return Background("test-background", say_so)


def test_work_is_done_on_the_named_thread(background: Background) -> None:
    async def name() -> str:
        return threading.current_thread().name

    assert background.submit(name()).result(5) == "test-background"
    background.close()


def test_closing_cancels_what_runs_and_then_does_the_last_thing(background: Background) -> None:
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("work")

    async def started() -> None:
        await asyncio.sleep(0)

    work = background.submit(wait())
    background.submit(started()).result(5)
    background.close()
    assert ended == ["work", "last"]
    with pytest.raises(CancelledError):
        work.result(5)
    background.close()
    assert ended == ["work", "last"]
    assert not any(thread.name == "test-background" for thread in threading.enumerate())
