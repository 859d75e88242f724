from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")

from starlette.types import Message

from stream.console import live
from stream.console.live import LiveResponse, Places
from stream.console.problems import Problem


class Viewer:
    """An ASGI server's two ends; `takes` that many pieces, and hangs then."""

    def __init__(self, takes: int = 1000) -> None:
        self.got: list[bytes] = []
        self.done = False
        self.leaves = asyncio.Event()
        self._takes = takes

    async def receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            if len(self.got) >= self._takes:
                await asyncio.Event().wait()
            self.got.append(message["body"])
            self.done = not message["more_body"]

    async def watch(self, pieces: AsyncGenerator[bytes], places: Places) -> None:
        response = LiveResponse(pieces, "text/plain", places)
        await asyncio.wait_for(response({"type": "http", "method": "GET"}, self.receive, self.send), 10)


class Film:
    """Pieces without an end, or `count` of them."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count
        self.closed = False

    async def pieces(self) -> AsyncGenerator[bytes]:
        number = 0
        try:
            while number != self.count:
                number += 1
                yield b"%d" % number
                await asyncio.sleep(0)
        finally:
            self.closed = True


def has_room(places: Places) -> bool:
    try:
        places.require()
    except Problem:
        return False
    return True


def test_a_film_that_is_over_ends_the_answer() -> None:
    async def run() -> None:
        viewer, places = Viewer(), Places(1)
        await viewer.watch(Film(3).pieces(), places)
        assert viewer.got == [b"1", b"2", b"3", b""]
        assert viewer.done
        assert has_room(places)

    asyncio.run(run())


def test_a_viewer_that_leaves_makes_room_for_another() -> None:
    async def run() -> None:
        viewer, places, film = Viewer(), Places(1), Film()
        watching = asyncio.create_task(viewer.watch(film.pieces(), places))
        while not viewer.got:
            await asyncio.sleep(0)
        assert not has_room(places)
        viewer.leaves.set()
        await watching
        assert film.closed
        assert has_room(places)

    asyncio.run(run())


def test_a_viewer_that_takes_nothing_any_more_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TAKEN_WITHIN_S", 0.05)

    async def run() -> None:
        viewer, places, film = Viewer(takes=2), Places(1), Film()
        await viewer.watch(film.pieces(), places)
        assert viewer.got == [b"1", b"2"]
        assert not viewer.done
        assert film.closed
        assert has_room(places)

    asyncio.run(run())


def test_what_breaks_a_film_is_raised_and_makes_room() -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield b"1"
        raise ValueError("torn")

    async def run() -> None:
        viewer, places = Viewer(), Places(1)
        with pytest.raises(ValueError, match="torn"):
            await viewer.watch(broken(), places)
        assert has_room(places)

    asyncio.run(run())
