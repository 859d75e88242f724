"""A replay on a local Ray cluster of two nodes, whose workers and nodes die."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from engine.errors import DeviceLostError, RuntimeFault, UsageError
from engine.motion import MotionScorer
from engine.types import Judgement, Window
from engine.windows import WindowPlan
from offline_eval.datasets.matching import Coverage
from offline_eval.videos import ray_pool
from offline_eval.videos.run import LocalReplayer, Summary, replay_videos
from offline_eval.videos.scorers import Recipe
from tests.unit.offline_eval.videos.made import Heard, folder_of, motion, without_timings

NO_RAY = "Ray is not installed: pip install -e '.[ray]' in Vigil's folder"
LENGTHS_S = {"a": 14.0, "b": 13.0, "c": 12.0, "d": 11.0, "e": 10.0}


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(ray_pool, "import_module", missing)
    with pytest.raises(UsageError, match=r"pip install -e '\.\[ray\]'"):
        ray_pool.RayReplayer("auto", motion(), WindowPlan())


@pytest.fixture
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray", reason=NO_RAY)
    cluster = import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture
def videos(tmp_path: Path) -> Coverage:
    return folder_of(tmp_path / "videos", **LENGTHS_S)


def replay(cluster: Any, videos: Coverage, out: Path, recipe: Recipe, heard: Heard | None = None) -> Summary:
    replayer = ray_pool.RayReplayer(cluster.address, recipe, WindowPlan(), workers=1)
    try:
        return replay_videos("made", videos, replayer, out=out, progress=heard or Heard())
    finally:
        replayer.close()


def undisturbed(videos: Coverage, out: Path) -> dict[str, list[object]]:
    replay_videos("made", videos, LocalReplayer(motion(), WindowPlan()), out=out, progress=Heard())
    return without_timings(out)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def lose_the_device() -> None:
    raise DeviceLostError("the GPU is gone")


def deadly(dies: Callable[[str], bool], die: Callable[[], None] = kill) -> Recipe:
    """Motion, but its process dies over some videos. Made here, so that Ray sends its code along."""

    class Deadly(MotionScorer):
        def score(self, windows: Sequence[Window]) -> list[Judgement]:
            if any(dies(window.camera) and window.index > 3 for window in windows):
                die()
            return super().score(windows)

    return Recipe(Deadly, motion().settings)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("die", [kill, lose_the_device])
def test_the_videos_of_a_worker_that_dies_are_replayed_by_another(
    die: Callable[[], None], cluster: Any, videos: Coverage, tmp_path: Path
) -> None:
    marker = tmp_path / "died"

    def once(video: str) -> bool:
        if video != "b" or marker.exists():
            return False
        marker.touch()
        return True

    summary = replay(cluster, videos, tmp_path / "ray", deadly(once, die))
    assert marker.exists()
    assert summary.complete
    assert without_timings(tmp_path / "ray") == undisturbed(videos, tmp_path / "local")


@pytest.mark.timeout(180)
def test_a_video_that_kills_every_worker_is_given_up_and_the_others_are_done(
    cluster: Any, videos: Coverage, tmp_path: Path
) -> None:
    summary = replay(cluster, videos, tmp_path / "ray", deadly(lambda video: video == "b"))
    assert [(failed.video, "3 workers died" in failed.problem) for failed in summary.failed] == [("b", True)]
    assert sorted(summary.replayed) == ["a", "c", "d", "e"]


@pytest.mark.timeout(180)
def test_a_node_that_goes_away_costs_no_video(cluster: Any, videos: Coverage, tmp_path: Path) -> None:
    class Sabotage(Heard):
        def finished(self, video: str) -> None:
            super().finished(video)
            if len(self.ends) == 1:
                cluster.remove_node(cluster.list_all_nodes()[1], allow_graceful=False)

    assert replay(cluster, videos, tmp_path / "ray", motion(), Sabotage()).complete
    assert without_timings(tmp_path / "ray") == undisturbed(videos, tmp_path / "local")


def test_a_cluster_that_is_not_there_is_one_clear_error() -> None:
    pytest.importorskip("ray", reason=NO_RAY)
    with pytest.raises(RuntimeFault, match="no Ray cluster at"):
        ray_pool.RayReplayer("auto", motion(), WindowPlan())
