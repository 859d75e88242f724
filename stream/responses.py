"""Files of recorded responses: JSON lines, one object per window. Knows the format, not who asks or answers.

    {"camera": "front", "segment": 0, "pts_s": 12.875, "score": 0.83, "text": "A man climbs over the gate."}
    {"camera": "front", "segment": 0, "pts_s": 13.875, "time_s": 1767225613.9, "length_s": 1.0, "score": 0.21}
    {"camera": "front", "index": 13, "score": null, "reason": "scorer gave no answer within 30 s"}

`camera` and either `pts_s` (the window's end in stream time) or `index` are required; `segment`, `score`, `text`,
`boxes` (objects with x1, y1, x2, y2 in fractions of the picture, and label), `reason`, `time_s` (the window's end in
UTC) and `length_s` (how far back it looks) may be left out. A line with a `definition` is what was said of the window
by that further definition of the camera. An unknown key is an error.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from engine.errors import RuntimeFault, UsageError
from engine.recorded import Response
from engine.timeline import WindowMeta
from engine.types import Box, Judgement
from stream.side_thread import SideThread

log = logging.getLogger(__name__)

MOST_WAITING = 1000  # judgements in memory while the disk takes none; then no more are recorded


class _Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    camera: str
    segment: int | None = None
    index: int | None = None
    pts_s: float | None = None
    score: float | None = None
    text: str | None = None
    boxes: tuple[Box, ...] = ()
    reason: str = ""
    definition: str | None = None
    time_s: float | None = None
    length_s: float = 0.0


_decoder = msgspec.json.Decoder(_Line)


def read_responses(path: Path) -> Iterator[Response]:
    """The file's responses in its order. Raises UsageError that names the line which doesn't hold."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _response(line, f"{path}, line {number}")
    except OSError as error:
        raise UsageError(f"cannot read responses from {path}: {error.strerror or error}") from error


def _response(line: bytes, place: str) -> Response:
    try:
        return Response(**msgspec.structs.asdict(_decoder.decode(line)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{place}: {error}", advice="each line is one JSON object with a camera") from error
    except UsageError as error:
        raise UsageError(f"{place}: {error.message}") from error


class ResponseWriter:
    """Writes a new file of responses, each at once. Used from one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("xb", buffering=0)
        except FileExistsError as error:
            raise UsageError(f"{path} exists already", advice="name another file, or remove it first") from error
        except OSError as error:
            raise UsageError(f"cannot write responses to {path}: {error.strerror or error}") from error

    def write(self, window: WindowMeta, judgement: Judgement) -> None:
        """Raises RuntimeFault when the file can't take more, for example on a full disk."""
        judgements = [(None, judgement), *judgement.further.items()]
        lines = [
            _Line(
                camera=window.camera,
                segment=window.segment,
                pts_s=window.pts_s,
                score=each.score,
                text=each.text,
                boxes=each.boxes,
                reason=each.reason,
                definition=definition,
                time_s=window.time_s,
                length_s=window.length_s,
            )
            for definition, each in judgements
        ]
        try:
            self._file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        except OSError as error:
            raise RuntimeFault(f"cannot write responses to {self._path}: {error.strerror or error}") from error

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ResponseRecorder:
    """A `ResponseWriter` with a thread of its own: who records never waits, and is not bothered by a disk that fails.

    What goes wrong is said in the log, and ends the recording. Used from one thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ResponseWriter(path)
        self._thread = SideThread("vigil-record")
        self._waiting: deque[Future[None]] = deque()
        self._over = False

    def write(self, window: WindowMeta, judgement: Judgement) -> None:
        self._look()
        if not self._over:
            self._waiting.append(self._thread.begin(lambda: self._writer.write(window, judgement)))

    def close(self) -> None:
        """Write what waits, if the disk takes it within some seconds."""
        self._thread.begin(self._writer.close)
        self._thread.close()
        self._look()

    def _look(self) -> None:
        """At what became of what was written."""
        try:
            while self._waiting and self._waiting[0].done():
                self._waiting.popleft().result()
            if len(self._waiting) >= MOST_WAITING:
                raise RuntimeFault(f"cannot write responses to {self._path}: the disk does not answer")
        except RuntimeFault as error:
            log.error("%s; nothing more is recorded", error)
            self._over = True
            self._waiting.clear()
