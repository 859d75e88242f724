"""Pulls alerts from the outbox, in order, and has a sink deliver each at least once. Knows no protocol.

What was not delivered yet lies in the outbox, so a receiver that is slow or away costs nothing here and delays nobody.
A letter that its receiver refuses, or keeps failing on for long, is set aside as a dead letter so that the others can
go on. `docs/bridges.md` tells the rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from engine.errors import BridgeError, FeedError, VigilError
from stream.backoff import STEADY_S, Backoff
from stream.bridges.ledger import DeadLetter, Ledger
from stream.bridges.sink import DeliveryFault, Failed, Letter, Refused, Session, Sink
from stream.feed.catch_up import History
from stream.feed.events import Position
from stream.feed.messages import AlertMessage, decode
from stream.metrics import Metrics

POLL_S = 1.0  # how often to look without having been woken
PAGE = 100  # alerts read at once
MOST_TRIES, GIVE_UP_S = 10, 3600.0  # a letter that failed so often and for so long is set aside
FINISH_S = 1.0  # how long the end waits for what can still be delivered
LEAVE_S = 1.0  # ... and then for the goodbye

Wants = Callable[[AlertMessage], bool]

log = logging.getLogger(__name__)


def everything(_alert: AlertMessage) -> bool:
    return True


class Bridge:
    """Delivers until closed, from its own thread, which is the only one to use `sink`, `history` and `ledger`.

    A bridge that is not in the ledger yet begins with what is told from `now` on, or at the `start` of what is kept.
    `wants` says which alerts are delivered at all. Raises OutboxError for a history that can't be read.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        history: History,
        ledger: Ledger,
        *,
        begin: Literal["now", "start"],
        metrics: Metrics,
        rng: random.Random,
        wants: Wants = everything,
    ) -> None:
        self.name = name
        self._sink = sink
        self._history = history
        self._ledger = ledger
        self._metrics = metrics
        for counted in (
            metrics.bridge_delivered, metrics.bridge_failed, metrics.bridge_dead_letters, metrics.bridge_lost
        ):  # fmt: skip
            counted.labels(name)  # there, and 0, from the start
        self._rng = rng
        self._wants = wants
        self._last_seq = history.since(0, 1).last_seq  # when this began
        self._begin = Position(history.epoch, self._last_seq if begin == "now" else 0)
        self._position: Position | None = None
        self._kept: Position | None = None  # as it is in the ledger
        self._page: deque[tuple[int, bytes]] = deque()  # read, and not dealt with
        self._tried: tuple[Position, int, float] | None = None  # a letter, how often it failed, and since when
        self._backoff = Backoff(rng)
        self._failing = self._ledger_failing = False
        self._news, self._closing = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"vigil-{name}", daemon=True)
        self._thread.start()

    @property
    def seq(self) -> int:
        """The last alert that it has dealt with."""
        return (self._position or self._begin).seq

    @property
    def failing(self) -> bool:
        """Whether it has said that it can't deliver, and not yet that it can again."""
        return self._failing

    def wake(self) -> None:
        """From any thread: something was told."""
        self._tell(self._news)

    def stop(self) -> None:
        """From any thread: deliver what can be delivered right now, and end. Returns at once."""
        self._tell(self._closing)
        self._tell(self._news)

    def join(self, within_s: float) -> bool:
        """Whether it has ended in time; else its thread is left behind."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _tell(self, event: asyncio.Event) -> None:
        with contextlib.suppress(RuntimeError):  # it is over
            self._loop.call_soon_threadsafe(event.set)

    def _run(self) -> None:
        with (
            contextlib.closing(self._history),
            contextlib.closing(self._ledger),
            asyncio.Runner(loop_factory=lambda: self._loop) as runner,
        ):
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        work = asyncio.create_task(self._work())
        await self._closing.wait()
        await asyncio.wait({work}, timeout=FINISH_S)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    async def _work(self) -> None:
        """One session after another: the one place that says what went wrong, waits, and tries again."""
        while True:
            try:
                self._find_place()
                async with self._sink.session(self._history) as session:
                    await self._serve(session)
            except VigilError as error:
                fault = error
            except Exception as error:  # a fault of Vigil's must not end the bridge
                log.exception("%s: unexpected", self.name)
                fault = BridgeError(type(error).__name__)
            else:
                return
            wait_s = max(self._backoff.next_s(), fault.after_s if isinstance(fault, DeliveryFault) else 0.0)
            self._fails(fault, wait_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), wait_s)
                return

    async def _serve(self, session: Session) -> None:
        """Deliver all there is, wait for more, until the end."""
        since_s = time.monotonic()
        while True:
            self._news.clear()
            await session.idle()
            letter = await self._next()
            if letter is not None:
                await self._deliver(session, letter)
            elif self._closing.is_set():
                return
            else:
                if time.monotonic() - since_s >= STEADY_S:
                    self._fares_well()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), POLL_S)

    async def _deliver(self, session: Session, letter: Letter) -> None:
        try:
            await session.deliver(letter)
        except Refused as refusal:
            self._metrics.bridge_failed.labels(self.name).inc()
            self._set_aside(letter, refusal)
        except Failed as fault:
            self._blame(letter, fault)
            raise
        except DeliveryFault:
            raise
        except Exception as error:
            log.exception("%s: unexpected", self.name)
            unexpected = Failed(type(error).__name__)
            self._blame(letter, unexpected)
            raise unexpected from error
        else:
            self._metrics.bridge_delivered.labels(self.name).inc()
            if letter.again:
                self._ledger.forget(self.name, letter.place)
            else:
                self._pass(letter.place)
                self._keep_place()
            self._fares_well()

    async def _next(self) -> Letter | None:
        """The oldest alert that is wanted and not delivered; else a dead letter that is to be tried once more."""
        while True:
            if not self._page:
                await asyncio.sleep(0)
                self._page.extend(self._history.since(self.seq, PAGE).alerts)
            if not self._page:
                self._keep_place()
                return self._next_again()
            seq, body = self._page[0]
            self._count_lost(seq)
            letter = _letter(Position(self._history.epoch, seq), body)
            if letter is not None and self._wants(letter.alert):
                return letter
            self._pass(Position(self._history.epoch, seq))

    def _next_again(self) -> Letter | None:
        while dead := self._ledger.next_again(self.name):
            if letter := _letter(dead.place, dead.body, again=True):
                return letter
            self._ledger.forget(self.name, dead.place)
        return None

    def _find_place(self) -> None:
        """Where to go on: once, from the ledger."""
        if self._position is not None:
            return
        kept = self._kept = self._ledger.position(self.name)
        if kept is None:
            place = self._begin
        elif kept.epoch != self._history.epoch:
            log.warning("%s: this is another outbox than before: it begins with its first alert", self.name)
            place = Position(self._history.epoch, 0)
        else:  # an older copy of the outbox goes on from where it is
            place = Position(kept.epoch, min(kept.seq, self._last_seq))
        self._position = place
        self._keep_place()

    def _pass(self, place: Position) -> None:
        self._position = place
        self._page.popleft()

    def _keep_place(self) -> None:
        """Without a ledger to write to it goes on all the same; after a restart some alerts are delivered again."""
        if self._position is None or self._position == self._kept:
            return
        try:
            self._ledger.keep(self.name, self._position)
        except BridgeError as error:
            if not self._ledger_failing:
                log.error("%s: %s", self.name, error)
            self._ledger_failing = True
        else:
            self._kept = self._position
            self._ledger_failing = False

    def _count_lost(self, seq: int) -> None:
        lost = seq - self.seq - 1
        if lost > 0:
            log.error("%s: %d alerts were gone from the outbox before they could be delivered", self.name, lost)
            self._metrics.bridge_lost.labels(self.name).inc(lost)
            self._position = Position(self._history.epoch, seq - 1)

    def _blame(self, letter: Letter, fault: Failed) -> None:
        """It may be this letter that goes wrong: not for ever at the cost of those behind it."""
        now_s = time.monotonic()
        _, tries, since_s = self._tried if self._tried and self._tried[0] == letter.place else (None, 0, now_s)
        self._tried = (letter.place, tries + 1, since_s)
        if tries + 1 >= MOST_TRIES and now_s - since_s >= GIVE_UP_S:
            self._set_aside(letter, fault)

    def _set_aside(self, letter: Letter, fault: DeliveryFault) -> None:
        position = (self._position or self._begin) if letter.again else letter.place
        dead = DeadLetter(self.name, letter.place, time.time(), str(fault), letter.body, again=False)
        gone = self._ledger.set_aside(dead, position)
        log.error("%s: alert %d is a dead letter: %s", self.name, letter.place.seq, fault)
        self._metrics.bridge_dead_letters.labels(self.name).inc()
        if gone:
            log.error("%s: too many dead letters: the oldest %d can't be delivered any more", self.name, gone)
            self._metrics.bridge_lost.labels(self.name).inc(gone)
        if not letter.again:
            self._pass(letter.place)
            self._kept = letter.place

    def _fails(self, fault: VigilError, wait_s: float) -> None:
        self._metrics.bridge_failed.labels(self.name).inc()
        level = logging.DEBUG if self._failing else logging.WARNING
        log.log(level, "%s: %s; tried again in %.0f s, and until it works", self.name, fault, wait_s)
        self._failing = True

    def _fares_well(self) -> None:
        self._backoff = Backoff(self._rng)
        if self._failing:
            log.warning("%s: delivers again", self.name)
        self._failing = False


class Bridges:
    """All of a watch's bridges. Closing them takes some seconds at most, whatever they are at."""

    def __init__(self, bridges: Sequence[Bridge]) -> None:
        self._bridges = bridges

    def __iter__(self) -> Iterator[Bridge]:
        return iter(self._bridges)

    def wake(self) -> None:
        for bridge in self._bridges:
            bridge.wake()

    def close(self) -> None:
        for bridge in self._bridges:
            bridge.stop()
        deadline_s = time.monotonic() + FINISH_S + LEAVE_S
        for bridge in self._bridges:
            if not bridge.join(max(0.0, deadline_s - time.monotonic())):
                log.error("%s does not come back: it is left behind", bridge.name)


def _letter(place: Position, body: bytes, *, again: bool = False) -> Letter | None:
    """None for what this version can't read, which a newer one may have written."""
    try:
        alert = decode(body)
    except FeedError as error:
        log.warning("alert %d of the outbox is left out: %s", place.seq, error)
        return None
    return Letter(place, body, alert, again) if isinstance(alert, AlertMessage) else None
