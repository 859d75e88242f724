"""Eight cameras and a scorer that is four times too slow for them, through the real batcher, worker and desks.

Nothing waits for real time: the scorer moves the clock, and while it does the cameras bring their windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from engine.batcher import Drop, MicroBatcher
from engine.policy import Decision, DecisionType
from engine.scripted import ScriptedScorer
from engine.timeline import WindowMeta
from engine.types import Frame, Judgement, Window
from engine.worker import Judged, ScoringWorker
from stream.clock import ManualClock
from stream.config import from_mapping
from stream.ids import Ids
from stream.wiring.cameras import make_desk

CAMERAS = [f"camera-{number}" for number in range(8)]
STRIDE_S = 1.0
TAKES_S = 4 * STRIDE_S / len(CAMERAS)  # for each window
STALENESS_S = 2.0
LASTS_S = 600.0
INCIDENT_S = 20.0
IMAGE = np.zeros((2, 2, 3), np.uint8)


class Street:
    """The cameras and the scorer, on one clock; and a note of all that happens. Each camera sees one incident."""

    def __init__(self, max_batch: int) -> None:
        self.clock = ManualClock()
        self.start_s = self.clock.monotonic()
        self.batcher = MicroBatcher(
            max_batch=max_batch, staleness_s=STALENESS_S, monotonic=self.clock.monotonic, on_drop=self._dropped
        )
        self.scorer = SlowScorer(self)
        self.incident_s = {camera: 60.0 + 65.0 * number for number, camera in enumerate(CAMERAS)}
        config = from_mapping({"cameras": {camera: {"source": "synthetic://"} for camera in CAMERAS}})
        new_id = Ids(self.clock.time)
        self.desks = {name: make_desk(name, camera, new_id, self.scorer) for name, camera in config.cameras.items()}
        # Cameras are not in step: each has its own tenths of a second.
        self._due_s = {camera: 0.1 * number for number, camera in enumerate(CAMERAS)}
        self.offered: Counter[str] = Counter()
        self.released: Counter[str] = Counter()
        self.dropped: Counter[tuple[str, str]] = Counter()
        self.longest_queue = 0
        self.ages_s: list[float] = []  # of windows when their scoring began
        self.superseded: list[Window] = []  # scored although there was a newer one
        self.decisions: list[tuple[float, Decision]] = []

    @property
    def now_s(self) -> float:
        return self.clock.monotonic() - self.start_s

    def run(self) -> None:
        worker = ScoringWorker(self.scorer, self.batcher, self._deliver, timeout_s=60.0, monotonic=self.clock.monotonic)
        self.pass_time(1.0)
        worker.start()
        assert worker.join(60)

    def pass_time(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while (due_s := min(self._due_s.values())) <= until_s:
            self.clock.advance(max(0.0, due_s - self.now_s))
            camera = min(self._due_s, key=lambda camera: self._due_s[camera])
            self._due_s[camera] += STRIDE_S
            self._offer(camera)
        self.clock.advance(until_s - self.now_s)
        if self.now_s >= LASTS_S:
            self.batcher.close()

    def take_note(self, windows: Sequence[Window]) -> None:
        """Of what is about to be scored."""
        self.ages_s += [self.clock.monotonic() - window.end.arrival_s for window in windows]
        self.superseded += [window for window in windows if window.index != self.offered[window.camera] - 1]

    def sees(self, window: Window) -> float:
        since_s = window.end.arrival_s - self.start_s - self.incident_s[window.camera]
        return 0.95 if 0.0 <= since_s < INCIDENT_S else 0.05

    def _offer(self, camera: str) -> None:
        index, now_s = self.offered[camera], self.clock.monotonic()
        frame = Frame(camera, 0, 8 * index, now_s, self.clock.time(), now_s, IMAGE)
        self.offered[camera] += 1
        self.batcher.offer(Window(camera, 0, index, (frame,), STRIDE_S, release=lambda: self.released.update([camera])))
        self.longest_queue = max(self.longest_queue, self.batcher.pending(camera))

    def _dropped(self, window: Window, reason: Drop) -> None:
        self.dropped[window.camera, reason] += 1

    def _deliver(self, judged: Judged, took_s: float) -> None:
        for window, judgement in judged:
            for track, own in self.desks[window.camera].judgements(judgement):
                for decision in track.policy.push(track.timeline.push(WindowMeta.of(window), own)):
                    self.decisions.append((self.now_s, decision))
            window.release()


class SlowScorer(ScriptedScorer):
    def __init__(self, street: Street) -> None:
        super().__init__(street.sees, max_batch=64)
        self._street = street

    def score(self, windows: Sequence[Window]) -> Sequence[Judgement]:
        self._street.take_note(windows)
        self._street.pass_time(TAKES_S * len(windows))
        return super().score(windows)


@pytest.fixture(scope="module", params=[1, 3, 8], ids="at most {} at once".format)
def street(request: pytest.FixtureRequest) -> Street:
    """Ten minutes of it, with batches of this size."""
    street = Street(request.param)
    street.run()
    return street


def test_no_queue_grows(street: Street) -> None:
    assert street.longest_queue == 1
    assert street.released == street.offered


def test_what_is_scored_is_the_newest_and_within_its_budget(street: Street) -> None:
    assert street.superseded == []
    assert max(street.ages_s) <= STRIDE_S < STALENESS_S


def test_every_camera_is_served_alike(street: Street) -> None:
    scored = [count.scored for count in street.batcher.counts().values()]
    assert len(scored) == len(CAMERAS)
    assert max(scored) - min(scored) <= 1
    assert sum(scored) * TAKES_S == pytest.approx(LASTS_S, abs=2 * TAKES_S * len(CAMERAS))  # it never idles


def test_every_window_is_accounted_for(street: Street) -> None:
    for camera, count in street.batcher.counts().items():
        assert count.captured == street.offered[camera] == count.scored + count.dropped.total()
        assert count.unknown == 0
        assert count.dropped == {reason: n for (name, reason), n in street.dropped.items() if name == camera}
    by_reason: Counter[str] = Counter()
    for count in street.batcher.counts().values():
        by_reason.update(count.dropped)
    assert by_reason[Drop.SUPERSEDED] == pytest.approx(0.75 * street.offered.total(), rel=0.02)
    assert by_reason.keys() <= {Drop.SUPERSEDED, Drop.SHUTDOWN}


def test_every_incident_is_told_while_it_goes_on_and_ended(street: Street) -> None:
    told = [(at_s, decision) for at_s, decision in street.decisions if decision.type is DecisionType.NEW]
    assert [decision.point.camera for _, decision in told] == CAMERAS
    for at_s, decision in told:
        assert 0.0 < at_s - street.incident_s[decision.point.camera] < INCIDENT_S
    ended = [decision.event_id for _, decision in street.decisions if decision.type is DecisionType.END]
    assert ended == [decision.event_id for _, decision in told]
