from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

from stream.openai.places import Places


class People:
    """Each comes, is in as soon as it has a place, and leaves when it is told to."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.entered: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leave: dict[str, asyncio.Event] = {}

    async def come(self, *names: str) -> None:
        """Those in capitals can't wait."""
        for name in names:
            self._leave[name] = asyncio.Event()
            place = self.places.place() if name.isupper() else self.places.patient_place()
            self._tasks[name] = asyncio.create_task(self._be(name, place))
        await settled()

    async def leave(self, name: str) -> list[str]:
        """Who came in for it."""
        before = len(self.entered)
        self._leave[name].set()
        await settled()
        return self.entered[before:]

    async def go_away(self, name: str) -> None:
        self._tasks[name].cancel()
        await settled()

    async def _be(self, name: str, place: AbstractAsyncContextManager[None]) -> None:
        async with place:
            self.entered.append(name)
            await self._leave[name].wait()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_places_are_taken_in_order() -> None:
    async def check() -> None:
        people = People(Places(2))
        await people.come("A", "B", "C", "D")
        assert people.entered == ["A", "B"]
        assert await people.leave("B") == ["C"]
        assert await people.leave("A") == ["D"]

    asyncio.run(check())


def test_what_can_wait_waits_for_all_others_and_has_a_part_of_the_places() -> None:
    async def check() -> None:
        people = People(Places(8))
        await people.come("a", "b", "c")
        assert people.entered == ["a", "b"]  # two of eight
        await people.come(*"ABCDEFGH")
        assert people.entered == ["a", "b", *"ABCDEF"]
        assert await people.leave("a") == ["G"]  # before c
        assert await people.leave("A") == ["H"]
        assert await people.leave("B") == ["c"]

    asyncio.run(check())


def test_what_is_rare_waits_for_all_others_and_for_no_part_of_the_places() -> None:
    async def check() -> None:
        places = Places(4)
        people = People(places)
        await people.come(*"aABC", "b", "D")
        async with asyncio.TaskGroup() as group:
            rare = group.create_task(places.spare_place().__aenter__())
            assert await people.leave("A") == ["D"]
            assert not rare.done()
            assert await people.leave("B") == []
            assert rare.done()

    asyncio.run(check())


def test_a_single_place_is_for_both() -> None:
    async def check() -> None:
        people = People(Places(1))
        await people.come("a", "A")
        assert people.entered == ["a"]
        assert await people.leave("a") == ["A"]

    asyncio.run(check())


def test_who_goes_away_takes_no_place_along() -> None:
    async def check() -> None:
        people = People(Places(1))
        await people.come("A", "B", "C", "b")
        await people.go_away("B")  # while it waits
        await people.go_away("A")  # while it is in
        assert people.entered == ["A", "C"]
        people._leave["C"].set()
        await people.go_away("b")
        await people.come("D")
        assert people.entered == ["A", "C", "D"]

    asyncio.run(check())


def test_who_goes_away_at_the_very_moment_of_having_a_place_gives_it_back() -> None:
    async def check() -> None:
        places = Places(1)
        held = places.place()
        await held.__aenter__()
        people = People(places)
        await people.come("A", "B")
        await held.__aexit__(None, None, None)  # A's turn, which it does not know yet
        await people.go_away("A")
        assert people.entered == ["B"]

    asyncio.run(check())
