"""Keeps one camera's session alive, and does not wait for native code that never comes back.

A thread stuck in a driver or library can't be ended; it is abandoned: told to stop, cut off from
everything shared, and replaced by a fresh session. docs/architecture.md says why threads and not processes.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from engine.errors import SourceError, SourceFault
from engine.types import Tier
from stream.clock import Clock
from stream.session import CameraSession, CameraState, SessionStats, StateChange

log = logging.getLogger(__name__)

GRACE_S = 5.0  # beyond its own timeouts a source gets this long before it counts as hung
FILE_GRACE_S = 60.0  # the same for a file: it is not begun again, and the machine may just be busy
PAUSE_S = 3.0  # when ticks come this late, the process itself was held up, and its threads perhaps too
MAX_ABANDONED = 8  # each holds a thread and a decoder: past this none is added until one has let go

Report = Callable[[StateChange], None]


class CameraKeeper:
    """Owns one camera's sessions. Its owner calls `tick` about twice a second, always from the same thread.

    `make_session` builds a session that reports through the callable and counts into the stats it is given.
    `report` is called on the session's thread or on the owner's.
    """

    def __init__(
        self,
        camera: str,
        make_session: Callable[[Report, SessionStats], CameraSession],
        *,
        report: Report,
        clock: Clock,
        stall_s: float,
        open_timeout_s: float,
    ) -> None:
        self.camera = camera
        self.stats = SessionStats()
        self._make_session = make_session
        self._report = report
        self._clock = clock
        self._stall_s = stall_s
        self._open_timeout_s = open_timeout_s
        self._abandoned: list[threading.Thread] = []
        self._turn = threading.Lock()  # the session's thread and the owner both change the state
        self._state = CameraState.CONNECTING
        self._session: CameraSession | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._ticked_s = self._resumed_s = clock.monotonic()

    def start(self) -> None:
        session: CameraSession

        def report(change: StateChange) -> None:
            with self._turn:
                if self._session is session:  # an abandoned one has no say any more
                    self._state = change.state
                    self._report(change)

        self.stats.touched_s = self._clock.monotonic()
        session = self._session = self._make_session(report, self.stats)
        self._thread = threading.Thread(target=session.run, name=f"vigil-camera-{self.camera}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> CameraState:
        return self._state

    @property
    def done(self) -> bool:
        """Whether no more frames will come, as far as can be known."""
        return self._state in (CameraState.ENDED, CameraState.FAILED)

    def tick(self) -> None:
        """Notice a camera's stall, and a source that hangs."""
        now_s = self._clock.monotonic()
        if now_s - self._ticked_s > PAUSE_S:  # stopped by Ctrl-Z, or the owner was blocked: nobody is to blame
            self._resumed_s = now_s
        self._ticked_s = now_s
        with self._turn:
            if not self._stopped:
                self._look(now_s)

    def _look(self, now_s: float) -> None:
        stats = self.stats
        if self._session is None and self._state is CameraState.FAILED and stats.live:  # too many attempts hung
            if self._hanging() <= MAX_ABANDONED:
                self.start()
            return
        # A still scene is watched by key frames, which may lie further apart than the stall time.
        seen_s = stats.touched_s if stats.picture_s is not None and stats.tier is Tier.IDLE else stats.picture_s
        silent_s = 0.0 if seen_s is None else now_s - max(seen_s, self._resumed_s)
        if stats.live and self._state is CameraState.LIVE and silent_s > self._stall_s:  # a file may take its time
            error = SourceError(f"no picture for {silent_s:.0f} s", SourceFault.STALLED)
            self._change(CameraState.STALLED, error)
        elif self._state is CameraState.STALLED and seen_s is not None and now_s - seen_s <= self._stall_s:
            self._change(CameraState.LIVE)
        grace_s = GRACE_S if stats.live else FILE_GRACE_S
        limit_s = grace_s + (self._open_timeout_s if seen_s is None else self._stall_s)
        busy = self._state in (CameraState.CONNECTING, CameraState.LIVE, CameraState.STALLED) and not stats.waiting
        stuck_s = now_s - max(stats.touched_s, self._resumed_s)
        if busy and self._session and self._thread and stuck_s > limit_s:
            self._abandon(self._session, self._thread, stuck_s)

    def stop(self) -> None:
        """Ask the session to end; `join` waits for it."""
        with self._turn:
            self._stopped = True
            session = self._session
        if session is not None:
            session.stop()

    def join(self, timeout_s: float) -> bool:
        """False when the thread is still in native code: it is a daemon and ends with the process."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _change(self, state: CameraState, error: SourceError | None = None) -> None:
        self._state = state
        self._report(StateChange(self.camera, state, error))

    def _abandon(self, session: CameraSession, thread: threading.Thread, silent_s: float) -> None:
        self._abandoned.append(thread)
        self._session = None
        session.stop()
        # The stuck thread may still count into its own stats: its successor goes on from a copy.
        self.stats = replace(self.stats, dropped=Counter(self.stats.dropped), picture_s=None, trouble=None)
        error = SourceError(f"the decoder or driver did not return for {silent_s:.0f} s", SourceFault.HUNG)
        if self._hanging() > MAX_ABANDONED or not self.stats.live:  # a file is not begun again
            self._change(CameraState.FAILED, error)
        else:
            self._change(CameraState.OFFLINE, error)
            self.start()

    def _hanging(self) -> int:
        """How many abandoned threads have not come back yet."""
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        return len(self._abandoned)
