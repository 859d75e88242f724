"""What every sink promises, whatever it speaks. A new sink is one line in SINKS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream.bridges.board import Board
from stream.bridges.scripted import ScriptedSink
from stream.bridges.sink import Letter, Sink, Unreachable
from stream.feed.catch_up import Kept
from stream.feed.events import Position
from stream.feed.messages import encode
from tests.unit.stream.feed.made import an_alert


@dataclass
class Receiving:
    """A sink with its receiver: what came there, how it goes away, and how it comes back."""

    sink: Sink
    came: Callable[[], list[int]]
    go: Callable[[], object]
    come: Callable[[], object]

    def taken(self) -> list[int]:
        """What came for the first time."""
        return list(dict.fromkeys(self.came()))


class Nothing:
    """A history of no events."""

    epoch = "E"

    def since(self, seq: int, limit: int) -> Kept:
        return Kept(0, 0, [])

    def open_events(self) -> Kept:
        return Kept(0, 0, [])

    def close(self) -> None:
        pass


@contextmanager
def scripted(_folder: Path) -> Iterator[Receiving]:
    sink = ScriptedSink([None, None, None, Unreachable("gone")])
    yield Receiving(sink, lambda: [letter.place.seq for letter in sink.delivered], lambda: None, lambda: None)


@contextmanager
def webhook(_folder: Path) -> Iterator[Receiving]:
    pytest.importorskip("httpx2", reason="needs the webhooks extra")
    from stream.bridges.webhook import WebhookSettings, WebhookSink
    from tests.integration.hooks import Receiver

    receivers = [Receiver()]
    port = receivers[0].port
    try:
        yield Receiving(
            WebhookSink(WebhookSettings(receivers[0].url, allow_private=True)),
            lambda: [number for receiver in receivers for number in receiver.numbers],
            lambda: receivers[-1].close(),
            lambda: receivers.append(Receiver(port=port)),
        )
    finally:
        receivers[-1].close()


@contextmanager
def mqtt(folder: Path) -> Iterator[Receiving]:
    pytest.importorskip("aiomqtt", reason="needs the mqtt extra")
    from stream.bridges.mqtt import MqttSettings, MqttSink
    from tests.integration.broker import Broker, Subscriber

    with Broker(folder / "broker") as broker, Subscriber(broker, "vigil/alerts", name="recorder") as subscriber:
        settings = MqttSettings("127.0.0.1", broker.port)
        yield Receiving(MqttSink(settings, Board(["front"]), folder), subscriber.numbers, broker.stop, broker.start)


SINKS: list[Callable[[Path], AbstractContextManager[Receiving]]] = [scripted, webhook, mqtt]


@pytest.fixture(params=SINKS, ids=lambda make: make.__name__)
def receiving(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiving]:
    with request.param(tmp_path) as receiving:
        yield receiving


def letter(seq: int) -> Letter:
    alert = an_alert(seq=seq, epoch="E")
    return Letter(Position("E", seq), encode(alert), alert)


async def deliver(sink: Sink, *numbers: int) -> None:
    """In one session, as a bridge does."""
    async with sink.session(Nothing()) as session:
        for number in numbers:
            await session.idle()
            await session.deliver(letter(number))


async def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(200):
        if holds():
            return True
        await asyncio.sleep(0.05)
    return False


def test_letters_arrive_in_order_and_a_session_can_follow_another(receiving: Receiving) -> None:
    async def run() -> None:
        await deliver(receiving.sink, 1, 2)
        await deliver(receiving.sink, 3)
        assert await eventually(lambda: receiving.taken() == [1, 2, 3])

    asyncio.run(run())


def test_a_receiver_that_is_not_there_is_said_to_be_so_and_delivered_to_when_it_is_back(receiving: Receiving) -> None:
    async def run() -> None:
        await deliver(receiving.sink, 1, 2, 3)
        assert await eventually(lambda: receiving.taken() == [1, 2, 3])
        receiving.go()
        with pytest.raises(Unreachable):
            await deliver(receiving.sink, 4)
        receiving.come()
        await deliver(receiving.sink, 4)
        assert await eventually(lambda: receiving.taken() == [1, 2, 3, 4])

    asyncio.run(run())
