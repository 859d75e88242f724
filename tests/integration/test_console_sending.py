"""How the console sends what it has: small pictures, compressed texts, marks as they are made."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")

from stream.evidence.paths import CLEAN
from stream.evidence.snapshot import encode_jpeg, write_snapshot
from stream.feed.messages import AlertBox
from stream.outbox import Outbox
from tests.integration.console import SCENE, Listening, Running, WordScorer, settings, until
from tests.unit.stream.feed.made import an_alert

SNAPSHOT = "events/2024-06-21/front/E.jpg"
BOX = AlertBox(x1=0.1, y1=0.1, x2=0.2, y2=0.2, label="it")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def running(data: Path) -> Iterator[Running]:
    """A camera, and an event E whose picture is white, and black with boxes."""
    with Outbox(data / "outbox.sqlite3", lambda: 1_700_000_000.0) as outbox:
        outbox.append(an_alert(id="E", type="end", end_time=11.0, snapshot=SNAPSHOT, boxes=(BOX,)))
    for level, ending in ((0, ".jpg"), (255, CLEAN)):
        jpeg = encode_jpeg(np.full((360, 640, 3), level, np.uint8))
        write_snapshot((data / SNAPSHOT).with_suffix(ending), jpeg)
    running = Running(settings(data, {"front": {"source": SCENE.format(1)}}), WordScorer())
    try:
        yield running
    finally:
        running.stop()


def test_an_events_picture_comes_in_few_sizes_with_its_boxes_or_without(running: Running) -> None:
    def look(**options: int | bool) -> tuple[int, int]:
        """Its width, and how bright it is."""
        answer = running.client.get("/api/alerts/E/snapshot.jpg", params=options)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return image.shape[1], round(float(image.mean()))

    assert look() == (640, 0)
    assert look(width=240) == (240, 0)
    assert look(width=960) == (640, 0)
    assert look(boxes=False) == (640, 255)
    assert look(boxes=False, width=480) == (480, 255)
    for width in ("241", "x", "0"):
        assert running.client.get("/api/alerts/E/snapshot.jpg", params={"width": width}).status_code == 422
    tag = running.client.get("/api/alerts/E/snapshot.jpg?width=240").headers["etag"]
    for given, status in ((tag, 304), (f'"x", W/{tag}', 304), ('"x"', 200)):
        answer = running.client.get("/api/alerts/E/snapshot.jpg?width=240", headers={"If-None-Match": given})
        assert (answer.status_code, answer.headers["etag"]) == (status, tag)


def test_a_picture_that_is_replaced_all_the_time_always_comes_whole(running: Running, data: Path) -> None:
    path = data / SNAPSHOT
    before = path.read_bytes()
    jpegs = [encode_jpeg(np.full((size, size, 3), 90, np.uint8)) for size in (40, 400)]
    enough = threading.Event()

    def replace() -> None:
        while not enough.is_set():
            for jpeg in jpegs:
                write_snapshot(path, jpeg)

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        for _ in range(60):
            assert running.client.get("/api/alerts/E/snapshot.jpg").content in (before, *jpegs)
    finally:
        enough.set()
        replacing.join()
    path.unlink()
    assert running.client.get("/api/alerts/E/snapshot.jpg").status_code == 404


def test_a_live_picture_says_when_it_was_taken(running: Running) -> None:
    answer = until(
        lambda: (found := running.client.get("/api/cameras/front/frame.jpg")).status_code == 200 and found, "a picture"
    )
    assert abs(float(answer.headers["x-picture-time"]) - time.time()) < 3600
    with running.client.stream("GET", "/api/pictures", params={"camera": "front"}) as parts:
        assert b"\r\nX-Picture-Time: " in parts.read()


def raw(running: Running, path: str, **headers: str) -> tuple[dict[str, str], bytes]:
    """An answer as it is on the wire."""
    with running.client.stream("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}) as answer:
        return dict(answer.headers), b"".join(answer.iter_raw())


@pytest.mark.parametrize("path", ["/", "/static/js/main.js", "/static/css/base.css", "/api/openapi.json"])
def test_texts_are_sent_compressed(running: Running, path: str) -> None:
    headers, body = raw(running, path, Accept_Encoding="gzip")
    plain_headers, plain = raw(running, path, Accept_Encoding="identity")
    assert (headers["content-encoding"], headers["vary"]) == ("gzip", "Accept-Encoding")
    assert "content-encoding" not in plain_headers
    assert plain_headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(body) == plain
    assert len(body) < len(plain) / 1.5


@pytest.mark.parametrize("path", ["/", "/static/js/main.js", "/api/cameras/front/timeline?until=0"])
def test_a_text_that_is_known_is_not_sent_again_however_it_was_compressed(running: Running, path: str) -> None:
    tags = {raw(running, path, Accept_Encoding=way)[0]["etag"] for way in ("gzip", "identity")}
    (tag,) = tags
    assert tag.startswith("W/")
    answer = running.client.get(path, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.headers["etag"], answer.headers["vary"]) == (304, tag, "Accept-Encoding")


def test_the_stream_is_never_compressed(running: Running) -> None:
    with running.client.stream("GET", "/api/stream", headers={"Accept-Encoding": "gzip"}) as answer:
        assert "content-encoding" not in answer.headers
        assert next(answer.iter_raw()).startswith(b"retry: ")


def test_a_mark_is_told_to_who_looks_and_not_to_who_comes_later(running: Running) -> None:
    with contextlib.closing(Listening(running.url)) as listening:
        until(lambda: listening.of("hello"), "the stream")
        given = {"verdict": "false", "note": "a cat\u2028"}
        assert running.client.post("/api/alerts/E/mark", json=given).status_code == 200
        (told,) = until(lambda: listening.of("mark"), "the mark")
        assert told == {"event": "E", "mark": running.get("/api/alerts/E")["mark"]}
        assert (told["mark"]["verdict"], told["mark"]["note"]) == ("false", "a cat\u2028")
    with contextlib.closing(Listening(running.url)) as later:
        until(lambda: later.of("score"), "what is told of the camera")
        assert later.of("mark") == []
