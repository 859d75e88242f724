"""What `vigil listen` prints: the alerts of a feed, for people or for programs. Knows only the feed.

Texts come from models and cameras and are data: nothing in them reaches the terminal as a command.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Literal, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from engine.errors import FeedError
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
    Since,
    subscribe,
)
from stream.feed.messages import encode
from stream.printable import printable

INTERRUPTED = 130  # as the shell counts a program that Ctrl-C ended, so `vigil listen --count 1 && next` stops there

_COLUMNS = {"time": 8, "camera": 12, "event": 6, "severity": 9, "score": 5}  # and the sentence after or under them
_WIDE = 100  # from here on it has room after them
_UNDER = _COLUMNS["time"] + 2  # where a line begins that stands under them
_TYPE_STYLES = {"new": Style(color="red", bold=True), "update": Style(color="yellow"), "end": Style(color="green")}
_LONGEST_S = 1e10  # that is told as it is
_DIM = Style(dim=True)
_UNSAID = {"pending": "(an explanation follows)", "final": ""}  # when there is no explanation


def listen(
    endpoint: str,
    camera: str | None = None,
    format: Literal["table", "json"] = "table",
    count: int | None = None,
    timeout_s: float | None = None,
    from_seq: int | None = None,
    key: Path | None = None,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Print alerts until `count` of them came; returns the exit code.

    With `from_seq` those that were told before come first, from that number on; with 0 all that are kept. What comes
    is printed in any case, also when the outbox does not reach that number.
    0: `count` came, or whoever reads `out` has had enough. 1: none came for `timeout_s`, or `key`, a file, is refused.
    130: Ctrl-C.
    With "json", `out` gets one ASCII object a line and nothing else. What is said about the connection, and
    what was missed, goes to `err`. Raises UsageError for an endpoint or a key that makes no sense.
    """
    out = out or sys.stdout
    err = err or sys.stderr
    show = _renderer(format, out)
    notices = _Notices(endpoint, from_seq or 0)
    left = count
    cameras = None if camera is None else [camera]
    since: Since = "now" if from_seq is None else Position("", from_seq - 1) if from_seq else "all"
    try:
        with subscribe(endpoint, cameras=cameras, since=since, key=key, timeout_s=timeout_s) as feed:
            for event in feed:
                if isinstance(event, Received) and isinstance(event.message, AlertMessage):
                    _write(out, show(event.message))
                    left = None if left is None else left - 1
                    if left == 0:
                        break
                elif notice := notices.about(event):
                    _write(err, f"vigil: {notice}\n")
    except FeedError as error:
        _write(err, f"vigil: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        _silence(out)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def harmless(text: str) -> str:
    """The text in one line, `printable`."""
    return printable(" ".join(text.split()))


def sentence(message: AlertMessage) -> str:
    """What happened, in words; for an end also how long it lasted and why it is over."""
    said = message.explanation or _UNSAID.get(message.explanation_state, "(not explained)")
    if message.definition != "default":
        said = f"[{message.definition}] {said}"
    if message.type != "end":
        return harmless(said)
    lasted = duration((message.end_time or message.start_time) - message.start_time)
    return harmless(f"Lasted {lasted} ({(message.end_reason or 'over').replace('_', ' ')}). {said}")


def clip(message: AlertMessage) -> str:
    """Where the clip lies, and what to know before playing it; nothing when there is none."""
    note = f" ({message.clip_note})" if message.clip_note else ""
    return harmless(f"clip: {message.clip}{note}") if message.clip else ""


def duration(seconds: float) -> str:
    """Two units at most: 4 s, 3 min 5 s, 2 h 10 min."""
    whole = round(min(max(0.0, seconds), _LONGEST_S))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class _Notices:
    """What people are told besides alerts."""

    def __init__(self, endpoint: str, from_seq: int) -> None:
        self._endpoint = endpoint
        self._from_seq = from_seq
        self._announced: Link | None = None  # a connection that is simply there is not news

    def about(self, event: Event) -> str:
        """One line, or nothing."""
        match event:
            case Missed(topic, count):
                return harmless(f"missed {count} message{'s' * (count != 1)} of {topic.rstrip('/')}")
            case NewEpoch() if self._from_seq > 1:
                return (
                    f"the publisher has another outbox than before, or one without an alert {self._from_seq - 1} yet; "
                    "what comes next is shown, and with --from-seq 0 all that is kept"
                )
            case NewEpoch():
                return "the publisher has another outbox than before"
            case NoCatchUp(reason):
                return harmless(f"alerts that were missed can't be fetched: {reason}")
            case Garbage(reason):
                return harmless(f"dropped something that is no message of a feed: {reason}")
            case Link.CONNECTED:
                before, self._announced = self._announced, None
                return (
                    {
                        Link.WAITING: f"connected to {self._endpoint}",
                        Link.LOST: f"connected to {self._endpoint} again",
                        Link.SILENT: "the publisher is heard again",
                    }[before]
                    if before
                    else ""
                )
            case Link():
                self._announced = event
                return {
                    Link.WAITING: f"waiting for a publisher at {self._endpoint}",
                    Link.LOST: f"lost the publisher at {self._endpoint}, waiting for it to come back",
                    Link.SILENT: "connected, but nothing is heard: the publisher may hang",
                }[event]
        return ""


def _renderer(format: Literal["table", "json"], out: TextIO) -> Callable[[AlertMessage], str]:
    if format == "json":
        return lambda message: json.dumps(json.loads(encode(message)), separators=(",", ":")) + "\n"
    if out.isatty():
        return _Screen(Console(file=out, highlight=False, markup=False, emoji=False)).show
    return _plain


def _cells(message: AlertMessage) -> tuple[datetime, str, str, str, str, str]:
    """When it happened in local time, then the other columns."""
    happened_s = {"new": message.start_time, "end": message.end_time}.get(message.type) or message.time
    score = message.top_score if message.type == "end" else message.score
    return (
        _local_time(happened_s),
        harmless(message.camera),
        message.type,
        harmless(message.severity),
        f"{score:.2f}" if message.fault is None else "-",
        sentence(message),
    )


def _local_time(time_s: float) -> datetime:
    """The beginning of time for what no calendar has."""
    try:
        return datetime.fromtimestamp(time_s).astimezone()
    except (OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(0).astimezone()


def _plain(message: AlertMessage) -> str:
    """One line, however long: for pipes and log files."""
    when, *rest, said = _cells(message)
    columns = [f"{cell:<{width}}" for cell, width in zip(rest, list(_COLUMNS.values())[1:], strict=True)]
    return "  ".join([when.isoformat(" ", "seconds"), *columns, said, clip(message)]).rstrip() + "\n"


class _Screen:
    """Rows with a heading, as wide as the terminal is, and a line where a day begins."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._day: date | None = None

    def show(self, message: AlertMessage) -> str:
        when, camera, kind, severity, score, said = _cells(message)
        style = _TYPE_STYLES[kind]
        cells = [
            Text(f"{when:%H:%M:%S}"),
            Text(camera),
            Text(kind, style),
            Text(severity, style if severity == "alert" else _DIM),
            Text(score),
        ]
        with self._console.capture() as capture:
            if self._day is None:
                self._row([Text(name, _DIM) for name in _COLUMNS], Text("what", _DIM))
            if self._day != when.date():
                self._day = when.date()
                self._console.print(Text(f"{when:%A %Y-%m-%d}", _DIM))
            self._row(cells, Text(said))
            if path := clip(message):  # never folded, so that it can be copied
                self._console.print(Text(" " * _UNDER + path, _DIM), soft_wrap=True)
        return capture.get()

    def _row(self, cells: list[Text], said: Text) -> None:
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        for width in _COLUMNS.values():
            table.add_column(width=width, no_wrap=True, overflow="ellipsis")
        table.add_column(ratio=1, overflow="fold")
        if self._console.width >= _WIDE:
            table.add_row(*cells, said)
            self._console.print(table)
        else:
            table.add_row(*cells)
            self._console.print(table, Padding(said, (0, 0, 0, _UNDER)), sep="")


def _write(stream: TextIO, text: str) -> None:
    """At once, and without failing for a character that the stream's encoding lacks."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


def _silence(stream: TextIO) -> None:
    """Let Python's flush at exit go nowhere instead of complaining about the broken pipe once more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
