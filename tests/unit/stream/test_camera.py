"""What a camera's state does to its status messages, its heartbeat and its metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.batcher import MicroBatcher
from engine.errors import SourceError, SourceFault
from engine.scripted import ScriptedScorer
from stream.camera import Camera
from stream.clock import ManualClock
from stream.config import from_mapping
from stream.feed.messages import HEARTBEAT_S
from stream.health import Trouble
from stream.ids import Ids
from stream.metrics import Metrics
from stream.session import CameraState, StateChange
from stream.wiring.cameras import make_desk, make_source

STALLED = SourceError("no picture for 5 s", SourceFault.STALLED)
MOVED = Trouble("moved", "another view", "look there")
REFUSED = SourceError("nobody there", SourceFault.REFUSED)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def camera(clock: ManualClock, tmp_path: Path) -> Camera:
    config = from_mapping({"cameras": {"front": {"source": "synthetic://"}}, "data": {"dir": str(tmp_path)}})
    settings = config.cameras["front"]
    return Camera(
        "front",
        settings,
        make_desk("front", settings, Ids(clock.time), ScriptedScorer([])),
        new_id=Ids(clock.time),
        make_source=make_source,
        frame_size=(64, 36),
        batcher=MicroBatcher(max_batch=1, staleness_s=2, monotonic=clock.monotonic),
        report=lambda _change: None,
        clock=clock,
    )


@pytest.fixture
def enter(camera: Camera) -> Callable[..., Metrics]:
    """Takes the camera through these states."""

    def enter(*states: tuple[CameraState, SourceError | None]) -> Metrics:
        metrics = Metrics("test")
        for state, error in states:
            camera.change(StateChange("front", state, error), metrics)
        return metrics

    return enter


def value(metrics: Metrics, name: str) -> float:
    found = [
        line for line in metrics.exposition().decode().splitlines() if line.startswith(f'{name}{{camera="front"}}')
    ]
    return float(found[0].split()[-1]) if found else 0.0


@pytest.mark.parametrize(
    "states",
    [
        [(CameraState.LIVE, None), (CameraState.STALLED, STALLED), (CameraState.OFFLINE, STALLED)],
        [(CameraState.LIVE, None), (CameraState.OFFLINE, STALLED)],
        [(CameraState.LIVE, None), (CameraState.STALLED, STALLED), (CameraState.LIVE, None)],
    ],
)
def test_a_stall_counts_once_whoever_notices_it(
    enter: Callable[..., Metrics], states: list[tuple[CameraState, SourceError | None]]
) -> None:
    assert value(enter(*states), "vigil_source_stalls_total") == 1


def test_a_fault_that_lasts_is_an_alert_and_connecting_neither_begins_nor_ends_it(
    camera: Camera, clock: ManualClock, enter: Callable[..., Metrics]
) -> None:
    told = []

    def stay(state: CameraState, error: SourceError | None, seconds: int) -> None:
        enter((state, error))
        for _ in range(seconds):
            told.append(camera.fault_alert())
            clock.advance(1)

    stay(CameraState.CONNECTING, None, 60)
    began_s = clock.time()
    for _ in range(4):
        stay(CameraState.OFFLINE, REFUSED, 2)
        stay(CameraState.CONNECTING, None, 2)
    (new,) = [alert for alert in told if alert]
    assert (new.type, new.fault, new.start_time) == ("new", "refused", began_s)
    assert new.explanation == ("Refused: nobody there. The host is up but the port is closed: check the port.")
    stay(CameraState.LIVE, None, 40)
    _, end = [alert for alert in told if alert]
    assert (end.type, end.id, end.end_reason) == ("end", new.id, "recovered")


def test_a_status_says_since_when_and_why(camera: Camera, clock: ManualClock, enter: Callable[..., Metrics]) -> None:
    since_s = clock.time()
    metrics = enter((CameraState.OFFLINE, REFUSED))
    clock.advance(7)
    status = camera.status(3, "E")
    assert (status.state, status.since, status.time, status.fault) == ("offline", since_s, since_s + 7, "refused")
    assert (status.last_alert_seq, status.epoch) == (3, "E")
    assert value(metrics, "vigil_source_up") == 0


def test_a_camera_that_is_tried_again_in_vain_is_down_since_it_left_live(
    camera: Camera, clock: ManualClock, enter: Callable[..., Metrics]
) -> None:
    enter((CameraState.LIVE, None))
    clock.advance(60)
    left_s = clock.time()
    lost = SourceError("broke off", SourceFault.LOST)
    retry = [(CameraState.CONNECTING, None), (CameraState.OFFLINE, REFUSED)]
    for state, error in [(CameraState.STALLED, STALLED), (CameraState.OFFLINE, lost), *retry, *retry]:
        enter((state, error))
        assert camera.status(0, "E").since == left_s
        clock.advance(20)
    enter(retry[0], (CameraState.LIVE, None))
    assert camera.status(0, "E").since == clock.time()


def fault_metric(metrics: Metrics) -> dict[str, float]:
    lines = metrics.exposition().decode().splitlines()
    found = [line.split('fault="')[1].split('"} ') for line in lines if line.startswith("vigil_camera_fault{")]
    return {fault: float(value) for fault, value in found}


def test_a_live_camera_with_a_fault_stays_live_and_is_told_at_once(
    camera: Camera, clock: ManualClock, enter: Callable[..., Metrics], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "stream.camera")
    metrics = enter((CameraState.LIVE, None))
    assert camera.status(0, "E").fault is None
    clock.advance(1)
    camera.keeper.stats.trouble = MOVED
    camera.measure(metrics)
    due = [camera.heartbeat_due]
    status = camera.status(0, "E")
    assert (status.state, status.since, status.fault) == ("live", clock.time(), "moved")
    assert (status.message, status.advice) == (MOVED.message, MOVED.advice)
    camera.measure(metrics)
    due.append(camera.heartbeat_due)
    assert value(metrics, "vigil_source_up") == 1
    assert fault_metric(metrics) == {"moved": 1}
    camera.keeper.stats.trouble = None
    camera.measure(metrics)
    due.append(camera.heartbeat_due)
    assert due == [True, False, True]
    assert camera.status(0, "E").fault is None
    assert fault_metric(metrics) == {"moved": 0}
    said = [record.message for record in caplog.records]
    assert [line for line in said if "moved" in line] == ["moved: another view: look there", "no longer moved"]


def test_a_camera_that_goes_offline_has_that_fault_and_its_old_one_again_when_it_is_back(
    camera: Camera, enter: Callable[..., Metrics]
) -> None:
    metrics = enter((CameraState.LIVE, None))
    camera.keeper.stats.trouble = MOVED
    camera.measure(metrics)
    camera.change(StateChange("front", CameraState.OFFLINE, REFUSED), metrics)
    camera.measure(metrics)
    assert camera.status(0, "E").fault == "refused"
    assert fault_metric(metrics) == {"moved": 0, "refused": 1}
    camera.change(StateChange("front", CameraState.LIVE), metrics)
    assert fault_metric(metrics) == {"moved": 0, "refused": 0}
    camera.measure(metrics)
    assert camera.status(0, "E").fault == "moved"
    assert fault_metric(metrics) == {"moved": 1, "refused": 0}


def test_the_heartbeat_goes_on_when_the_machines_clock_is_set_back(camera: Camera, clock: ManualClock) -> None:
    camera.status(0, "E")
    assert not camera.heartbeat_due
    clock.advance(HEARTBEAT_S)
    clock.set_back(3600)
    assert camera.heartbeat_due
