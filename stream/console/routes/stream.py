"""Server-sent events: alerts without a gap, marks, and the newest states and scores."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Response

from engine.scorer import LanguageScorer
from stream.console.hub import Key
from stream.console.live import LiveResponse
from stream.console.models import MarkTold
from stream.console.services import Here, Services, Viewer
from stream.console.told import events_of
from stream.feed.messages import AlertMessage, ScoreMessage, StatusMessage

router = APIRouter()

HEARTBEAT_S = 15.0
SCORE_EVERY_S = 0.5  # of a camera by a definition
RECONNECT_MS = 1000
LARGEST_SEQ = 2**63 - 1
SEPARATORS = {character.encode(): f"\\u{ord(character):04x}".encode() for character in "\x85\u2028\u2029"}


class EventStreamResponse(Response):
    media_type = "text/event-stream"


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The outbox, its newest alert, the feed's run, and whether wordings can be tried and changed."""

    epoch: str
    last_seq: int
    run: str
    understands_words: bool


KINDS = {"hello": Hello, "alert": AlertMessage, "status": StatusMessage, "score": ScoreMessage, "mark": MarkTold}


@router.get(
    "/stream",
    response_class=EventStreamResponse,
    responses=events_of(str(EventStreamResponse.media_type), KINDS),
)
async def stream(
    _account: Viewer,
    here: Here,
    since_seq: Annotated[
        int | None, Query(ge=0, le=LARGEST_SEQ, description="Begin after this alert; else with what comes.")
    ] = None,
    last_event_id: Annotated[str | None, Header(max_length=100, description="Go on where this was told.")] = None,
) -> Response:
    """`hello`, then the feed's messages as `alert`, `status` and `score`, and marks as `mark`.

    Alerts have the id `EPOCH:SEQ`.
    """
    here.streams.require()
    begin = _resumed(last_event_id, here.hub.epoch)
    if begin is None:
        begin = here.hub.last_seq if since_seq is None else since_seq
    return LiveResponse(_events(here, min(begin, here.hub.last_seq)), str(EventStreamResponse.media_type), here.streams)


def _resumed(last_event_id: str | None, epoch: str) -> int | None:
    """The alert to go on after; of another outbox nothing was told yet."""
    told_epoch, _, seq = (last_event_id or "").rpartition(":")
    if not told_epoch or not (seq.isascii() and seq.isdigit()):
        return None
    return int(seq) if told_epoch == epoch else 0


async def _events(here: Services, seq: int) -> AsyncGenerator[bytes]:
    hub, clock = here.hub, here.view.clock
    told: dict[Key, tuple[int, float]] = {}  # the version, and when it was told
    marked = hub.version
    hello = Hello(
        epoch=hub.epoch,
        last_seq=hub.last_seq,
        run=here.view.run,
        understands_words=isinstance(here.view.scorer, LanguageScorer),
    )
    yield b"retry: %d\n\n" % RECONNECT_MS + _event("hello", msgspec.json.encode(hello))
    wrote_s = clock.monotonic()
    while not hub.over:
        news = hub.news  # what comes from here on wakes us up
        pieces = []
        while alerts := await hub.alerts_after(seq):
            for seq, data in alerts:
                yield _event("alert", data, f"{hub.epoch}:{seq}")
            wrote_s = clock.monotonic()
        pieces += [_event("mark", data) for data in hub.marks_after(marked)]
        marked = hub.version
        now_s, early = clock.monotonic(), False
        for key, newest in hub.newest():
            version, told_s = told.get(key, (0, -SCORE_EVERY_S))
            if newest.version <= version:
                continue
            if key[0] == "score" and now_s - told_s < SCORE_EVERY_S:
                early = True
                continue
            told[key] = (newest.version, now_s)
            pieces.append(_event(key[0], newest.data))
        if not pieces and now_s - wrote_s >= HEARTBEAT_S:
            pieces.append(b": still here\n\n")
        if pieces:
            yield b"".join(pieces)
            wrote_s = now_s
        await hub.wait(news, SCORE_EVERY_S if early else HEARTBEAT_S)


def _event(kind: str, data: bytes, event_id: str | None = None) -> bytes:
    """`data` is one line of JSON, and stays one also for readers that break lines where Unicode does."""
    for separator, escaped in SEPARATORS.items():
        data = data.replace(separator, escaped)
    lead = f"id: {event_id}\nevent: {kind}\n" if event_id else f"event: {kind}\n"
    return lead.encode() + b"data: " + data + b"\n\n"
