"""A scorer that answers from records instead of looking: replay, tests, debugging. Knows no file and no pixel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from engine.errors import UsageError
from engine.types import Box, Judgement, ModelInfo, Window

# Stream times that went through a container or RTP differ by their rounding.
EDGE_TOLERANCE_S = 0.002

_pts_s = attrgetter("pts_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What was once said of one window, named by its camera and either its index or its end's `pts_s`.

    Without a `segment` it is good for every segment of the camera. A response without a score is unknown. One with a
    `definition` was given by that further definition of the camera. When the window ended (`time_s`, in UTC) and how
    far back it looks (`length_s`) is for who replays a recording against what was told then.
    """

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

    def __post_init__(self) -> None:
        if (self.index is None) == (self.pts_s is None):
            raise UsageError(f"a response of camera {self.camera} must have either index or pts_s")
        if self.score is not None and not 0 <= self.score <= 1:
            raise UsageError(f"a response of camera {self.camera} has score {self.score:g}, outside 0 to 1")

    def judgement(self) -> Judgement:
        reason = self.reason or ("" if self.score is not None else "recorded as unknown")
        return Judgement(self.score, text=self.text, boxes=self.boxes, reason=reason)


class RecordedScorer:
    """Answers each window with its response, or unknown where there is none.

    A response with an index answers the window of that index. One with a time answers windows that end at it
    or up to `max_age_s` later, so a recording may be replayed on another grid; the newest such response counts.
    One of the window's own segment goes before one of every segment.
    """

    max_batch = 64

    def __init__(
        self,
        responses: Iterable[Response],
        *,
        name: str = "recorded",
        max_age_s: float = 0.5,
        frame_size: tuple[int, int] = (64, 36),
    ) -> None:
        self.info = ModelInfo("recorded", name)
        self.frame_size = frame_size
        self._max_age_s = max_age_s
        self._further: dict[str, dict[str, None]] = {}  # camera -> its further definitions, in their order
        self._indexed: dict[tuple[str, str | None, int | None, int], Response] = {}
        self._timed: dict[tuple[str, str | None, int | None], list[Response]] = {}
        for response in responses:
            self._add(response)
        for timed in self._timed.values():
            timed.sort(key=_pts_s)

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        return [
            replace(
                self._answer(window),
                further={name: self._answer(window, name) for name in self._further.get(window.camera, ())},
            )
            for window in windows
        ]

    def forget(self, camera: str) -> None:
        """Nothing: what was recorded of a camera holds when it is added again."""

    def close(self) -> None:
        self._indexed.clear()
        self._timed.clear()

    def _add(self, response: Response) -> None:
        if response.definition is not None:
            self._further.setdefault(response.camera, {})[response.definition] = None
        place = (response.camera, response.definition, response.segment)
        if response.index is None:
            self._timed.setdefault(place, []).append(response)
            return
        key = (*place, response.index)
        if key in self._indexed:
            raise UsageError(
                f"two responses for window {response.index} of camera {response.camera}",
                advice="where indices repeat, give each response its segment",
            )
        self._indexed[key] = response

    def _answer(self, window: Window, definition: str | None = None) -> Judgement:
        for segment in (window.segment, None):
            key = (window.camera, definition, segment)
            found = self._indexed.get((*key, window.index)) or self._newest(window, key)
            if found is not None:
                return found.judgement()
        place = f"window {window.index}, {window.end.pts_s:.3f} s of segment {window.segment}"
        return Judgement.unknown(f"no response recorded for {window.camera}, {place}")

    def _newest(self, window: Window, key: tuple[str, str | None, int | None]) -> Response | None:
        timed = self._timed.get(key, [])
        end_s = window.end.pts_s
        at = bisect_right(timed, end_s + EDGE_TOLERANCE_S, key=_pts_s)
        if at and end_s - _pts_s(timed[at - 1]) <= self._max_age_s:
            return timed[at - 1]
        return None
