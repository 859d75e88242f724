"""From the time stamps a stream claims to the times the rest may rely on. See docs/time.md.

Nothing here trusts an announced frame rate. Stamps may be missing, jump, start again or run at the wrong
speed; what comes out moves forward within a segment, and a segment ends where continuity does.
"""

from __future__ import annotations

from dataclasses import dataclass

STAMP_DIGITS = 3  # wires round stamps to their own clocks; a millisecond is the same on all of them
GAP_S = 2.0  # a longer step between pictures breaks continuity, unless the stream is that slow anyway
GAP_INTERVALS = 4.0  # ... which is when it is below this many usual intervals
BACK_S = 0.5  # a shorter step back is one late picture; a longer one a stream that started again
DRIFT = 0.001  # how fast, per second, the epoch offset may follow a camera clock that runs slow
CLOCK_SET_S = 1.0  # the machine's clock was set when it moved this much more than the monotonic one
PACE_CHECK_S = 20.0  # a stretch over which a live stream's stamps are compared with the arrival clock
PACE_BOUNDS = (0.8, 1.25)  # ... and what their ratio may be; two stretches outside in a row are a lie
JUMPS, JUMPY_S = 3, 5.0  # so many jumps, each within that time of the one before, are one too


@dataclass(frozen=True, slots=True)
class Stamp:
    """A picture's place in time. `broke` says why a new segment begins with it, or is empty.

    `jumped`: it broke because a live stream's own clock did, and not because pictures are missing.
    """

    segment: int
    pts_s: float
    time_s: float
    broke: str = ""
    jumped: bool = False


