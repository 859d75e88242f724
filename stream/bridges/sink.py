"""The seam between a bridge and what it delivers to: a letter, what a sink does with it, and how it can fail.

A sink knows its protocol and nothing of the outbox, of positions, or of trying again.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from engine.errors import BridgeError
from stream.feed.catch_up import History
from stream.feed.events import Position
from stream.feed.messages import AlertMessage


@dataclass(frozen=True, slots=True)
class Letter:
    """One alert on its way. `body` is its JSON as the outbox has it, and `alert` what that says.

    `again` marks one that was set aside before and is delivered late, out of order.
    """

    place: Position
    body: bytes
    alert: AlertMessage
    again: bool = False


class DeliveryFault(BridgeError):
    """A letter was not delivered. The next attempt is not made within `after_s`."""

    def __init__(self, message: str, *, advice: str = "", after_s: float = 0.0) -> None:
        super().__init__(message, advice=advice)
        self.after_s = after_s


class Unreachable(DeliveryFault):
    """Nobody is there to take letters now, which says nothing of this one. It is tried until somebody is."""


class Failed(DeliveryFault):
    """It was tried and went wrong, perhaps because of this very letter. Tried again, but not for ever."""


class Refused(DeliveryFault):
    """The receiver does not want this letter, now or later."""


class Session(Protocol):
    """One stretch of working with the receiver; it ends with the first fault but `Refused`."""

    async def deliver(self, letter: Letter) -> None:
        """Returns when the receiver has it. Raises DeliveryFault."""
        ...

    async def idle(self) -> None:
        """What there is to do beside letters; called before each letter and every second. Raises DeliveryFault."""
        ...


class Sink(Protocol):
    """Used by one bridge, on its event loop."""

    def session(self, history: History, /) -> AbstractAsyncContextManager[Session]:
        """Connects, and disconnects in the end. Entering raises DeliveryFault.

        The history is for sinks that also show which events are open.
        """
        ...
