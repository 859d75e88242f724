"""A wording tried with a vision-language model: a tiny one, whose words are noise, but which reads them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("torch", reason="needs the vlm extra")
pytest.importorskip("transformers", reason="needs the vlm extra")

import torch

from engine.scorer import LanguageScorer
from engine.types import Definition
from engine.worker import judge
from stream.config import WatchConfig
from stream.console.tries import windows_of
from stream.wiring.scorers import make_scorer
from tests.integration.console import Running, settings, until

MODEL = Path(__file__).parents[2].parent / "shared" / "data" / "internvl2" / "internlm2-tiny"
SCENE = "synthetic://?size=160x90&fps=10&events=none&seed={}"
WORDINGS = ["a person who lies on the floor", "smoke or fire"]

pytestmark = pytest.mark.skipif(not MODEL.exists(), reason="the tiny checkpoints are not beside the project")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def watching(data: Path) -> WatchConfig:
    """Two cameras with two definitions each. Whatever is seen is an event, as the tiny model means nothing."""
    cameras = {
        name: {"source": SCENE.format(place), "definitions": WORDINGS} for place, name in enumerate(("front", "yard"))
    }
    defaults = {
        "window": {"length": "500ms", "stride": "500ms", "frames": 2, "fps": 4},
        "smoothing": {"kind": "none"},
        "alerts": {"open": 0.1, "close": 0.05, "max_duration": "2s", "cooldown": 0},
        "evidence": {"pre_roll": "1s", "post_roll": "200ms", "boxes": False},
    }
    return settings(
        data,
        cameras,
        defaults=defaults,
        scorer={"kind": "internvl2", "model": str(MODEL), "scoring": "scale", "device": "cpu", "dtype": "float32"},
        clip={"weights": "off"},
    )


def tried(running: Running, camera: str, **asked: object) -> dict[str, Any]:
    begun = running.client.post(f"/api/definitions/{camera}/try", json=asked)
    assert begun.status_code == 202, begun.text
    trial: dict[str, Any] = until(
        lambda: (told := running.get(f"/api/try/{begun.json()['id']}"))["state"] != "running" and told, "the try"
    )
    return trial


def test_a_wording_is_tried_by_the_model_itself_and_the_cameras_go_on(tmp_path: Path) -> None:
    config = watching(tmp_path)
    with contextlib.closing(make_scorer(config)) as own:  # of the test's own: the watch's is closed by the watch
        assert isinstance(own, LanguageScorer)
        running = Running(config, make_scorer(config))
        try:
            event = until(lambda: [each for each in running.get("/api/alerts")["events"] if each["clip"]], "a clip")[0]
            camera, new = event["camera"], "a dog without a leash"
            before = {name: newest_s(running, name) for name in config.cameras}
            trial = tried(running, camera, definition=new, event=event["id"])
            assert trial["state"] == "done", trial
            same = tried(running, camera, definition=event["definition"], event=event["id"])
            until(lambda: all(newest_s(running, name) > at_s for name, at_s in before.items()), "further windows")
            clip = tmp_path / "event.mp4"
            clip.write_bytes(running.client.get(event["clip"]).content)
            health = running.get("/api/health")["windows"]
            alerts = running.get("/api/alerts", params={"limit": 200})["events"]
        finally:
            running.stop()
        plan = config.cameras[camera].window.plan()
        windows = list(windows_of(clip, plan, own.frame_size, "own"))
        own.define("own", (Definition("old", event["definition"]), Definition("new", new)))
        expected = [(each.score, each.further["new"].score) for each in judge(own, windows)]
    old, by_new = ([point["score"] for point in trial[name]] for name in ("old", "new"))
    assert list(zip(old, by_new, strict=True)) == [pytest.approx(each, abs=2e-5) for each in expected]
    assert old != by_new
    assert [point["score"] for point in same["old"]] == pytest.approx(
        [point["score"] for point in same["new"]], abs=2e-5
    )
    assert health["unknown"] == 0
    assert {each["definition"] for each in alerts} <= set(WORDINGS)


def newest_s(running: Running, camera: str) -> float:
    """When the camera's newest scored window ended."""
    points = running.get(f"/api/cameras/{camera}/timeline")["points"]
    return float(points[-1]["time"]) if points else 0.0
