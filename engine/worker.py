"""The one thread that runs the scorer. Whatever the scorer does, every window it was given gets a judgement.

A scorer that raises, answers garbage or does not come back in time makes its windows unknown, with the
reason, and watching goes on. A call that hangs cannot be ended from outside; its windows are given up,
its late answer is thrown away, and scoring resumes when it returns. Until then `hung_for_s` says so.
Between batches a scorer that can explain does so, step by step. When its device is lost the thread ends, and
`lost` says so.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np

from engine.batcher import MicroBatcher
from engine.errors import DeviceLostError, ScorerError, VigilError
from engine.explaining import Explaining
from engine.replies import shown
from engine.scorer import Explanation, LanguageScorer, Request, Scorer
from engine.types import Judgement, Window

log = logging.getLogger(__name__)

PAUSE_S = 3.0  # when `give_up_hung` is called this late, the process was held up: by Ctrl-Z, for example

Judged = list[tuple[Window, Judgement]]
Deliver = Callable[[Judged, float], None]
"""Takes judged windows, and the seconds the scorer took; releases each window. May block: that holds scoring back."""


def judge(scorer: Scorer, windows: Sequence[Window]) -> list[Judgement]:
    """One sound judgement per window, whatever the scorer does. Raises DeviceLostError only."""
    try:
        judgements = list(scorer.score(windows))
        if len(judgements) != len(windows):
            raise ScorerError(f"scorer {scorer.info.scorer} answered {len(judgements)} of {len(windows)} windows")
        return [_sound(judgement, len(window.frames)) for window, judgement in zip(windows, judgements, strict=True)]
    except DeviceLostError:
        raise
    except Exception as error:  # whatever else a scorer raises becomes unknown scores here
        reason = _words(error)
        log.error("scorer failed: %s", reason, exc_info=log.isEnabledFor(logging.DEBUG))
        return [Judgement.unknown(f"scorer failed: {reason}") for _ in windows]


def _sound(judgement: object, frames: int) -> Judgement:
    """The judgement in plain numbers and text, or unknown: the single place where garbage is recognised.

    What it says may come from a model or a file: it is made fit to be shown here, for all who tell it.
    """
    if not isinstance(judgement, Judgement):
        return Judgement.unknown(f"scorer answered {type(judgement).__name__}, not a judgement")
    score, text = judgement.score, judgement.text
    if score is not None and not (
        isinstance(score, int | float | np.floating) and math.isfinite(score) and 0 <= score <= 1
    ):
        return Judgement.unknown(f"scorer answered a score of {score!r}, outside 0 to 1")
    if not -frames <= judgement.worst < frames:
        return Judgement.unknown(f"scorer pointed at frame {judgement.worst} of {frames}")
    return replace(
        judgement,
        score=None if score is None else float(score),  # numpy's numbers can't be told to others
        text=None if text is None else shown(text.encode(errors="replace").decode()) or None,  # nor half a surrogate
        boxes=tuple(replace(box, label=shown(box.label)) for box in judgement.boxes),
        reason=shown(judgement.reason),
        further={name: _sound(other, frames) for name, other in judgement.further.items()},
    )


def _words(error: Exception) -> str:
    return shown(error.message if isinstance(error, VigilError) else f"{type(error).__name__}: {error}")


@dataclass(slots=True)
class _Call:
    windows: list[Window]
    started_s: float
    given_up: bool = False


class ScoringWorker:
    """Owns the scoring thread. Its owner calls `give_up_hung` now and then."""

    def __init__(
        self,
        scorer: Scorer,
        batcher: MicroBatcher,
        deliver: Deliver,
        *,
        timeout_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._scorer = scorer
        self._batcher = batcher
        self._deliver = deliver
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._explaining = Explaining(scorer, batcher.wake) if isinstance(scorer, LanguageScorer) else None
        self._told: deque[tuple[Callable[[Scorer], None], str | None]] = deque()
        self._untold: dict[str, str] = {}  # cameras that the scorer could not be told of, with the reason
        self._lock = threading.Lock()
        self._call: _Call | None = None
        self.lost: DeviceLostError | None = None
        self._looked_s = self._resumed_s = monotonic()
        self._thread = threading.Thread(target=self._run, name="vigil-scorer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def explain(self) -> Callable[[Request], Future[Explanation]] | None:
        """Asks for an explanation, from any thread; None when the scorer has no words."""
        return self._explaining.ask if self._explaining else None

    def tell(self, what: Callable[[Scorer], None], camera: str | None = None) -> None:
        """Have the scorer told something on its own thread, before the next batch. In order, from any thread.

        When that fails and was about a `camera`, its windows are unknown until something of it is told: judged by
        what the scorer knew before, they would be told as judged by what it should know now.
        """
        self._told.append((what, camera))
        self._batcher.wake()

    def give_up_hung(self) -> Judged:
        """Give up a call that has lasted longer than the timeout; the caller handles its windows, now unknown."""
        now_s = self._monotonic()
        with self._lock:
            if now_s - self._looked_s > PAUSE_S:  # the process itself was held up, and the scorer with it
                self._resumed_s = now_s
            self._looked_s = now_s
            call = self._call
            if call is None or call.given_up or now_s - max(call.started_s, self._resumed_s) <= self._timeout_s:
                return []
            call.given_up = True
        reason = f"scorer gave no answer within {self._timeout_s:g} s"
        log.error("%s; %d windows are unknown", reason, len(call.windows))
        if self._explaining:
            self._explaining.give_up(reason)
        # The hung call still reads the pixels: they are released when it returns, not by who takes the judgement.
        judged = [(replace(window, release=_keep), Judgement.unknown(reason)) for window in call.windows]
        self._settle(judged)
        return judged

    @property
    def hung_for_s(self) -> float:
        """How long a given-up call has been out, or 0."""
        with self._lock:
            return self._monotonic() - self._call.started_s if self._call and self._call.given_up else 0.0

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread after the batcher was closed; False when the scorer does not come back."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except DeviceLostError as error:
            self.lost = error
        finally:
            if self._explaining:
                self._explaining.close("the scorer has stopped")

    def _work(self) -> None:
        explaining = self._explaining
        while True:
            windows = self._batcher.take(0 if explaining and explaining.busy else None)
            while self._told:
                call = self._begin([])
                self._tell(*self._told.popleft())
                self._end(call)
            if windows:
                self._score(windows)
            elif self._batcher.closed:
                return
            if explaining and explaining.busy:
                call = self._begin([])
                explaining.step()
                self._end(call)

    def _tell(self, what: Callable[[Scorer], None], camera: str | None) -> None:
        try:
            what(self._scorer)
        except DeviceLostError:
            raise
        except Exception as error:  # the other cameras go on
            log.exception("the scorer could not be told something", extra={"camera": camera} if camera else None)
            if camera is not None:
                self._untold[camera] = f"the scorer could not be told of this camera: {_words(error)}"
        else:
            self._untold.pop(camera or "", None)

    def _judge(self, windows: list[Window]) -> list[Judgement]:
        known = [window for window in windows if window.camera not in self._untold]
        said = iter(judge(self._scorer, known) if known else [])
        return [
            Judgement.unknown(self._untold[window.camera]) if window.camera in self._untold else next(said)
            for window in windows
        ]

    def _score(self, windows: list[Window]) -> None:
        call = self._begin(windows)
        try:
            judgements = self._judge(windows)
        except DeviceLostError as error:
            judgements = [Judgement.unknown(error.message) for _ in windows]
            raise
        finally:
            self._end(call)
            if call.given_up:
                for window in windows:
                    window.release()
            else:
                judged = list(zip(windows, judgements, strict=True))
                self._deliver(judged, self._monotonic() - call.started_s)
                self._settle(judged)

    def _begin(self, windows: list[Window]) -> _Call:
        call = _Call(windows, self._monotonic())
        with self._lock:
            self._call = call
        return call

    def _end(self, call: _Call) -> None:
        with self._lock:
            self._call = None
        if call.given_up:
            log.warning("scorer came back after %.1f s; scoring resumes", self._monotonic() - call.started_s)

    def _settle(self, judged: Judged) -> None:
        for window, judgement in judged:
            self._batcher.settle(window, unknown=judgement.score is None)


def _keep() -> None:
    return None
