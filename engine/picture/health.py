"""Decides from a camera's pictures whether they are fit to be watched: not black, frozen, blurred or of another view.

Everything is held against the camera's own past, so nothing is told before that is known, but for a picture
that shows nothing at all. A fault begins and ends only when pictures have said so for a while.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.picture.faults import PictureFault
from engine.picture.repeats import Repeats
from engine.picture.view import Look, View, look_at
from engine.types import Frame

LOOK_EVERY_S = 1.0
LONGEST_STEP_S = 5.0  # a look stands for no more time than this, however far apart the pictures are
END_S = 5.0  # a fault is over when the pictures have been good for this long
SETTLE_S = 600.0  # another view that has lasted this long is the usual one from then on

# Each pair: from where on a symptom is seen, and up to where it goes on. All are shares of what is usual.
DETAIL = (0.15, 0.3)
AGREEMENT = (0.4, 0.55)
SHARPNESS = (0.6, 0.75)
BLANK = 0.5  # grey levels of detail that are nothing at all, whatever is usual
COLOUR = (3.0, 6.0)  # levels of colour below which it is a night picture, and above which it is a day picture


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """`faults` are those to look for; what a fault must last for to be told is `after_s`."""

    faults: frozenset[PictureFault] = frozenset()
    after_s: float = 20.0


class PictureHealth:
    """One camera's. Push every sampled frame, in order; `fault` is what is wrong now, if anything."""

    def __init__(self, settings: HealthSettings) -> None:
        self._settings = settings
        self.forget()

    def forget(self) -> None:
        """Begin anew: the pictures that follow can't be held against those before."""
        self.fault: PictureFault | None = None
        self._symptom: PictureFault | None = None
        self._lasted_s = 0.0  # of the symptom, or of its absence
        self._repeats = Repeats()
        self._views = {True: View(), False: View()}  # in colour, and as cameras see at night
        self._other: View | None = None  # what is seen while the view is not the usual one
        self._by_day = True
        self._last: tuple[int, float] | None = None  # (segment, pts_s) of the last look

    def push(self, frame: Frame, keys: int) -> PictureFault | None:
        """`keys` counts the camera's key pictures so far, sampled or not."""
        if not self._settings.faults:
            return None
        repeats = self._repeats.push(frame.image, keys)
        step_s = 0.0
        if self._last is not None and self._last[0] == frame.segment:
            step_s = min(frame.pts_s - self._last[1], LONGEST_STEP_S)
            if step_s < LOOK_EVERY_S:
                return self.fault
        self._last = (frame.segment, frame.pts_s)
        look = look_at(frame.image)
        low, high = COLOUR
        self._by_day = look.colour > (low if self._by_day else high)
        symptom = next((fault for fault in self._symptoms(look, repeats) if fault in self._settings.faults), None)
        self._learn(look, symptom, step_s)
        self._lasted_s = self._lasted_s + step_s if symptom is self._symptom else 0.0
        self._symptom = symptom
        if self._lasted_s >= (self._settings.after_s if symptom else END_S):
            self.fault = symptom
        return self.fault

    def _symptoms(self, look: Look, repeats: bool) -> list[PictureFault]:
        """All that this look shows, the one that explains the others first."""
        view = self._views[self._by_day]
        known = [each for each in self._views.values() if each.is_known]
        agreement = max((each.agreement(look) for each in known), default=0.0)
        elsewhere = agreement < self._bound(AGREEMENT, PictureFault.MOVED)
        usual_detail = max((each.detail for each in known), default=0.0)
        found = []
        if elsewhere and look.detail < max(BLANK, usual_detail * self._bound(DETAIL, PictureFault.COVERED)):
            found.append(PictureFault.COVERED)
        if repeats:
            found.append(PictureFault.FROZEN)
        if view.is_known:  # the first night of a camera is learnt, not told
            if look.sharpness < view.sharpness * self._bound(SHARPNESS, PictureFault.BLURRED):
                found.append(PictureFault.BLURRED)
            elif elsewhere and view.is_distinct:
                found.append(PictureFault.MOVED)
        return found

    def _bound(self, bounds: tuple[float, float], fault: PictureFault) -> float:
        enter, leave = bounds
        return leave if self.fault is fault else enter

    def _learn(self, look: Look, symptom: PictureFault | None, step_s: float) -> None:
        if symptom is None:
            self._views[self._by_day].learn(look, step_s)
        if symptom is not PictureFault.MOVED:
            self._other = None
            return
        self._other = self._other or View()
        self._other.learn(look, step_s)
        if self._other.seen_s >= SETTLE_S:
            self._views = {self._by_day: self._other, not self._by_day: View()}
