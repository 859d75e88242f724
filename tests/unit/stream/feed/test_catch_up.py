"""What is answered to which request: pages, snapshots, and one refusal for anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FeedError, OutboxError
from stream.feed.catch_up import PAGE_ALERTS, PAGE_BYTES, Kept, Refusal, answer, decode_reply, encode
from stream.feed.messages import encode as encode_message
from tests.unit.stream.feed.made import an_alert


class Told:
    """Alerts from `first` to `last`, of two cameras by turns."""

    epoch = "E"

    def __init__(self, first: int, last: int, *, text: str = "") -> None:
        self.first, self.last = first, last
        self._text = text

    def since(self, seq: int, limit: int) -> Kept:
        numbers = range(max(self.first, seq + 1), self.last + 1)[:limit]
        return Kept(self.first, self.last, [(number, self._alert(number)) for number in numbers])

    def open_events(self) -> Kept:
        return Kept(0, self.last, [(number, self._alert(number)) for number in range(self.first, self.last + 1)])

    def close(self) -> None: ...

    def _alert(self, seq: int) -> bytes:
        camera = "front" if seq % 2 else "back"
        return encode_message(an_alert(seq=seq, camera=camera, explanation=self._text))


class Broken(Told):
    def since(self, seq: int, limit: int) -> Kept:
        raise OutboxError("the disk is gone", advice="find it")


def ask(history: Told, **request: Any) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(answer(json.dumps(request).encode(), history, "R"))
    return reply


def seqs(reply: dict[str, Any]) -> list[int]:
    return [alert["seq"] for alert in reply["alerts"]]


def test_a_page_has_what_is_kept_after_a_number() -> None:
    reply = ask(Told(1, 5), schema="vigil.range/1", after=3)
    assert seqs(reply) == [4, 5]
    del reply["alerts"]
    assert reply == {
        "schema": "vigil.page/1",
        "run": "R",
        "epoch": "E",
        "first_seq": 1,
        "last_seq": 5,
        "through": 5,
        "missing": 0,
    }


def test_a_page_ends_after_its_limit_and_the_next_begins_there() -> None:
    history = Told(1, 2 * PAGE_ALERTS)
    reply = ask(history, schema="vigil.range/1", after=0, limit=3)
    assert (seqs(reply), reply["through"]) == ([1, 2, 3], 3)
    reply = ask(history, schema="vigil.range/1", after=0, limit=10**9)
    assert (len(seqs(reply)), reply["through"]) == (PAGE_ALERTS, PAGE_ALERTS)


def test_a_page_has_no_more_bytes_than_a_page_may_but_one_alert_in_any_case() -> None:
    reply = answer(b'{"schema": "vigil.range/1", "after": 0}', Told(1, 50, text="x" * 100_000), "R")
    assert PAGE_BYTES - 200_000 < len(reply) < PAGE_BYTES + 1000
    assert json.loads(reply)["through"] == 10
    huge = ask(Told(1, 3, text="x" * 2 * PAGE_BYTES), schema="vigil.range/1", after=0)
    assert (seqs(huge), huge["through"]) == ([1], 1)


def test_other_cameras_are_left_out_but_count_as_seen() -> None:
    reply = ask(Told(1, 6), schema="vigil.range/1", after=1, cameras=["back", "none"])
    assert (seqs(reply), reply["through"], reply["missing"]) == ([2, 4, 6], 6, 0)


def test_what_is_not_kept_any_more_is_counted() -> None:
    reply = ask(Told(5, 6), schema="vigil.range/1", after=2)
    assert (seqs(reply), reply["missing"], reply["first_seq"]) == ([5, 6], 2, 5)


def test_a_number_beyond_the_newest_gets_an_empty_page() -> None:
    reply = ask(Told(1, 2), schema="vigil.range/1", after=9)
    assert (seqs(reply), reply["through"], reply["missing"], reply["last_seq"]) == ([], 9, 0, 2)


def test_an_alert_that_is_no_json_does_not_spoil_the_page() -> None:
    class Rotten(Told):
        def _alert(self, seq: int) -> bytes:
            return b'{"camera": "fro' if seq == 2 else super()._alert(seq)

    reply = ask(Rotten(1, 3), schema="vigil.range/1", after=0)
    assert (seqs(reply), reply["missing"]) == ([1, 3], 1)


def test_a_snapshot_has_the_open_events_of_the_cameras_asked_for() -> None:
    reply = ask(Told(1, 3), schema="vigil.open/1", cameras=["front"])
    assert (reply["schema"], reply["epoch"], reply["last_seq"], seqs(reply)) == ("vigil.open_events/1", "E", 3, [1, 3])


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"after": 1}',
        b'{"schema": "vigil.range/1"}',
        b'{"schema": "vigil.range/2", "after": 1}',
        b'{"schema": "vigil.range/1", "after": -1}',
        b'{"schema": "vigil.range/1", "after": 99999999999999999999}',
        b'{"schema": "vigil.range/1", "after": 1, "limit": 0}',
        b'{"schema": "vigil.range/1", "after": 1, "cameras": "front"}',
        b'{"schema": "vigil.page/1"}',
    ],
)
def test_what_is_no_request_is_refused_with_a_reason(request_: bytes) -> None:
    reply = decode_reply(answer(request_, Told(1, 1), "R"))
    assert isinstance(reply, Refusal)
    assert reply.message.startswith("no request: ")
    assert not reply.again


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise(data: bytes) -> None:
    decode_reply(answer(data, Told(1, 1), "R"))


def test_an_outbox_that_cannot_be_read_is_said() -> None:
    reply = ask(Broken(1, 1), schema="vigil.range/1", after=0)
    assert reply == {"schema": "vigil.error/1", "message": "the disk is gone", "advice": "find it", "again": True}


def test_fields_that_a_later_version_adds_are_ignored() -> None:
    assert seqs(ask(Told(1, 1), schema="vigil.range/1", after=0, colour="red")) == [1]


def test_what_is_no_reply_raises() -> None:
    with pytest.raises(FeedError, match="no reply of catch-up"):
        decode_reply(b"{}")
    assert decode_reply(encode(Refusal(message="no"))) == Refusal(message="no")
