import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import FeedError, UsageError
from stream import listen as listen_module
from stream.feed import (
    AlertMessage,
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
from stream.feed.messages import decode, encode, topic_of
from stream.listen import INTERRUPTED, duration, harmless, listen, sentence
from tests.unit.stream.feed.made import a_status, an_alert

ENDPOINT = "tcp://127.0.0.1:5557"
NOON_S = 1718971200.0  # 2024-06-21 12:00:00 UTC


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def in_madrid(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Madrid")
        patch.setenv("COLUMNS", "80")
        patch.setenv("TERM", "xterm")
        patch.delenv("NO_COLOR", raising=False)
        time.tzset()
        yield
    time.tzset()


def received(message: AlertMessage) -> Received:
    return Received(topic_of(message), 1, message)


def feed_of(monkeypatch: pytest.MonkeyPatch, events: Iterable[Event | BaseException]) -> dict[str, Any]:
    """Puts these events in the place of a real feed; what it was asked for comes back."""
    asked: dict[str, Any] = {}

    def play() -> Iterator[Event]:
        for event in events:
            if isinstance(event, BaseException):
                raise event
            yield event

    @contextmanager
    def subscribe(endpoint: str, **options: Any) -> Iterator[Iterator[Event]]:
        asked.update(options, endpoint=endpoint)
        yield play()

    monkeypatch.setattr(listen_module, "subscribe", subscribe)
    return asked


def told(kind: str = "new", **changes: object) -> AlertMessage:
    return an_alert(
        **{"type": kind, "start_time": NOON_S, "end_time": NOON_S + 95 if kind == "end" else None, **changes}
    )


def test_a_pipe_gets_one_aligned_line_per_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = [
        told(explanation="A man climbs over the gate."),
        told(camera="yard", severity="detection", score=0.5),
        told("end", explanation="A man ran.", end_reason="max_duration", clip="clips/E1.mp4", clip_note="HEVC"),
    ]
    alerts.append(told(fault="lost", severity="fault", score=1.0, definition="camera", explanation="Lost: cut off."))
    feed_of(monkeypatch, map(received, alerts))
    out = io.StringIO()
    assert listen(ENDPOINT, count=4, out=out) == 0
    assert out.getvalue().splitlines() == [
        "2024-06-21 14:00:00+02:00  front         new     alert      0.80   A man climbs over the gate.",
        "2024-06-21 14:00:00+02:00  yard          new     detection  0.50   (not explained)",
        "2024-06-21 14:01:35+02:00  front         end     alert      0.90   "
        "Lasted 1 min 35 s (max duration). A man ran.  clip: clips/E1.mp4 (HEVC)",
        "2024-06-21 14:00:00+02:00  front         new     fault      -      [camera] Lost: cut off.",
    ]


def test_a_terminal_gets_a_heading_the_day_and_wrapped_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "A man climbs over the gate, and then he walks to the car and opens its door."
    next_day = told(start_time=NOON_S + 86400, explanation="A dog.")
    feed_of(monkeypatch, map(received, [told(explanation=long), next_day]))
    out = Screen()
    assert listen(ENDPOINT, count=2, out=out) == 0
    text = out.getvalue()
    assert text.count("severity") == 1
    assert text.index("Friday 2024-06-21") < text.index("14:00:00") < text.index("Saturday 2024-06-22")
    assert "\x1b[1;31mnew" in text
    assert "he walks to the car and opens its door." not in text  # it goes on in the next line
    assert "its" in text


def test_an_update_has_the_time_of_its_score(monkeypatch: pytest.MonkeyPatch) -> None:
    feed_of(monkeypatch, [received(told("update", time=NOON_S + 30))])
    out = io.StringIO()
    listen(ENDPOINT, count=1, out=out)
    assert out.getvalue().startswith("2024-06-21 14:00:30+02:00  front")


@pytest.mark.parametrize(("columns", "beside"), [("99", False), ("100", True)])
def test_the_sentence_stands_beside_the_rest_where_there_is_room_and_else_under_it(
    monkeypatch: pytest.MonkeyPatch, columns: str, beside: bool
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    feed_of(monkeypatch, [received(told(explanation="A dog."))])
    out = Screen()
    listen(ENDPOINT, count=1, out=out)
    (line,) = [line for line in out.getvalue().splitlines() if "A dog." in line]
    assert ("14:00:00" in line) is beside
    assert len(line.rstrip()) <= int(columns)


def test_a_clip_s_path_stays_in_one_piece_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "events/2024-06-21/front/01J0XJ7Q4G3V5N8K2M6P9R1S3T.mp4"
    feed_of(monkeypatch, [received(told("end", clip=path))])
    out = Screen()
    listen(ENDPOINT, count=1, out=out)
    assert f"clip: {path}" in out.getvalue()


def test_json_is_one_ascii_object_a_line_that_says_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = [told(explanation='門\u2028\u0085\x9b31m \x1b[2J\n"quoted"'), told("end")]
    feed_of(monkeypatch, [Link.WAITING, Link.CONNECTED, *map(received, alerts)])
    out, err = io.StringIO(), io.StringIO()
    assert listen(ENDPOINT, format="json", count=2, out=out, err=err) == 0
    lines = out.getvalue().splitlines()
    assert out.getvalue().isascii()
    assert [decode(line.encode()) for line in lines] == alerts
    assert list(json.loads(lines[0])) == list(json.loads(encode(alerts[0])))
    assert len(err.getvalue().splitlines()) == 2


@pytest.mark.parametrize("out", [io.StringIO(), Screen()])
def test_nothing_that_a_camera_or_a_model_says_steers_the_terminal(
    monkeypatch: pytest.MonkeyPatch, out: io.StringIO
) -> None:
    evil = "\x1b]0;title\x07 \x1b[2J\x9b31m\r\n\u202egnp.exe [red]markup :smile: \u2028"
    alert = told(
        "end", camera=evil, severity=evil, explanation=evil, end_reason=evil, clip=evil, clip_note=evil, id=evil
    )
    feed_of(monkeypatch, [received(alert)])
    assert listen(ENDPOINT, count=1, out=out) == 0
    text = out.getvalue()
    steering = ["\x1b]", "\x1b[2J", "\x9b", "\x07", "\r", "\u202e", "\u2028"]
    assert [one for one in steering if one in text] == []
    if not out.isatty():
        assert len(text.splitlines()) == 1
        assert "[red]markup :smile:" in text


@settings(deadline=None)
@given(st.text())
def test_harmless_text_is_one_line_and_stays_harmless(text: str) -> None:
    clean = harmless(text)
    assert len(clean.splitlines()) <= 1
    assert clean == harmless(clean)
    assert all(character.isprintable() or ord(character) > 0x9F for character in clean)


def test_ordinary_text_of_any_language_stays_as_it_is() -> None:
    for text in ("Una persona corre.", "門を越える", "يركض رجل", "क्षण", "👩‍🚒 runs"):
        assert harmless(text) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7890, "2 h 11 min")],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def notices_of(monkeypatch: pytest.MonkeyPatch, events: Iterable[Event | BaseException]) -> list[str]:
    feed_of(monkeypatch, events)
    out, err = io.StringIO(), io.StringIO()
    listen(ENDPOINT, out=out, err=err)
    assert out.getvalue() == ""
    return err.getvalue().splitlines()


def test_a_connection_that_is_simply_there_is_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notices_of(monkeypatch, [Link.CONNECTED, Restarted("B")]) == []


def test_waiting_losing_and_reconnecting_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = [Link.WAITING, Link.CONNECTED, Link.LOST, Link.CONNECTED, Link.SILENT, Link.CONNECTED]
    assert notices_of(monkeypatch, events) == [
        f"vigil: waiting for a publisher at {ENDPOINT}",
        f"vigil: connected to {ENDPOINT}",
        f"vigil: lost the publisher at {ENDPOINT}, waiting for it to come back",
        f"vigil: connected to {ENDPOINT} again",
        "vigil: connected, but nothing is heard: the publisher may hang",
        "vigil: the publisher is heard again",
    ]


def test_what_was_missed_or_dropped_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = [
        Missed("alerts/front/", 1),
        Missed("alerts/a\x1b/", 3),
        Garbage("no\x07 schema"),
        NewEpoch("F"),
        NoCatchUp("no \x1breply"),
    ]
    assert notices_of(monkeypatch, events) == [
        "vigil: missed 1 message of alerts/front",
        "vigil: missed 3 messages of alerts/a�",
        "vigil: dropped something that is no message of a feed: no� schema",
        "vigil: the publisher has another outbox than before",
        "vigil: alerts that were missed can't be fetched: no �reply",
    ]


def test_a_number_to_begin_with_that_the_outbox_does_not_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    feed_of(monkeypatch, [NewEpoch("F"), received(told())])
    out, err = io.StringIO(), io.StringIO()
    assert listen(ENDPOINT, from_seq=1000, count=1, out=out, err=err) == 0
    assert "another outbox than before, or one without an alert 999 yet" in err.getvalue()
    assert len(out.getvalue().splitlines()) == 1


def test_only_alerts_are_counted_and_the_rest_stays_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event | BaseException] = [
        Link.CONNECTED,
        Received("status/front/", 1, a_status()),
        received(told()),
        AssertionError("too far"),
    ]
    feed_of(monkeypatch, events)
    out = io.StringIO()
    assert listen(ENDPOINT, count=1, out=out) == 0
    assert len(out.getvalue().splitlines()) == 1


