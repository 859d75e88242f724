"""Asking for alerts that were told before: requests, replies, and what answers them. Knows no socket and no outbox.

A request is one frame of JSON and gets one frame of JSON: what was asked for, or a refusal. See docs/feed.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

import msgspec

from engine.errors import FeedError, VigilError
from stream.feed.messages import UNREADABLE

PAGE_ALERTS, PAGE_BYTES = 500, 1 << 20  # the most in one reply, whichever is reached first

_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class RangeRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="vigil.range/1"):
    """The oldest alerts after a number; of these cameras, or of all."""

    after: _Seq
    cameras: tuple[str, ...] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1)] = PAGE_ALERTS


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="vigil.open/1"):
    """The last alert of each event that has not ended."""

    cameras: tuple[str, ...] | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="vigil.page/1"):
    """All there is from `after` up to and including `through`, oldest first. What follows, ask for after `through`.

    `missing` alerts of any camera between the two are not kept any more, most of them because they were
    older than `first_seq`.
    """

    run: str
    epoch: str
    first_seq: int  # the oldest kept; 0 when there is none
    last_seq: int  # the newest told
    through: int
    missing: int
    alerts: tuple[msgspec.Raw, ...]


class OpenEvents(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="vigil.open_events/1"):
    """The events that are open when all alerts up to `last_seq` are told, in the order of their last alerts."""

    run: str
    epoch: str
    last_seq: int
    alerts: tuple[msgspec.Raw, ...]


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag="vigil.error/1"):
    """Why there is no answer; `again` says whether asking the same later may be of use."""

    message: str
    advice: str = ""
    again: bool = True


Request = RangeRequest | OpenRequest
Reply = Page | OpenEvents | Refusal

_encoder = msgspec.json.Encoder()
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_replies: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def encode(message: Request | Reply) -> bytes:
    return _encoder.encode(message)


def decode_reply(data: bytes) -> Reply:
    """Raises FeedError for what is none."""
    try:
        return _replies.decode(data)
    except UNREADABLE as error:
        raise FeedError(f"no reply of catch-up: {error}", advice="are both ends of the same version?") from error


@dataclass(frozen=True, slots=True)
class Kept:
    """Alerts as (seq, JSON), oldest first; and the first number kept and the last given out, 0 for none."""

    first_seq: int
    last_seq: int
    alerts: list[tuple[int, bytes]]


class History(Protocol):
    """What was told. Raises VigilError when it can't be read."""

    epoch: str

    def since(self, seq: int, limit: int) -> Kept:
        """The oldest alerts after `seq`, at most `limit`."""
        ...

    def open_events(self) -> Kept:
        """The last alert of each event that has not ended by `last_seq`."""
        ...

    def close(self) -> None: ...


def answer(request: bytes, history: History, run: str) -> bytes:
    """The reply to a request, whatever it is."""
    try:
        asked = _requests.decode(request)
        return encode(_page(asked, history, run) if isinstance(asked, RangeRequest) else _open(asked, history, run))
    except UNREADABLE as error:
        return encode(Refusal(message=f"no request: {error}", advice="see docs/feed.md", again=False))
    except VigilError as error:
        return encode(Refusal(message=error.message, advice=error.advice))


def _page(asked: RangeRequest, history: History, run: str) -> Page:
    limit = min(asked.limit, PAGE_ALERTS)
    kept = history.since(asked.after, limit)
    rows: list[tuple[int, bytes]] = []
    size = 0
    for seq, alert in kept.alerts:
        size += len(alert)
        if rows and size > PAGE_BYTES:
            break
        rows.append((seq, alert))
    all_of_it = len(rows) == len(kept.alerts) < limit
    through = max(asked.after, kept.last_seq) if all_of_it else rows[-1][0]
    readable = [(camera, alert) for _, alert in rows if (camera := _camera(alert)) is not None]
    return Page(
        run=run,
        epoch=history.epoch,
        first_seq=kept.first_seq,
        last_seq=kept.last_seq,
        through=through,
        missing=through - asked.after - len(readable),
        alerts=tuple(msgspec.Raw(alert) for camera, alert in readable if _wanted(camera, asked.cameras)),
    )


def _open(asked: OpenRequest, history: History, run: str) -> OpenEvents:
    kept = history.open_events()
    alerts = [alert for _, alert in kept.alerts if _wanted(_camera(alert), asked.cameras)]
    return OpenEvents(run=run, epoch=history.epoch, last_seq=kept.last_seq, alerts=tuple(map(msgspec.Raw, alerts)))


def _wanted(camera: str | None, cameras: tuple[str, ...] | None) -> bool:
    return camera is not None and (cameras is None or camera in cameras)


class _OfCamera(msgspec.Struct):
    camera: str


_of_camera: msgspec.json.Decoder[_OfCamera] = msgspec.json.Decoder(_OfCamera)


def _camera(alert: bytes) -> str | None:
    """The camera that an alert is about; None when it is no JSON, which would spoil the whole reply."""
    try:
        return _of_camera.decode(alert).camera
    except UNREADABLE:
        return None
