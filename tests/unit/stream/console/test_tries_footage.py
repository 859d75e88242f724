"""What a wording is tried on, of what the camera showed last."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.windows import WindowPlan
from stream.console.tries import Footage, recorded, windows_of
from stream.rings import PacketRing
from tests.unit.stream.clips import Video, encode, fill, read

EPOCH_S = 1_700_000_000.0
LONG_S = 150.0


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return read(encode(tmp_path_factory.mktemp("video") / "source.mp4", seconds=LONG_S, width=64, height=48))


def footage(video: Video, ring: PacketRing, folder: Path, *, later_s: float = 0.0) -> Footage:
    """The last two minutes, asked for when all of the video was shown, or later."""
    fill(ring, video, epoch_s=EPOCH_S)
    return recorded(ring, EPOCH_S + LONG_S + later_s, 120.0, folder)


def test_it_is_all_that_was_asked_for(video: Video, tmp_path: Path) -> None:
    found = footage(video, PacketRing(120.0, 10**8), tmp_path)
    assert found.shortfall is None
    assert found.start_time_s is not None
    assert found.start_time_s <= EPOCH_S + LONG_S - 120.0
    assert found.length_s == pytest.approx(120.0, abs=1.5)
    plan = WindowPlan(fps=2.0, length_s=1.0, stride_s=5.0, frames=2)
    windows = list(windows_of(found.clip, plan, (16, 12), "front"))
    assert len(windows) == pytest.approx(120.0 / 5.0, abs=2)


@pytest.mark.parametrize(
    ("max_s", "max_bytes", "later_s", "why"),
    [
        (16.0, 10**8, 0.0, "only the last 16 s are held in memory"),
        (120.0, 1 << 18, 0.0, "does not fit into"),
        (1000.0, 10**8, 90.0, "the camera showed nothing after"),
    ],
)
def test_where_there_is_less_it_says_why(
    video: Video, tmp_path: Path, max_s: float, max_bytes: int, later_s: float, why: str
) -> None:
    found = footage(video, PacketRing(max_s, max_bytes), tmp_path, later_s=later_s)
    assert found.length_s is not None
    assert found.length_s < 110.0
    assert why in str(found.shortfall)


def test_a_camera_that_began_a_moment_ago_has_shown_nothing_before(tmp_path: Path) -> None:
    ring = PacketRing(120.0, 10**8)
    fill(ring, read(encode(tmp_path / "short.mp4", seconds=3.0, width=64, height=48)), epoch_s=EPOCH_S)
    found = recorded(ring, EPOCH_S + 3.0, 120.0, tmp_path)
    assert found.length_s == pytest.approx(2.9, abs=0.2)
    assert found.shortfall == "the camera showed nothing before"


def test_of_an_empty_ring_nothing_can_be_tried(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no packets"):
        recorded(PacketRing(120.0, 10**8), EPOCH_S, 120.0, tmp_path)