def test_camera_and_timeout_are_asked_of_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = feed_of(monkeypatch, [])
    assert listen(ENDPOINT, camera="front", timeout_s=3.0, out=io.StringIO()) == 0
    assert asked == {"endpoint": ENDPOINT, "cameras": ["front"], "since": "now", "key": None, "timeout_s": 3.0}
    listen(ENDPOINT, out=io.StringIO())
    assert asked["cameras"] is None


@pytest.mark.parametrize(("from_seq", "since"), [(0, "all"), (1, Position("", 0)), (17, Position("", 16))])
def test_the_past_is_asked_for_from_the_number_on(monkeypatch: pytest.MonkeyPatch, from_seq: int, since: Since) -> None:
    asked = feed_of(monkeypatch, [])
    listen(ENDPOINT, from_seq=from_seq, out=io.StringIO())
    assert asked["since"] == since


def test_a_timeout_is_one_clear_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    feed_of(monkeypatch, [received(told()), FeedError("no message from x in 3 s", advice="wait longer")])
    err = io.StringIO()
    assert listen(ENDPOINT, out=io.StringIO(), err=err) == 1
    assert err.getvalue() == "vigil: no message from x in 3 s: wait longer\n"


def test_a_bad_endpoint_is_the_caller_s_to_report() -> None:
    with pytest.raises(UsageError):
        listen("nonsense", out=io.StringIO())


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    feed_of(monkeypatch, [KeyboardInterrupt()])
    err = io.StringIO()
    assert listen(ENDPOINT, out=io.StringIO(), err=err) == INTERRUPTED
    assert err.getvalue() == ""


