"""What the watch tells, for any number of viewers, each at its own pace. Knows no web and no thread.

Alerts are kept in order: the newest in memory, all of them in the outbox. Of states and scores only the newest counts,
so a viewer that is slow misses some of those, and nothing is ever queued for it. Marks are told when they are made; who
was away looks them up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field

from engine.errors import VigilError
from stream.clock import Clock
from stream.feed.catch_up import History
from stream.feed.messages import AlertMessage, Message, ScoreMessage, StatusMessage, encode
from stream.side_thread import SideThread

KEPT_ALERTS = 1000
KEPT_MARKS = 200
PAGE_ALERTS = 500
PAUSED_S = 15.0  # without a score for so long, and three times as long as usual, a camera is not being scored
SILENT_S = 120.0  # a camera that was not heard of for so long is gone: states come every few seconds

Key = tuple[str, str, str]  # kind, camera, definition


@dataclass(slots=True)
class Newest:
    """The newest message of its kind; `version` counts everything that was heard."""

    version: int
    heard_s: float  # monotonic
    message: StatusMessage | ScoreMessage
    data: bytes


@dataclass(slots=True)
class _Pace:
    """When the last scores of a track came, monotonic, and how old the newest was then."""

    came_s: deque[float] = field(default_factory=lambda: deque(maxlen=30))
    age_s: float = 0.0

    def goes_on(self, now_s: float) -> bool:
        if not self.came_s:
            return False
        usual_s = (self.came_s[-1] - self.came_s[0]) / max(1, len(self.came_s) - 1)
        return now_s - self.came_s[-1] <= max(PAUSED_S, 3 * usual_s)


class Hub:
    """Lives on one event loop. `history` is read on `disk`, and only for what is no longer in memory."""

    def __init__(self, history: History, last_seq: int, disk: SideThread, clock: Clock) -> None:
        self.epoch = history.epoch
        self.last_seq = last_seq
        self.over = False
        self.version = 0  # of the newest state, score or mark
        self.news = asyncio.Event()  # set, and replaced by another one, at each message
        self._history = history
        self._disk = disk
        self._clock = clock
        self._alerts: deque[tuple[int, bytes]] = deque(maxlen=KEPT_ALERTS)
        self._marks: deque[tuple[int, bytes]] = deque(maxlen=KEPT_MARKS)
        self._newest: dict[Key, Newest] = {}
        self._paces: dict[tuple[str, str], _Pace] = {}

    def take(self, message: Message) -> None:
        """Something was told."""
        now_s = self._clock.monotonic()
        match message:
            case AlertMessage():
                self.last_seq = max(self.last_seq, message.seq)
                self._alerts.append((message.seq, encode(message)))
            case StatusMessage():
                self._put(("status", message.camera, ""), message, now_s)
                self._forget_silent(now_s)
            case ScoreMessage():
                self._put(("score", message.camera, message.definition), message, now_s)
                if not message.amended:
                    pace = self._paces.setdefault((message.camera, message.definition), _Pace())
                    pace.came_s.append(now_s)
                    pace.age_s = max(0.0, self._clock.time() - message.time)
        self._wake()

    def mark(self, data: bytes) -> None:
        """Somebody said something of an event; `data` is JSON."""
        self._marks.append((self._next_version(), data))
        self._wake()

    def close(self) -> None:
        """Let everybody who waits for news go."""
        self.over = True
        self._wake()

    async def wait(self, news: asyncio.Event, within_s: float) -> None:
        """Until there is something newer than when `news` was this hub's, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await news.wait()

    async def alerts_after(self, seq: int) -> list[tuple[int, bytes]]:
        """The oldest alerts after this one, as (seq, JSON): some of them, and none only when there is none."""
        if seq >= self.last_seq:
            return []
        if not self._alerts or seq < self._alerts[0][0] - 1:
            try:
                kept = await self._disk.do(lambda: self._history.since(seq, PAGE_ALERTS))
            except VigilError:  # what can't be read now is read at the next news
                return []
            if kept.alerts:
                return kept.alerts
        return [alert for alert in self._alerts if alert[0] > seq]

    def marks_after(self, version: int) -> list[bytes]:
        """What was said since then, as JSON, oldest first."""
        return [data for at, data in self._marks if at > version]

    def status(self, camera: str) -> StatusMessage | None:
        found = self._newest.get(("status", camera, ""))
        return found.message if found and isinstance(found.message, StatusMessage) else None

    def newest(self) -> list[tuple[Key, Newest]]:
        """Every camera's state, and every track's score."""
        return list(self._newest.items())

    def pace(self, camera: str, definition: str) -> tuple[float, float | None]:
        """Scores per second, and how old the newest was when it came; nothing when none came for a while."""
        found = self._paces.get((camera, definition))
        if found is None or not found.goes_on(self._clock.monotonic()):
            return 0.0, None
        took_s = found.came_s[-1] - found.came_s[0]
        return ((len(found.came_s) - 1) / took_s, found.age_s) if took_s > 0 else (0.0, None)

    def is_scored(self, camera: str, definition: str) -> bool:
        """Whether its newest score is one of now."""
        found = self._paces.get((camera, definition))
        return found is not None and found.goes_on(self._clock.monotonic())

    def _put(self, key: Key, message: StatusMessage | ScoreMessage, now_s: float) -> None:
        self._newest[key] = Newest(self._next_version(), now_s, message, encode(message))

    def _forget_silent(self, now_s: float) -> None:
        heard = {key[1] for key, newest in self._newest.items() if now_s - newest.heard_s < SILENT_S}
        self._newest = {key: newest for key, newest in self._newest.items() if key[1] in heard}
        self._paces = {key: pace for key, pace in self._paces.items() if key[0] in heard}

    def _next_version(self) -> int:
        self.version += 1
        return self.version

    def _wake(self) -> None:
        self.news.set()
        self.news = asyncio.Event()
