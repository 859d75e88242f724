"""The alert feed. What other programs need to listen to it is imported from here and is cheap to import.

The sending ends are `stream.feed.publisher` and `stream.feed.server`.
"""

from stream.feed.client import AsyncSubscription, Subscription, asubscribe, subscribe
from stream.feed.events import (
    Event,
    Garbage,
    Link,
    Missed,
    NewEpoch,
    NoCatchUp,
    Position,
    Received,
    Restarted,
    Since,
)
from stream.feed.messages import (
    DEFAULT_ENDPOINT,
    HEARTBEAT_S,
    AlertBox,
    AlertMessage,
    AlertModel,
    AlertTiming,
    Kind,
    Message,
    ScoreMessage,
    StatusMessage,
)

__all__ = [
    "DEFAULT_ENDPOINT",
    "HEARTBEAT_S",
    "AlertBox",
    "AlertMessage",
    "AlertModel",
    "AlertTiming",
    "AsyncSubscription",
    "Event",
    "Garbage",
    "Kind",
    "Link",
    "Message",
    "Missed",
    "NewEpoch",
    "NoCatchUp",
    "Position",
    "Received",
    "Restarted",
    "ScoreMessage",
    "Since",
    "StatusMessage",
    "Subscription",
    "asubscribe",
    "subscribe",
]