def test_an_output_that_cannot_write_a_character_gets_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    feed_of(monkeypatch, [received(told(explanation="a 門 b"))])
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="latin-1")
    assert listen(ENDPOINT, count=1, out=out) == 0
    assert raw.getvalue().rstrip().endswith(b"a ? b")


BROKEN_PIPE = """
import sys
from contextlib import contextmanager
from stream import listen
from tests.unit.stream.feed.made import an_alert
@contextmanager
def subscribe(endpoint, **options):
    yield (listen.Received("alerts/front/", n, an_alert()) for n in range(100_000))
listen.subscribe = subscribe
sys.exit(listen.listen("x"))
"""


@pytest.mark.skipif(os.name == "nt", reason="pipes break differently there")
def test_a_reader_that_has_had_enough_ends_it_quietly() -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", BROKEN_PIPE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    assert "front" in writer.stdout.readline()
    writer.stdout.close()
    with writer.stderr as said:
        assert said.read() == ""
    assert writer.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"explanation_state": "pending"}, "(an explanation follows)"),
        ({"explanation": "He runs.", "definition": "a man who runs"}, "[a man who runs] He runs."),
        ({"explanation_state": "pending", "definition": "fire"}, "[fire] (an explanation follows)"),
    ],
)
def test_what_fired_is_named_and_words_that_follow_are_announced(keys: dict[str, Any], said: str) -> None:
    assert sentence(an_alert(**keys)) == said
