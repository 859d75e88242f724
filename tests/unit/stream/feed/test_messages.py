import json
import subprocess
import sys

import pytest

from engine.errors import FeedError, UsageError
from stream.feed.messages import (
    AlertMessage,
    ScoreMessage,
    StatusMessage,
    decode,
    decode_sequence,
    encode,
    encode_sequence,
    topic,
    topic_of,
)
from tests.unit.stream.feed.made import an_alert


def test_every_message_comes_back_from_the_wire_as_it_went() -> None:
    status = StatusMessage(camera="front", state="stalled", since=1.0, time=2.0, fault="stalled", fps=7.9)
    score = ScoreMessage(
        camera="front",
        time=3.0,
        pts_s=1.0,
        segment=0,
        index=1,
        raw=None,
        cleaned=None,
        score=0.2,
        held=True,
        reason="x",
    )
    for message in (an_alert(explanation="A “quoted” gate\n門"), status, score):
        assert decode(encode(message)) == message


def test_an_alert_has_the_documented_fields() -> None:
    fields = json.loads(encode(an_alert()))
    assert fields["schema"] == "vigil.alert/1"
    documented = {
        *("schema", "seq", "epoch", "type", "id", "camera", "start_time", "end_time", "severity", "score", "top_score"),
        *("threshold", "definition", "explanation", "explanation_state", "boxes", "has_snapshot", "has_clip", "timing"),
        *("model", "suppressed_count"),
    }
    added = {"snapshot", "snapshot_note", "snapshot_time", "end_reason", "run", "time"}
    added |= {"clip", "clip_note", "clip_start_time", "fault"}
    assert set(fields) == documented | added
    assert set(fields["timing"]) == {"frame_time", "window_end", "scored_time", "published_time"}
    assert set(fields["model"]) == {"scorer", "name", "prompt_sha256"}


def test_the_other_schemas_are_named_too() -> None:
    assert json.loads(encode(StatusMessage(camera="a", state="live", since=0, time=0)))["schema"] == "vigil.status/1"
    score = ScoreMessage(camera="a", time=0, pts_s=0, segment=0, index=0, raw=0.1, cleaned=0.1, score=0.1)
    assert json.loads(encode(score))["schema"] == "vigil.score/1"


def test_has_snapshot_and_has_clip_follow_the_paths() -> None:
    assert not an_alert().has_snapshot
    with_both = an_alert(snapshot="snapshots/E1.jpg", clip="clips/E1.mp4")
    assert with_both.has_snapshot
    assert with_both.has_clip
    lying = json.loads(encode(an_alert())) | {"has_clip": True}
    decoded = decode(json.dumps(lying).encode())
    assert isinstance(decoded, AlertMessage)
    assert not decoded.has_clip


def test_unknown_fields_are_ignored() -> None:
    fields = json.loads(encode(an_alert())) | {"invented_later": {"a": [1]}}
    assert decode(json.dumps(fields).encode()) == an_alert()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"camera": "front"}',
        b'{"schema": "vigil.alert/1"}',
        b'{"schema": "vigil.alert/2", "camera": "front"}',
        encode(an_alert()).replace(b'"new"', b'"gone"'),
        encode(an_alert()).replace(b"0.8", b'"high"'),
    ],
)
def test_what_is_no_message_raises_a_feed_error(data: bytes) -> None:
    with pytest.raises(FeedError):
        decode(data)


def test_sequences_are_eight_bytes_big_endian() -> None:
    assert encode_sequence(258) == bytes([0, 0, 0, 0, 0, 0, 1, 2])
    assert decode_sequence(encode_sequence(2**63)) == 2**63
    with pytest.raises(FeedError):
        decode_sequence(b"1234567")


def test_topics_end_in_a_slash_so_that_no_camera_is_the_prefix_of_another() -> None:
    assert topic_of(an_alert()) == "alerts/front/"
    assert topic("status") == "status/"
    assert not topic("alerts", "front2").startswith(topic("alerts", "front"))


@pytest.mark.parametrize("camera", ["", "a/b"])
def test_a_name_that_would_break_topics_is_refused(camera: str) -> None:
    with pytest.raises(UsageError):
        topic("alerts", camera)


def test_other_programs_import_the_feed_cheaply() -> None:
    code = (
        "import sys, stream.feed; print([name for name in ('cv2', 'av', 'torch', 'numpy', 'pydantic', 'rich') "
        "if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"
