"""Joins live alerts with those that have to be fetched, in order and each once. Knows no socket: what comes is told it.

Alerts of all cameras are counted without holes, so a subscriber that hears all of them sees by the numbers alone
what it lacks. While something is fetched, live alerts wait; those that it has no room for are fetched too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

import msgspec

from engine.errors import FeedError
from stream.feed.catch_up import OpenEvents, OpenRequest, Page, RangeRequest, Refusal, decode_reply, encode
from stream.feed.events import Event, Garbage, Missed, NewEpoch, NoCatchUp, Position, Received, Since
from stream.feed.messages import AlertMessage, decode, topic, topic_of

WAITING_MAX = 200  # live alerts with their pictures
REPLY_WITHIN_S = 2.5
AGAIN_AFTER_S, AGAIN_AFTER_MOST_S = 0.5, 10.0
TRIES = 4
REFUSED_WITHIN_S = 120.0  # how long a publisher that can't read its outbox is asked again
RUNS_KNOWN = 8


class Join:
    """Follows one subscription to alerts. `now_s` is always the monotonic clock."""

    def __init__(self, since: Since, cameras: Collection[str] | None) -> None:
        self._since = since
        self._cameras = None if cameras is None else frozenset(cameras)
        self.position = since if isinstance(since, Position) else None
        self.address: str | None = ""  # of catch-up; empty until the publisher has said it, None when it has none
        self._epoch = ""
        self._runs: deque[str] = deque(maxlen=RUNS_KNOWN)  # what was heard of an old run may still be read
        self._known = 0  # the newest alert that is known of, by its number
        self._waiting: dict[int, Received | None] = {}  # live ones, by number; None for another camera's
        self._connected = False
        self._asked_s: float | None = None
        self._not_before_s = 0.0
        self._tries = 0
        self._trying_since_s = 0.0
        self._told_unreachable = False

    def connected(self) -> None:
        self._connected = True

    def disconnected(self) -> None:
        """What was asked is not answered any more, and nothing is given up before the publisher is back."""
        self._connected = False
        self._asked_s = None
        self._tries = 0

    def heard(self, run: str, epoch: str, last_seq: int, now_s: float) -> list[Event]:
        """A sign of the publisher's: alerts up to `last_seq` have been told."""
        if not epoch:
            return []
        events = self._enter(run, epoch, last_seq)
        if epoch == self._epoch:
            self._known = max(self._known, last_seq)
        return events + self._go_on(now_s)

    def alert(self, message: AlertMessage, sequence: int, jpeg: bytes | None, now_s: float) -> list[Event]:
        """A live alert, of any camera."""
        received = Received(topic_of(message), sequence, message, jpeg)
        wanted = self._wants(message)
        if not message.epoch:  # not numbered: there is no outbox behind it
            return [received] if wanted else []
        events = self._enter(message.run, message.epoch, message.seq - 1)
        done = self.position.seq if self.position else 0
        if message.epoch == self._epoch and message.seq > done:
            self._known = max(self._known, message.seq)
            if len(self._waiting) < WAITING_MAX or message.seq == done + 1:
                self._waiting[message.seq] = received if wanted else None
        return events + self._go_on(now_s)

    def ask(self, now_s: float) -> tuple[str, bytes] | None:
        """What to ask now, and where; None for nothing. It counts as asked."""
        may_ask = self._connected and self._asked_s is None and now_s >= self._not_before_s
        if not (self._behind and self.address and may_ask):
            return None
        self._asked_s = now_s
        cameras = None if self._cameras is None else tuple(sorted(self._cameras))
        if self.position is None:
            return self.address, encode(OpenRequest(cameras=cameras))
        return self.address, encode(RangeRequest(after=self.position.seq, cameras=cameras))

    def answer(self, data: bytes, now_s: float) -> list[Event]:
        """The reply to what was asked last."""
        if self._asked_s is None:
            return []
        self._asked_s = None
        try:
            reply = decode_reply(data)
        except FeedError as error:
            return self._try_again(error.message, now_s)
        if isinstance(reply, Refusal):
            return self._try_again(reply.message, now_s, for_s=REFUSED_WITHIN_S if reply.again else 0.0)
        before = self.position
        if reply.epoch != self._epoch or (before and reply.last_seq < before.seq):
            return self._try_again("catch-up has another outbox than the feed", now_s)  # the feed is about to say so
        if reply.run not in self._runs:
            self._runs.append(reply.run)
        self._known = max(self._known, reply.last_seq)
        match reply, before:
            case Page(), Position():
                events = self._page(reply, before)
            case OpenEvents(), None:
                events = self._fetched(reply.alerts, 0)
                self._reach(reply.last_seq)
            case _:
                return self._try_again("catch-up answers something else than it was asked", now_s)
        if self.position == before:
            return events + self._try_again("catch-up does not have what the feed told", now_s)
        self._tries = 0
        self._told_unreachable = False
        return events + self._go_on(now_s)

    def failed(self, reason: str) -> list[Event]:
        """What was asked last can't be asked at all."""
        self._asked_s = None
        return self._give_up(reason)

    def tick(self, now_s: float) -> list[Event]:
        """What time alone brings."""
        if self._asked_s is None or now_s - self._asked_s < REPLY_WITHIN_S:
            return []
        self._asked_s = None
        return self._try_again(f"no reply from {self.address}", now_s)

    def due_s(self, now_s: float) -> float | None:
        """When to call `ask` or `tick` again if nothing comes before."""
        if self._asked_s is not None:
            return self._asked_s + REPLY_WITHIN_S
        return max(now_s, self._not_before_s) if self._behind and self._connected and self.address else None

    @property
    def _behind(self) -> bool:
        """Whether there is something to fetch."""
        if self.position is None:
            return bool(self._epoch)
        return self.position.seq < self._known

    def _enter(self, run: str, epoch: str, last_seq: int) -> list[Event]:
        """The first sign of a run says where to begin in it."""
        if run in self._runs:
            return []
        self._runs.append(run)
        before, position = self._epoch, self.position
        self._epoch = epoch
        if position is None and not before:
            if self._since != "open":
                self.position = Position(epoch, 0 if self._since == "all" else last_seq)
            return []
        if position and not position.epoch:
            self.position = Position(epoch, min(position.seq, last_seq))
            return [NewEpoch(epoch)] if last_seq < position.seq else []
        same = epoch == (position.epoch if position else before)
        if same and (position is None or last_seq >= position.seq):
            return []
        # Another outbox begins from its first alert; an older copy goes on from where it says it is.
        self.position = Position(epoch, last_seq if same else 0)
        self._known = self.position.seq
        self._waiting.clear()
        self._asked_s = None
        return [NewEpoch(epoch)]

    def _go_on(self, now_s: float) -> list[Event]:
        """Hand out what is next, as far as it is there."""
        events = self._next_waiting()
        if self._behind and self._connected and self.address is None:
            events += self._give_up("the publisher has no catch-up")
        return events + self.tick(now_s)

    def _next_waiting(self) -> list[Event]:
        events: list[Event] = []
        while self.position and self.position.seq + 1 in self._waiting:
            self.position = Position(self._epoch, self.position.seq + 1)
            if received := self._waiting.pop(self.position.seq):
                events.append(received)
        return events

    def _page(self, page: Page, before: Position) -> list[Event]:
        pruned = max(0, page.first_seq - 1 - before.seq)
        missed = page.missing - (pruned if self._since == "all" and before.seq == 0 else 0)
        events: list[Event] = [Missed(topic("alerts"), missed)] if missed > 0 else []
        events += self._fetched(page.alerts, before.seq)
        self._reach(max(before.seq, page.through))
        return events

    def _fetched(self, alerts: Collection[msgspec.Raw], after: int) -> list[Event]:
        """Alerts of a reply; where the same one came live it has its picture."""
        events: list[Event] = []
        for raw in alerts:
            try:
                message = decode(bytes(raw))
            except FeedError as error:
                events.append(Garbage(error.message))
                continue
            if isinstance(message, AlertMessage) and message.seq > after and self._wants(message):
                events.append(self._waiting.get(message.seq) or Received(topic_of(message), 0, message))
                after = message.seq
        return events

    def _reach(self, seq: int) -> None:
        self.position = Position(self._epoch, seq)
        for done in [number for number in self._waiting if number <= seq]:
            del self._waiting[done]

    def _try_again(self, reason: str, now_s: float, *, for_s: float = 0.0) -> list[Event]:
        """Later, TRIES times or as often as `for_s` allows; or give up."""
        if self._tries == 0:
            self._trying_since_s = now_s
        self._not_before_s = now_s + min(AGAIN_AFTER_MOST_S, AGAIN_AFTER_S * 2 ** max(0, self._tries - TRIES))
        self._tries += 1
        in_vain = self._tries >= TRIES and now_s - self._trying_since_s >= for_s
        return self._give_up(reason) if in_vain or self._told_unreachable else []

    def _give_up(self, reason: str) -> list[Event]:
        """Go on without what can't be had."""
        events: list[Event] = [] if self._told_unreachable else [NoCatchUp(reason)]
        self._told_unreachable = True
        self._tries = 0
        while self._behind:
            resume = min(self._waiting, default=self._known + 1) - 1
            if self.position is not None and resume > self.position.seq:
                events.append(Missed(topic("alerts"), resume - self.position.seq))
            self.position = Position(self._epoch, resume)
            events += self._next_waiting()
        return events

    def _wants(self, message: AlertMessage) -> bool:
        return self._cameras is None or message.camera in self._cameras
