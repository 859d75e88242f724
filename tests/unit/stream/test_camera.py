"""What a camera's state does to its status messages, its heartbeat and its metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.batcher import MicroBatcher
from engine.errors import SourceError, SourceFault
from stream.camera import Camera
from stream.clock import ManualClock
from stream.config import from_mapping
from stream.feed.messages import HEARTBEAT_S
from stream.ids import Ids
from stream.metrics import Metrics
from stream.session import CameraState, StateChange
from stream.wiring import make_desk, make_source

STALLED = SourceError("no picture for 5 s", SourceFault.STALLED)
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
        make_desk("front", settings, Ids(clock.time)),
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


def test_a_status_says_since_when_and_why(camera: Camera, clock: ManualClock, enter: Callable[..., Metrics]) -> None:
    since_s = clock.time()
    metrics = enter((CameraState.OFFLINE, REFUSED))
    clock.advance(7)
    status = camera.status(3, "E")
    assert (status.state, status.since, status.time, status.fault) == ("offline", since_s, since_s + 7, "refused")
    assert (status.last_alert_seq, status.epoch) == (3, "E")
    assert value(metrics, "vigil_source_up") == 0


def test_the_heartbeat_goes_on_when_the_machines_clock_is_set_back(camera: Camera, clock: ManualClock) -> None:
    camera.status(0, "E")
    assert not camera.heartbeat_due
    clock.advance(HEARTBEAT_S)
    clock.set_back(3600)
    assert camera.heartbeat_due
