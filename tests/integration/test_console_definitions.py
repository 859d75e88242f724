"""Definitions by the console's API, over real connections to a real watch: what becomes of the file, and who did it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")

from stream.outbox import Outbox
from stream.reload import ConfigFile
from tests.integration.console import SCENE, Running, WordScorer, all_closed, settings, until
from tests.unit.stream.clips import encode
from tests.unit.stream.feed.made import an_alert

ANN, BEN = "ann-" + "x" * 24, "ben-" + "x" * 24
FILE = """\
# what is watched
cameras:
  hall:
    source: "{source}"   # the door
    definitions:
      # since the accident in May
      - name: falls          # as the ward calls it
        text: a person who falls
        open: 0.7            # 0.6 cried wolf
  yard: {{source: "{source}"}}   # none yet
defaults:
  window: {{length: 200ms, stride: 200ms, frames: 2, fps: 10}}
scorer: {{kind: recorded, responses: scripted}}
feed: {{bind: "tcp://127.0.0.1:*"}}
http: {{bind: off}}
console:
  bind: 127.0.0.1:0
  tokens:
    - {{name: ann, role: operator, token: {ann}}}
    - {{name: ben, role: operator, token: {ben}}}
data: {{dir: {data}}}
"""


class Editor:
    """Somebody who changes definitions."""

    def __init__(self, running: Running, token: str) -> None:
        self._client = running.client
        self._headers = {"Authorization": f"Bearer {token}"}

    def look(self, camera: str) -> dict[str, Any]:
        answer = self._client.get(f"/api/definitions/{camera}", headers=self._headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def put(self, camera: str, *definitions: object) -> dict[str, Any]:
        return self._send("PUT", camera, "", {"definitions": definitions})

    def undo(self, camera: str) -> dict[str, Any]:
        return self._send("POST", camera, "/undo", {})

    def _send(self, method: str, camera: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        body["based_on"] = self.look(camera)["version"]
        answer = self._client.request(method, f"/api/definitions/{camera}{what}", json=body, headers=self._headers)
        assert answer.status_code == 200, answer.text
        applied: dict[str, Any] = answer.json()
        assert applied["kept_until_restart"] is None
        return applied


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vigil.yaml"
    path.write_text(FILE.format(source=SCENE.format(1), data=tmp_path, ann=ANN, ben=BEN))
    return path


@pytest.fixture
def running(path: Path) -> Iterator[Running]:
    file = ConfigFile(path, {})
    with all_closed() as opened:
        opened.append(Running(file.load(), WordScorer(), file=file))
        yield opened[0]


def test_a_changed_one_keeps_its_comments_and_undoing_brings_the_file_back_to_the_byte(
    running: Running, path: Path
) -> None:
    before = path.read_text()
    ann = Editor(running, ANN)
    ann.put("hall", ann.look("hall")["definitions"][0] | {"open": 0.8})
    assert path.read_text() == before.replace("open: 0.7 ", "open: 0.8 ")
    ann.put("hall", ann.look("hall")["definitions"][0] | {"text": "a fall"}, "a dog")
    assert path.read_text() == before.replace("open: 0.7 ", "open: 0.8 ").replace(
        "a person who falls", "a fall"
    ).replace("cried wolf\n", "cried wolf\n      - a dog\n")
    ann.undo("hall")
    assert path.read_text() == before.replace("open: 0.7 ", "open: 0.8 ")
    ann.undo("hall")
    assert path.read_text() == before
    ann.put("yard", "a cat")
    ann.undo("yard")
    assert path.read_text() == before


def test_undoing_after_somebody_else_wrote_to_the_camera_keeps_what_they_wrote(running: Running, path: Path) -> None:
    before = path.read_text()
    ann = Editor(running, ANN)
    ann.put("hall", ann.look("hall")["definitions"][0] | {"open": 0.8})
    path.write_text(path.read_text().replace("# the door", "# the back door"))
    ann.undo("hall")
    assert path.read_text() == before.replace("# the door", "# the back door")


def test_it_is_kept_who_took_a_change_back_and_when(running: Running) -> None:
    ann, ben = Editor(running, ANN), Editor(running, BEN)
    ann.put("hall", "a fall")
    ben.undo("hall")
    undone, first = ben.look("hall")["history"]
    assert (undone["by"], undone["undone"], undone["undone_by"]) == ("ann", True, "ben")
    assert undone["undone_time"] >= undone["time"]
    assert (first["undone"], first["undone_by"], first["undone_time"]) == (False, None, None)


def test_a_player_may_ask_what_a_clip_or_a_picture_is_before_it_takes_it(tmp_path: Path) -> None:
    clip = tmp_path / "events/A.mp4"
    clip.parent.mkdir()
    encode(clip, seconds=1.0)
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        outbox.append(an_alert(id="A", type="end", end_time=11.0, clip="events/A.mp4"))
    with all_closed() as opened:
        running = Running(settings(tmp_path, {"hall": {"source": SCENE.format(1)}}), WordScorer())
        opened.append(running)
        asked = running.client.head("/api/alerts/A/clip.mp4")
        assert (asked.status_code, asked.content) == (200, b"")
        assert (asked.headers["content-type"], asked.headers["content-length"]) == (
            "video/mp4",
            str(clip.stat().st_size),
        )
        assert running.client.head("/api/alerts/A/snapshot.jpg").status_code == 404
        until(lambda: running.client.get("/api/cameras/hall/frame.jpg").status_code == 200, "a picture")
        asked = running.client.head("/api/cameras/hall/frame.jpg")
        assert (asked.status_code, asked.content, asked.headers["content-type"]) == (200, b"", "image/jpeg")
