"""Watching a camera by WebRTC: a real peer, the console's own endpoint, a real watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")
pytest.importorskip("aiortc", reason="needs the webrtc extra")

from stream.webrtc import viewer as viewer_module
from stream.webrtc.viewer import ViewerSettings
from tests.integration.console import SCENE, Running, WordScorer, all_closed, settings, until
from tests.integration.webrtc_peers import Publisher, Viewer

LOOKER = "a-looker's-token-of-good-length"
TOKENS = [{"name": "wall", "role": "viewer", "token": LOOKER}]


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    with all_closed() as opened:
        yield opened


@pytest.fixture
def watch(opened: list[Any], tmp_path: Path, request: pytest.FixtureRequest) -> Running:
    cameras = {
        "gate": {"source": getattr(request, "param", SCENE.format(1))},
        "yard": {"source": SCENE.format(2)},
    }
    console = {"bind": "127.0.0.1:0", "tokens": TOKENS, "webrtc_viewers": 2}
    opened.append(Running(settings(tmp_path, cameras, console=console), WordScorer()))
    running: Running = opened[-1]
    running.client.headers["authorization"] = f"Bearer {LOOKER}"
    return running


@pytest.fixture
def viewer(opened: list[Any], watch: Running) -> Callable[..., Viewer]:
    def make(token: str = LOOKER) -> Viewer:
        opened.append(Viewer(watch.url, authorization=f"Bearer {token}"))
        made: Viewer = opened[-1]
        return made

    return make


@pytest.mark.parametrize("watch", ["synthetic://?size=800x450&fps=10&events=none"], indirect=True)
def test_a_viewer_sees_the_camera_as_it_is_with_its_scores(watch: Running, viewer: Callable[..., Viewer]) -> None:
    listed = {camera["name"]: camera["whep"] for camera in watch.get("/api/cameras")}
    assert listed == {"gate": "/whep/gate", "yard": "/whep/yard"}
    looks = viewer()
    response = looks.watch("gate")
    assert (response.status_code, response.headers["content-type"]) == (201, "application/sdp")
    assert response.headers["location"].startswith("/whep/gate/")
    until(lambda: looks.pictures >= 10, "ten pictures")
    picture = looks.picture
    assert picture is not None
    assert picture.shape == (360, 640, 3)
    shown = watch.watch._cameras["gate"].preview.last()
    assert shown is not None
    rows, columns = (
        np.linspace(0, side - 1, n).astype(int) for side, n in zip(shown.image.shape[:2], (360, 640), strict=True)
    )
    expected = shown.image[np.ix_(rows, columns)].mean(axis=2)
    assert np.corrcoef(expected.ravel(), picture.mean(axis=2).ravel())[0, 1] > 0.5  # it has moved on
    until(lambda: len(looks.scores) >= 2, "two scores")
    assert {(score["schema"], score["camera"]) for score in looks.scores} == {("vigil.score/1", "gate")}
    assert looks.ask("PATCH") == 405
    assert looks.ask("DELETE") == 200
    until(lambda: looks.over, "the end of the video")
    assert looks.ask("DELETE") == 404
    gate = watch.watch._cameras["gate"]
    until(lambda: not gate.preview._wanted, "the last picture that was asked for")
    made, pictures = gate.preview._made, gate.keeper.stats.pictures
    until(lambda: gate.keeper.stats.pictures > pictures + 10, "ten more pictures of the camera")
    assert gate.preview._made is made  # nobody looks, so none was converted


def test_only_so_many_watch_at_once(watch: Running, viewer: Callable[..., Viewer]) -> None:
    first, second, third = viewer(), viewer(), viewer()
    assert [each.watch(camera).status_code for each, camera in ((first, "gate"), (second, "yard"))] == [201, 201]
    refused = third.watch("yard")
    assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
    assert int(refused.headers["retry-after"]) > 0
    assert first.ask("DELETE") == 200
    assert third.watch("yard").status_code == 201
    until(lambda: third.pictures and second.pictures, "pictures for both")


@pytest.mark.parametrize("how", ["hang_up", "vanish"])
def test_a_viewer_that_vanishes_makes_way(
    how: str, watch: Running, viewer: Callable[..., Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_module, "ViewerSettings", lambda **given: ViewerSettings(silence_s=3.0, **given))
    looks = [viewer(), viewer()]
    for each in looks:
        assert each.watch("gate").status_code == 201
    until(lambda: all(each.pictures for each in looks), "pictures for both")
    getattr(looks[0], how)()
    next_one = viewer()
    until(lambda: next_one.watch("yard").status_code == 201, "the place")


def test_the_end_of_the_watch_ends_the_video(opened: list[Any], watch: Running, viewer: Callable[..., Viewer]) -> None:
    looks = viewer()
    looks.watch("gate")
    until(lambda: looks.pictures, "a picture")
    opened.remove(watch)
    watch.stop()
    until(lambda: looks.over, "the end of the video")


def test_strangers_and_nonsense_are_refused(opened: list[Any], watch: Running, viewer: Callable[..., Viewer]) -> None:
    assert viewer("a-wrong-token-of-some-length").watch("gate").status_code == 401
    assert viewer().watch("elsewhere").status_code == 404

    def post(body: str, kind: str = "application/sdp") -> int:
        answer = watch.client.post("/whep/gate", content=body, headers={"content-type": kind})
        assert answer.headers["content-type"] == "application/problem+json"
        return int(answer.status_code)

    assert post("v=0", "text/plain") == 415
    for garbage in ("", "nonsense", "v=0\r\nm=video", "\0" * 99):
        assert post(garbage) == 422, garbage
    sender = Publisher(watch.url, authorization=f"Bearer {LOOKER}")
    opened.append(sender)
    assert sender.offer_to("/whep/gate").status_code == 422  # it sends video and wants none
    assert viewer().watch("gate").status_code == 201  # none of them has kept a place