class StreamClock:
    """One camera's stamps, over all its connections. Push every picture in the order it is decoded.

    `live` streams are tied to the wall clock by their earliest arrivals; a file's time starts at the wall
    clock of its first picture and then follows its own stamps.
    """

    def __init__(self, *, live: bool, first_segment: int = 0) -> None:
        self.live = live
        self._segment = first_segment - 1
        self._break: str = "start"
        self._by_arrival = False
        self._told = False  # the last picture brought a stamp that was believed
        self._base_s = 0.0  # raw stamp at the segment's start
        self._last_raw_s = 0.0
        self._last_arrival_s = 0.0
        self._interval_s: float | None = None  # the usual step, slowly forgotten
        self._epoch_s = 0.0  # UTC time of the segment's zero
        self._last_now_s = 0.0
        self._last_time_s = 0.0  # within a segment UTC time does not run back, unless the machine's clock was set
        self._pace_start: tuple[float, float] | None = None  # (raw, arrival)
        self._pace_strikes = 0
        self._jumps = 0  # in a row
        self._began_s = 0.0  # arrival of the segment's first picture

    def foresee(self, raw_s: float | None, now_s: float) -> Stamp:
        """Where a packet that is not decoded yet will about lie: good enough to file it, not to sample it."""
        if self._by_arrival:
            raw_s = None
        if self._break or (raw_s is not None and self._far(raw_s)):
            resumes_s = now_s if self.live or not self._epoch_s else self._resumes_s()
            return Stamp(self._segment + 1, 0.0, resumes_s)
        pts_s = (self._last_raw_s if raw_s is None else raw_s) - self._base_s
        return Stamp(self._segment, pts_s, self._epoch_s + pts_s)

    def interrupt(self, why: str) -> None:
        """The stream was reopened or changed: the next picture begins a new segment."""
        self._break = self._break or why
        self._by_arrival = False

    def push(self, raw_s: float | None, arrival_s: float, now_s: float, *, sparse: bool = False) -> Stamp | None:
        """The picture's stamp, or None for one that comes too late to keep the order.

        `sparse` pictures (key frames only) may lie any distance apart without breaking the segment.
        """
        told = raw_s is not None and not self._by_arrival
        raw_s = self._known(raw_s, arrival_s)
        broke, jumped = self._break, False
        if not broke:
            broke = self._discontinuity(raw_s, arrival_s, sparse)
            jumped = bool(broke) and self.live and told and self._told and self._jumped(raw_s, now_s)
        if jumped:
            self._jumps = self._jumps + 1 if arrival_s - self._began_s < JUMPY_S else 1
            if self._jumps >= JUMPS and not self._by_arrival:
                self._by_arrival = True
                broke = "time stamps jump again and again: arrival times are used instead"
        self._told = told
        if broke:
            self._began_s = arrival_s
            raw_s = arrival_s if self._by_arrival else raw_s
            self._begin(raw_s, now_s)
        elif raw_s - self._last_raw_s < 10**-STAMP_DIGITS:
            return None
        else:
            self._follow(raw_s, arrival_s, now_s, sparse)
        self._last_raw_s, self._last_arrival_s, self._last_now_s = raw_s, arrival_s, now_s
        pts_s = round(raw_s - self._base_s, STAMP_DIGITS)
        self._last_time_s = max(self._last_time_s, self._epoch_s + pts_s)
        return Stamp(self._segment, pts_s, self._last_time_s, broke, jumped)

    def _known(self, raw_s: float | None, arrival_s: float) -> float:
        if self._by_arrival:
            return arrival_s
        if raw_s is not None:
            return raw_s
        if self._break:
            return 0.0  # RTSP's first picture often has no stamp; those after it count from there
        if self.live:
            return self._last_raw_s + max(1e-3, arrival_s - self._last_arrival_s)
        return self._last_raw_s + (self._interval_s or 0.04)

    def _discontinuity(self, raw_s: float, arrival_s: float, sparse: bool) -> str:
        step_s = raw_s - self._last_raw_s
        if self.live and step_s <= 0 and arrival_s - self._last_arrival_s > GAP_S:
            return "time stamps stand still"
        if step_s < -BACK_S:
            return f"time stamps went back by {-step_s:.1f} s"
        if not sparse and step_s > max(GAP_S, GAP_INTERVALS * (self._interval_s or 0.0)):
            return f"no picture for {step_s:.1f} s of stream time"
        if self.live and not self._by_arrival and self._lies(raw_s):
            self._by_arrival = True
            return "time stamps do not run at the speed of time: arrival times are used instead"
        return ""

    def _jumped(self, raw_s: float, now_s: float) -> bool:
        """Whether stamps that do not go on are wrong: they stand still, went back, ran ahead, or at another speed."""
        ahead_s = self._epoch_s + raw_s - self._base_s - now_s
        return self._by_arrival or raw_s <= self._last_raw_s or ahead_s > GAP_S

    def _far(self, raw_s: float) -> bool:
        """Whether a packet's stamp lies too far from the last picture's for decoding order alone to explain it."""
        return not -2 * BACK_S <= raw_s - self._last_raw_s <= 2 * max(GAP_S, GAP_INTERVALS * (self._interval_s or 0.0))

    def _resumes_s(self) -> float:
        """The UTC time at which a file goes on after a break."""
        return self._epoch_s + self._last_raw_s - self._base_s + (self._interval_s or 0.0)

    def _lies(self, raw_s: float) -> bool:
        """Whether two whole stretches in a row ran at the wrong speed; bursts and hiccups even out before that."""
        if self._pace_start is None:
            self._pace_start = (raw_s, self._last_arrival_s)
            return False
        start_raw_s, start_arrival_s = self._pace_start
        elapsed_s = self._last_arrival_s - start_arrival_s
        if elapsed_s < PACE_CHECK_S:
            return False
        low, high = PACE_BOUNDS
        wrong = not low <= (raw_s - start_raw_s) / elapsed_s <= high
        self._pace_strikes = self._pace_strikes + 1 if wrong else 0
        self._pace_start = (raw_s, self._last_arrival_s)
        return self._pace_strikes >= 2

    def _begin(self, raw_s: float, now_s: float) -> None:
        self._epoch_s = now_s if self.live or not self._epoch_s else self._resumes_s()
        self._segment += 1
        self._base_s = raw_s
        self._last_time_s = 0.0
        self._break = ""
        self._pace_start, self._pace_strikes = None, 0

    def _follow(self, raw_s: float, arrival_s: float, now_s: float, sparse: bool) -> None:
        step_s = raw_s - self._last_raw_s
        if not sparse:
            self._interval_s = step_s if self._interval_s is None else 0.95 * self._interval_s + 0.05 * step_s
        if self.live:  # the earliest arrival tells best when a picture was taken; later ones were held up
            set_by_s = (now_s - self._last_now_s) - (arrival_s - self._last_arrival_s)
            if abs(set_by_s) > CLOCK_SET_S:
                self._epoch_s += set_by_s
                self._last_time_s = 0.0
            self._epoch_s = min(self._epoch_s + DRIFT * step_s, now_s - (raw_s - self._base_s))
