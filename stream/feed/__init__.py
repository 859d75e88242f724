"""The alert feed. What other programs need to listen to it is imported from here and is cheap to import.

The sending end is `stream.feed.publisher`.
"""

from stream.feed.client import AsyncSubscription, Subscription, asubscribe, subscribe
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
from stream.feed.tracker import Event, Garbage, Link, Missed, Received, Restarted

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
    "Received",
    "Restarted",
    "ScoreMessage",
    "StatusMessage",
    "Subscription",
    "asubscribe",
    "subscribe",
]
