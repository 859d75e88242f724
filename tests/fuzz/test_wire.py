"""Whatever comes over the wire or out of a file of ours: it is understood, or refused with an error of ours."""

from __future__ import annotations

import io
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import FeedError, UsageError
from stream import listen as listen_module
from stream.feed.catch_up import Kept, OpenEvents, Page, Refusal, answer, decode_reply
from stream.feed.events import Received
from stream.feed.messages import AlertMessage, decode, encode, encode_sequence, topic_of
from stream.feed.position import PositionFile
from stream.feed.tracker import Tracker
from stream.keys import load_client_key
from stream.responses import read_responses
from tests.fuzz.bounded import few, refusal, usual
from tests.unit.stream.feed.made import a_status, an_alert

DEEP = b"[" * 100_000
GOOD = [encode(an_alert(seq=3, epoch="E", explanation="門")), encode(a_status(epoch="E", last_alert_seq=3))]
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([2**63, -(2**63), 1e308, -1e308, 1e-320]))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def changed(draw: st.DrawFn, good: list[bytes]) -> bytes:
    """A good message with bytes or fields changed."""
    data = draw(st.sampled_from(good))
    if draw(st.booleans()):
        tree = json.loads(data)
        for name in draw(st.lists(st.sampled_from([*tree, "other"]), min_size=1, max_size=3)):
            tree[name] = draw(values)
        return json.dumps(tree).encode()
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(max_size=4)) + data[at + draw(st.integers(0, 4)) :]


@given(st.one_of(st.binary(max_size=200), changed(GOOD)))
@usual
def test_a_message_is_one_or_a_feed_error(data: bytes) -> None:
    if error := refusal(FeedError, lambda: decode(data)):
        assert "\n" not in str(error)
    else:
        assert decode(encode(decode(data))) == decode(data)


@pytest.mark.parametrize(
    "data", [DEEP, b'{"schema": "vigil.alert/1", "x": ' + DEEP, b'{"schema":' * 50_000, b"\xff", b""]
)
def test_what_is_made_to_break_decoders_does_not(data: bytes) -> None:
    with pytest.raises(FeedError):
        decode(data)
    with pytest.raises(FeedError):
        decode_reply(data)
    assert isinstance(decode_reply(answer(data, Nothing(), "run")), Refusal)


@given(
    st.lists(st.one_of(st.binary(max_size=30), changed(GOOD), st.just(b"alerts/front/"), st.just(bytes(8))), max_size=5)
)
@usual
def test_a_subscriber_survives_any_frames(frames: list[bytes]) -> None:
    tracker = Tracker("tcp://127.0.0.1:5557", ("alerts", "status"), None, None, 0.0, since="all")
    tracker.connected(0.0)
    for number, message in enumerate((frames, [b"alerts/front/", encode_sequence(1), GOOD[0]])):
        tracker.take(message, float(number))
        tracker.ask(float(number))
        tracker.answer(b"".join(frames), float(number))
        tracker.tick(float(number))


@given(changed(GOOD), st.binary(max_size=8))
@usual
def test_a_subscriber_survives_any_alert_and_can_print_it(data: bytes, sequence: bytes) -> None:
    try:
        message = decode(data)
        name = topic_of(message).encode()
    except (FeedError, UsageError):
        return
    tracker = Tracker("tcp://127.0.0.1:5557", ("alerts", "status"), None, None, 0.0, since="all")
    tracker.connected(0.0)
    events = tracker.take([name, sequence.rjust(8, b"\0"), data], 0.0)
    for event in events:
        if isinstance(event, Received) and isinstance(event.message, AlertMessage):
            assert listen_module._renderer("table", io.StringIO())(event.message).count("\n") == 1
            assert listen_module._renderer("json", io.StringIO())(event.message).count("\n") == 1


@pytest.mark.parametrize("time_s", [1e308, -1e308, 1e18, -1e18, 253402300800.0, -62135596801.0])
def test_an_alert_of_no_time_of_this_world_can_be_printed(time_s: float) -> None:
    for kind in ("new", "update", "end"):
        alert = an_alert(type=kind, time=time_s, start_time=-time_s, end_time=time_s)
        assert listen_module._renderer("table", io.StringIO())(alert).count("\n") == 1


class Nothing:
    """A history with one alert."""

    epoch = "E"

    def since(self, seq: int, limit: int) -> Kept:
        return Kept(1, 3, [(3, GOOD[0])] if seq < 3 else [])

    def open_events(self) -> Kept:
        return Kept(1, 3, [(3, GOOD[0])])

    def close(self) -> None:
        return None


REQUESTS = [
    b'{"schema": "vigil.range/1", "after": 2, "cameras": ["front"], "limit": 10}',
    b'{"schema": "vigil.open/1", "cameras": null}',
]


@given(st.one_of(st.binary(max_size=200), changed(REQUESTS)))
@usual
def test_every_request_gets_a_reply(request: bytes) -> None:
    assert isinstance(decode_reply(answer(request, Nothing(), "run")), Page | OpenEvents | Refusal)


RESPONSES = [
    b'{"camera": "front", "segment": 0, "pts_s": 12.875, "score": 0.83, "text": "A man."}',
    b'{"camera": "front", "index": 13, "score": null, "reason": "no answer", "boxes": [{"x1":0,"y1":0,"x2":1,"y2":1}]}',
]


@given(st.lists(st.one_of(st.binary(max_size=60), changed(RESPONSES)), max_size=4))
@usual
def test_a_file_of_responses_is_one_or_a_usage_error(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_bytes(b"\n".join(lines))
    if error := refusal(UsageError, lambda: list(read_responses(path))):
        assert str(path) in error.message
        assert "\n" not in error.message
    else:
        assert all(response.score is None or 0 <= response.score <= 1 for response in read_responses(path))


@pytest.mark.parametrize(
    "line", [DEEP, b'{"camera": "a", "x": ' + DEEP, b'{"camera": "\xff", "index": 1}', b"\xff\xfe"]
)
def test_a_line_that_is_made_to_break_readers_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "responses.jsonl"
    path.write_bytes(RESPONSES[0] + b"\n" + line)
    with pytest.raises(UsageError, match="line 2"):
        list(read_responses(path))


@given(st.one_of(st.binary(max_size=100), changed([msgspec.json.encode({"epoch": "E", "seq": 3})])))
@few
def test_a_position_is_one_or_a_feed_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "position"
    path.write_bytes(data)
    error = refusal(FeedError, PositionFile(path).load)
    assert error is None or str(path) in error.message


@given(st.one_of(st.binary(max_size=200), st.text(alphabet='publicsecrtv-key ="\n', max_size=200).map(str.encode)))
@few
def test_a_key_is_one_or_a_usage_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(UsageError, match="is no client's key"):
        load_client_key(path)
