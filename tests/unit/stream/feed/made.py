"""Messages for tests."""

from __future__ import annotations

import msgspec

from stream.feed.messages import AlertMessage, AlertModel, AlertTiming, StatusMessage


def an_alert(**changes: object) -> AlertMessage:
    alert = AlertMessage(
        type="new",
        id="E1",
        camera="front",
        time=10.5,
        start_time=9.0,
        severity="alert",
        score=0.8,
        top_score=0.9,
        threshold=0.6,
        timing=AlertTiming(frame_time=10.0, window_end=10.5, scored_time=10.7, published_time=10.8),
        model=AlertModel(scorer="motion", name="motion"),
    )
    return msgspec.structs.replace(alert, **changes)


def a_status(**changes: object) -> StatusMessage:
    return msgspec.structs.replace(StatusMessage(camera="front", state="live", since=1.0, time=2.0), **changes)
