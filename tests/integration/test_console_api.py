"""The console's API, over real connections to a real watch."""

from __future__ import annotations

import contextlib
import email
import json
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the console extra")
pytest.importorskip("httpx2", reason="needs the openai extra")

from engine.errors import RuntimeFault, ScorerError, UsageError
from engine.motion import MotionScorer
from engine.recorded import RecordedScorer
from engine.types import Judgement, Window
from stream.cli.feedback import export
from stream.config import load
from stream.outbox import Outbox
from stream.reload import ConfigFile
from tests.integration.console import SCENE, Listening, Running, WordScorer, settings, until
from tests.unit.stream.feed.made import an_alert

HOSTILE = "<script>alert(1)</script>\x1b[2J\r\nid: 9\n\ndata: x\u202e\u2028 \"'&"
TOKENS = {role: f"{role}-{'x' * 24}" for role in ("viewer", "operator", "admin")}
SIGN_IN = {
    "bind": "127.0.0.1:0",
    "tokens": [{"name": f"the {role}", "role": role, "token": token} for role, token in TOKENS.items()],
}


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(*arguments: Any, **options: Any) -> Running:
        running.append(Running(*arguments, **options))
        return running[-1]

    yield begin
    for each in running:
        each.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, WordScorer]]:
    """Two cameras and a dead one, for tests that leave them as they are."""
    cameras = {
        "front": {"source": SCENE.format(1)},
        "yard": {"source": SCENE.format(2), "definitions": ["a fire", {"name": "fall", "text": "a fall", "open": 0.7}]},
        "dead": {"source": "rtsp://user:hunter2@127.0.0.1:1/x"},
    }
    scorer = WordScorer()
    running = Running(settings(tmp_path_factory.mktemp("shared"), cameras), scorer)
    try:
        until(lambda: len(running.get("/api/cameras/front/timeline")["points"]) > 5, "scores")
        yield running, scorer
    finally:
        running.stop()


def an_event(running: Running, scorer: WordScorer, camera: str = "front") -> dict[str, Any]:
    """Has one happen, and waits until it is over."""
    before = {event["id"] for event in running.get("/api/alerts", params={"camera": camera})["events"]}

    def found(over: bool) -> dict[str, Any] | None:
        events = running.get("/api/alerts", params={"camera": camera})["events"]
        new = [event for event in events if event["id"] not in before]
        return new[0] if new and (new[0]["end_time"] is not None) >= over else None

    scorer.levels[camera] = 0.9
    until(lambda: found(over=False), "an event")
    scorer.levels[camera] = 0.1
    event: dict[str, Any] = until(lambda: found(over=True), "the event's end")
    return event


def test_cameras_say_how_they_are_without_their_passwords(shared: tuple[Running, WordScorer]) -> None:
    running, _ = shared
    until(lambda: {c["fault"] for c in running.get("/api/cameras")} == {None, "refused"}, "the dead camera's fault")
    answer = running.client.get("/api/cameras")
    assert "hunter2" not in answer.text
    cameras = {camera["name"]: camera for camera in answer.json()}
    front, yard, dead = cameras["front"], cameras["yard"], cameras["dead"]
    assert (front["state"], front["size"], front["score"], front["threshold"]) == (
        "live",
        [160, 90],
        {"default": 0.1},
        {"default": 0.6},
    )
    assert front["scored_per_s"] > 1
    assert isinstance(front["frames_dropped"], dict)
    assert (dead["waiting_s"], dead["frames_dropped"], dead["score"]) == (0.0, {}, {"default": None})
    assert yard["threshold"] == {"a fire": 0.6, "fall": 0.7}
    assert [definition["name"] for definition in yard["definitions"]] == ["a fire", "fall"]
    assert (dead["state"], dead["fault"], dead["source"]) == ("offline", "refused", "rtsp://user:***@127.0.0.1:1/x")
    assert dead["advice"]


def test_a_cameras_newest_picture_is_a_jpeg_that_is_sent_once(shared: tuple[Running, WordScorer]) -> None:
    running, _ = shared
    answer = running.client.get("/api/cameras/front/frame.jpg", params={"width": 100})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == (56, 100)
    first = picture_time_s(running)
    until(lambda: picture_time_s(running) > first, "a newer picture")
    dead = running.client.get("/api/cameras/dead/frame.jpg")
    assert (dead.status_code, dead.headers["content-type"]) == (503, "application/problem+json")
    assert running.client.get("/api/cameras/none/frame.jpg").status_code == 404
    assert running.client.get("/api/cameras/front/frame.jpg", params={"width": 10_000}).status_code == 422


def picture_time_s(running: Running) -> float:
    tag: str = running.client.get("/api/cameras/front/frame.jpg").headers["etag"]
    return float(tag.strip('"').partition("-")[0])


def test_the_pictures_of_several_cameras_come_in_one_answer(shared: tuple[Running, WordScorer]) -> None:
    running, _ = shared
    asked = "/api/pictures?camera=front&camera=yard&camera=dead&camera=none&width=64"

    def parts(*known: str) -> dict[str, tuple[str, bytes]]:
        """By camera, the picture's tag and the picture."""
        answer = running.client.get(asked, headers={"If-None-Match": ", ".join(known)})
        assert answer.headers["content-type"] == "multipart/mixed; boundary=picture"
        text = b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n" + answer.content
        found = {}
        for part in email.message_from_bytes(text).walk():
            if not part.is_multipart():
                jpeg = part.get_payload(decode=True)
                assert isinstance(jpeg, bytes)
                assert (part["Content-Type"], int(part["Content-Length"])) == ("image/jpeg", len(jpeg))
                found[part["X-Camera"]] = (part["ETag"], jpeg)
        return found

    first = parts()
    assert first.keys() == {"front", "yard"}  # the others have none
    for tag, jpeg in first.values():
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape[:2] == (36, 64)
        assert tag.startswith('"')
    second = parts(*(tag for tag, _ in first.values()))
    assert all(second[name][0] != first[name][0] for name in first)  # it waited for newer ones
    assert running.client.get("/api/pictures").status_code == 422


def test_a_picture_that_does_not_change_is_not_sent_again(tmp_path: Path) -> None:
    over = str(SCENE.format(1)) + "&duration=1"
    running = Running(settings(tmp_path, {"front": {"source": over}}), WordScorer())
    try:
        until(lambda: running.get("/api/cameras")[0]["state"] == "ended", "the end")
        first = running.client.get("/api/cameras/front/frame.jpg")
        known = {"If-None-Match": first.headers["etag"]}
        assert first.status_code == 200
        assert running.client.get("/api/cameras/front/frame.jpg", headers=known).status_code == 304
        answer = running.client.get("/api/pictures", params={"camera": "front"}, headers=known)
        assert (b"Content-Length: 0\r\n" in answer.content, len(answer.content) < 300) == (True, True)
    finally:
        running.stop()


def test_a_film_of_pictures_goes_on_until_the_viewer_leaves(shared: tuple[Running, WordScorer]) -> None:
    running, _ = shared
    received = b""
    with running.client.stream("GET", "/api/cameras/front/live.mjpg", params={"fps": 5, "width": 64}) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=picture"
        for piece in answer.iter_raw():
            received += piece
            if received.count(b"--picture\r\nContent-Type: image/jpeg") >= 3:
                break
    until(lambda: running.watch.console_url and running.get("/api/health"), "the console")


def test_a_timeline_has_the_last_scores_by_a_definition_and_is_sent_once(shared: tuple[Running, WordScorer]) -> None:
    running, _ = shared
    told = running.get("/api/cameras/yard/timeline", params={"definition": "fall"})
    assert told["definition"] == "fall"
    times = [point["time"] for point in told["points"]]
    assert times == sorted(times)
    assert {point["score"] for point in told["points"]} == {0.1}
    span = {"since": times[1], "until": times[3]}
    answer = running.client.get("/api/cameras/yard/timeline", params=span)
    assert [point["time"] for point in answer.json()["points"]] == times[1:4]
    again = running.client.get(
        "/api/cameras/yard/timeline", params=span, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert running.client.get("/api/cameras/yard/timeline", params={"definition": "x"}).status_code == 404


def test_an_event_is_found_read_and_shown_and_what_is_said_of_it_is_data(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    scorer = WordScorer()
    scorer.sentence = HOSTILE
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), scorer)
    with contextlib.closing(Listening(running.url)) as listening:
        event = an_event(running, scorer)
        until(lambda: any(alert["type"] == "end" for alert in listening.of("alert")), "the end on the stream")
    assert event["explanation"] == HOSTILE
    assert {alert["explanation"] for alert in listening.of("alert")} <= {None, HOSTILE}
    assert HOSTILE in {alert["explanation"] for alert in listening.of("alert")}
    answer = running.client.get(f"/api/alerts/{event['id']}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    course = answer.json()
    assert [message["type"] for message in course["messages"]][:: len(course["messages"]) - 1] == ["new", "end"]
    assert course["messages"][-1]["explanation"] == HOSTILE
    assert running.get("/api/alerts", params={"q": "alert"})["events"][0]["id"] == event["id"]
    assert running.get("/api/alerts", params={"q": "dragon"})["events"] == []
    span = running.get("/api/cameras/front/timeline")["events"][0]
    assert span["explanation"] == event["explanation"]
    assert (span["id"], span["end_time"]) == (event["id"], event["end_time"])

    snapshot = running.client.get(event["snapshot"])
    assert (snapshot.headers["content-type"], snapshot.content[:2]) == ("image/jpeg", b"\xff\xd8")
    clip = running.client.get(event["clip"])
    head = running.client.head(event["clip"])
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(clip.content)), b"")
    assert (clip.headers["content-type"], clip.headers["accept-ranges"]) == ("video/mp4", "bytes")
    part = running.client.get(event["clip"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, clip.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(clip.content)}"
    tail = running.client.get(event["clip"], headers={"Range": "bytes=-5", "If-Range": clip.headers["etag"]})
    assert (tail.status_code, tail.content) == (206, clip.content[-5:])
    changed = running.client.get(event["clip"], headers={"Range": "bytes=-5", "If-Range": '"other"'})
    assert (changed.status_code, len(changed.content)) == (200, len(clip.content))
    assert running.client.get(event["clip"], headers={"Range": "bytes=99999999-"}).status_code == 416
    known = running.client.get(event["clip"], headers={"If-None-Match": clip.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    for file in tmp_path.rglob("*.mp4"):
        file.unlink()
    gone = running.client.get(event["clip"])
    assert (gone.status_code, gone.headers["content-type"]) == (404, "application/problem+json")


def test_only_evidence_is_served_whatever_an_alert_names(start: Callable[..., Running], tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    named = [
        "../secret.jpg",
        "secret.jpg",
        "events/../secret.jpg",
        str(tmp_path / "secret.jpg"),
        "events/link.jpg",
        "events",
    ]
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        for number, path in enumerate(named):
            outbox.append(an_alert(id=f"E{number}", type="end", end_time=11.0, snapshot=path))
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), WordScorer())
    assert len(running.get("/api/alerts")["events"]) == len(named)
    for number in range(len(named)):
        assert running.client.get(f"/api/alerts/E{number}/snapshot.jpg").status_code == 404
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/..%2fserver.py"):
        assert running.client.get(path).status_code == 404


def test_marks_are_kept_with_who_said_what_and_can_be_exported(
    start: Callable[..., Running], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        for name in ("A", "B"):
            outbox.append(an_alert(id=name, type="end", end_time=11.0, explanation=HOSTILE))
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), WordScorer())

    def mark(event: str, **said: object) -> dict[str, Any]:
        answer = running.client.post(f"/api/alerts/{event}/mark", json=said)
        assert answer.status_code == 200, answer.text
        marked: dict[str, Any] = answer.json()["mark"]
        return marked

    assert mark("A", acknowledged=True)["verdict"] is None
    assert mark("A", verdict="false", note="a cat")["acknowledged"] is True
    assert mark("A", verdict=None)["note"] == "a cat"
    last = mark("A", verdict="true")
    assert (last["by"], last["verdict"], last["acknowledged"], last["note"]) == ("local", "true", True, "a cat")
    course = running.get("/api/alerts/A")
    assert [each["verdict"] for each in course["marks"]] == [None, "false", None, "true"]
    assert [event["id"] for event in running.get("/api/alerts", params={"mark": "true"})["events"]] == ["A"]
    assert [event["id"] for event in running.get("/api/alerts", params={"mark": "none"})["events"]] == ["B"]
    assert running.client.post("/api/alerts/C/mark", json={"acknowledged": True}).status_code == 404
    assert running.client.post("/api/alerts/A/mark", json={"verdict": "maybe"}).status_code == 422
    assert running.client.post("/api/alerts/A/mark", json={"verdikt": "true"}).status_code == 422

    exported = running.client.get("/api/feedback.jsonl")
    (line,) = exported.content.splitlines()
    assert json.loads(line)["explanation"] == HOSTILE
    export(tmp_path)
    assert capfdbinary.readouterr().out == exported.content
    export(tmp_path, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == exported.content


def test_a_viewer_that_comes_back_has_missed_no_alert(start: Callable[..., Running], tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        for number in range(1200):
            outbox.append(an_alert(id=f"old{number}", type="end", end_time=11.0))
    scorer = WordScorer()
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), scorer)
    with contextlib.closing(Listening(running.url, "/api/stream?since_seq=100")) as first:
        until(lambda: len(first.of("alert")) == 1100, "what was told before")
        an_event(running, scorer)
        until(lambda: first.of("alert")[-1]["type"] == "end" and len(first.of("alert")) > 1101, "the event")
    assert first.content_type == "text/event-stream; charset=utf-8"
    (hello,) = first.of("hello")
    assert hello["understands_words"] is True
    assert (hello["last_seq"], hello["epoch"]) == (1200, first.of("alert")[0]["epoch"])
    an_event(running, scorer)  # nobody listens
    with contextlib.closing(Listening(running.url, last_event_id=first.last_id)) as second:
        until(lambda: second.of("alert") and second.of("alert")[-1]["type"] == "end", "what was missed")
        an_event(running, scorer)
        until(lambda: len([alert for alert in second.of("alert") if alert["type"] == "end"]) == 2, "the next event")
        until(lambda: second.of("status") and len(second.of("score")) > 3, "states and scores")
    seqs = [alert["seq"] for listening in (first, second) for alert in listening.of("alert")]
    assert seqs == list(range(101, len(seqs) + 101))
    with contextlib.closing(Listening(running.url, last_event_id="another:1400")) as stranger:
        until(lambda: len(stranger.of("alert")) == seqs[-1], "all of the outbox")
    with contextlib.closing(Listening(running.url)) as fresh:
        until(lambda: fresh.of("status"), "states")
    assert fresh.of("alert") == []


WRONG: list[list[Any]] = [
    [{"text": "x", "open": 2}],
    [{"open": 0.1, "close": 0.9}],
    [{"text": "<image>"}],
    [{"txt": "x"}],
    ["a", "a"],
    ["\0"],
]
FILE = """\
# what is watched
cameras:
  front:
    source: "{source}"   # the door
    definitions:
      - a fire          # the kitchen
      - {{name: fall, text: a person who falls, open: 0.7}}
  yard: {{source: "{source}"}}
defaults:
  window: {{length: 200ms, stride: 200ms, frames: 2, fps: 10}}
  smoothing: {{kind: none}}
scorer: {{kind: recorded, responses: "${{RESPONSES}}"}}
feed: {{bind: "tcp://127.0.0.1:*"}}
http: {{bind: off}}
console: {{bind: 127.0.0.1:0}}
data: {{dir: {data}}}
"""


def test_definitions_change_without_a_restart_and_in_the_file_as_if_by_hand(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPONSES", "scripted")
    path = tmp_path / "vigil.yaml"
    before = FILE.format(source=SCENE.format(1), data=tmp_path)
    path.write_text(before)
    path.chmod(0o640)
    file, scorer = ConfigFile(path, {}), WordScorer()
    running = start(file.load(), scorer, file=file)
    until(lambda: "front" in scorer.defined, "the camera")
    was = running.get("/api/definitions/front")
    assert (len(was["definitions"]), was["history"]) == (2, [])

    wanted = ["a dog, or ${HOME}", was["definitions"][0], {"name": "gate", "text": "x", "open": 0.7, "close": 0.2}]
    answer = running.client.put("/api/definitions/front", json={"definitions": wanted, "based_on": was["version"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["kept_until_restart"] is None
    until(lambda: [each.name for each in scorer.defined["front"]] == ["a dog, or ${HOME}", "a fire", "gate"], "it")
    after = before.replace("  - a fire  ", "  - a dog, or $${HOME}\n      - a fire  ").replace(
        "{name: fall, text: a person who falls, open: 0.7}", "{name: gate, text: x, open: 0.7, close: 0.2}"
    )
    assert path.read_text() == after
    assert path.stat().st_mode & 0o777 == 0o640
    assert not file.changed()
    assert load(path).cameras["front"].definitions[0].text == "a dog, or ${HOME}"
    cameras = {camera["name"]: camera for camera in running.get("/api/cameras")}
    assert cameras["front"]["threshold"]["gate"] == 0.7

    stale = running.client.put("/api/definitions/front", json={"definitions": [], "based_on": was["version"]})
    assert (stale.status_code, stale.headers["content-type"]) == (409, "application/problem+json")
    now = running.get("/api/definitions/front")
    assert [change["by"] for change in now["history"]] == ["local", "(configuration)"]
    for wrong in WRONG:
        refused = running.client.put("/api/definitions/front", json={"definitions": wrong, "based_on": now["version"]})
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert path.read_text() == after

    undone = running.client.post("/api/definitions/front/undo", json={"based_on": now["version"]})
    assert undone.json()["version"] == was["version"]
    until(lambda: [each.name for each in scorer.defined["front"]] == ["a fire", "fall"], "what was before")
    assert "- a fire          # the kitchen\n      - {name: fall" in path.read_text()
    assert [change["undone"] for change in running.get("/api/definitions/front")["history"]] == [True, False]
    again = running.client.post("/api/definitions/front/undo", json={"based_on": was["version"]})
    assert again.status_code == 409

    path.unlink()
    kept = running.client.put("/api/definitions/front", json={"definitions": ["a cat"], "based_on": was["version"]})
    assert "cannot read" in kept.json()["kept_until_restart"]
    until(lambda: [each.name for each in scorer.defined["front"]] == ["a cat"], "it all the same")


def test_definitions_of_a_watch_without_a_file_last_until_it_ends(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    scorer = WordScorer()
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), scorer)
    version = running.get("/api/definitions/front")["version"]
    answer = running.client.put("/api/definitions/front", json={"definitions": ["a dog"], "based_on": version})
    assert "without a configuration file" in answer.json()["kept_until_restart"]
    until(lambda: [each.name for each in scorer.defined["front"]] == ["a dog"], "the definition")
    scorer.by_text["a dog"] = 0.9
    event = until(lambda: running.get("/api/alerts", params={"definition": "a dog"})["events"], "its event")[0]
    assert event["definition"] == "a dog"


def test_a_wording_is_tried_on_a_clip_and_on_what_was_just_seen_and_nobody_is_told(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    scorer = WordScorer()
    scorer.by_text = {"a cat": 0.75}
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), scorer)
    until(lambda: len(running.get("/api/cameras/front/timeline")["points"]) > 10, "something before the event")
    event = an_event(running, scorer)

    def try_it(**asked: object) -> dict[str, Any]:
        begun = running.client.post("/api/definitions/front/try", json={"definition": "a cat", **asked})
        assert begun.status_code == 202, begun.text
        trial: dict[str, Any] = until(
            lambda: (told := running.get(f"/api/try/{begun.json()['id']}"))["state"] != "running" and told, "the try"
        )
        assert trial["state"] == "done", trial
        return trial

    alerts = len(running.get("/api/alerts")["events"])
    trial = try_it(event=event["id"])
    assert {point["score"] for point in trial["old"]} == {0.1}
    assert {point["score"] for point in trial["new"]} == {0.75}
    at_s = [point["at_s"] for point in trial["new"]]
    assert at_s == [point["at_s"] for point in trial["old"]]
    assert at_s == sorted(at_s)
    assert len(at_s) >= 3
    just_seen = try_it(seconds=5)
    assert just_seen["start_time"] is not None
    assert {point["score"] for point in just_seen["new"]} == {0.75}
    assert len(running.get("/api/alerts")["events"]) == alerts
    until(lambda: set(scorer.defined) == {"front"}, "the scorer to forget the tries")

    scorer.may_score.clear()
    begun = running.client.post("/api/definitions/front/try", json={"definition": "a cat"})
    assert begun.status_code == 202
    second = running.client.post("/api/definitions/front/try", json={"definition": "a cat"})
    assert second.status_code == 409
    scorer.may_score.set()
    assert running.client.post("/api/definitions/front/try", json={"definition": "x", "event": "no"}).status_code == 404
    assert running.client.get("/api/try/no").status_code == 404


class FailsAtTries(WordScorer):
    def _judge(self, window: Window) -> Judgement:
        if "/" in window.camera:
            raise ScorerError("the words are too long")
        return super()._judge(window)


def test_a_try_that_no_window_can_be_judged_for_says_why(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), FailsAtTries())
    until(lambda: running.get("/api/cameras")[0]["score"].get("default") is not None, "a score")
    begun = running.client.post("/api/definitions/front/try", json={"definition": "a cat"}).json()
    trial = until(lambda: (told := running.get(f"/api/try/{begun['id']}"))["state"] != "running" and told, "the try")
    assert (trial["state"], trial["problem"]) == (
        "failed",
        "no window could be judged: scorer failed: the words are too long",
    )


def test_a_scorer_that_hangs_takes_no_try_until_it_answers(start: Callable[..., Running], tmp_path: Path) -> None:
    scorer = WordScorer()
    cameras = {name: {"source": SCENE.format(1)} for name in ("front", "yard")}
    kind = {"kind": "recorded", "responses": "scripted", "timeout": "300ms"}
    running = start(settings(tmp_path, cameras, scorer=kind), scorer)
    until(lambda: all(each["score"].get("default") is not None for each in running.get("/api/cameras")), "scores")
    scorer.may_score.clear()
    begun = running.client.post("/api/definitions/front/try", json={"definition": "a cat", "seconds": 2}).json()
    until(lambda: running.get("/api/health")["scorer"]["hung_for_s"] > 0, "it to hang")
    refused = running.client.post("/api/definitions/yard/try", json={"definition": "a cat"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert "the scorer has not answered for" in refused.json()["detail"]
    scorer.may_score.set()
    until(lambda: running.get(f"/api/try/{begun['id']}")["state"] == "done", "the first try")
    assert running.client.post("/api/definitions/yard/try", json={"definition": "a cat"}).status_code == 202


def test_a_scorer_without_words_says_so(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}, scorer={}), MotionScorer())
    version = running.get("/api/definitions/front")["version"]
    refused = running.client.put("/api/definitions/front", json={"definitions": ["a dog"], "based_on": version})
    tried = running.client.post("/api/definitions/front/try", json={"definition": "a dog"})
    for answer in (refused, tried):
        assert answer.status_code == 422
        assert "does not understand" in answer.json()["detail"]


def test_of_a_recording_nothing_new_can_be_asked(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), RecordedScorer([]))
    version = running.get("/api/definitions/front")["version"]
    refused = running.client.put("/api/definitions/front", json={"definitions": ["a dog"], "based_on": version})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("the scorer recorded does not understand words")


def test_roles_tokens_and_csrf(start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Outbox(tmp_path / "outbox.sqlite3", time.time) as outbox:
        outbox.append(an_alert(id="A", type="end", end_time=11.0))
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}, console=SIGN_IN), WordScorer())
    client, said = running.client, {"acknowledged": True}

    def bearer(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    paths = [path for path in client.get("/api/openapi.json").json()["paths"] if path != "/api/session"]
    for path in paths:
        concrete = re.sub(r"\{[^}]*\}", "A", path)
        for method in ("GET", "POST", "PUT"):
            answer = client.request(method, concrete, json={} if method != "GET" else None)
            assert answer.status_code in (401, 405), f"{method} {concrete}"
    assert client.get("/").status_code == 200

    assert client.get("/api/cameras", headers=bearer(TOKENS["viewer"])).status_code == 200
    assert client.post("/api/alerts/A/mark", json=said, headers=bearer(TOKENS["viewer"])).status_code == 403
    marked = client.post("/api/alerts/A/mark", json=said, headers=bearer(TOKENS["operator"]))
    assert marked.json()["mark"]["by"] == "the operator"
    assert client.put("/api/definitions/front", json={}, headers=bearer(TOKENS["viewer"])).status_code == 403

    session = client.post("/api/session", json={"token": TOKENS["operator"]})
    cookie = session.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert session.json()["role"] == "operator"
    assert client.get("/api/session").json() == session.json()
    assert client.post("/api/alerts/A/mark", json=said).status_code == 403
    assert client.post("/api/alerts/A/mark", json=said, headers={"X-CSRF-Token": "x"}).status_code == 403
    csrf = {"X-CSRF-Token": session.json()["csrf"]}
    assert client.post("/api/alerts/A/mark", json=said, headers=csrf).status_code == 200
    other_site = csrf | {"Origin": "https://evil.example"}
    assert client.post("/api/alerts/A/mark", json=said, headers=other_site).status_code == 403
    assert client.delete("/api/session", headers=csrf).status_code == 204
    assert client.get("/api/cameras").status_code == 401

    for _ in range(5):
        assert client.post("/api/session", json={"token": "wrong"}).status_code == 401
    assert (
        client.get("/api/cameras", headers=bearer(TOKENS["viewer"])).status_code == 200
    )  # programs come by another door
    for _ in range(5):
        assert client.get("/api/cameras", headers=bearer("wrong")).status_code == 401
    for answer in (
        client.post("/api/session", json={"token": TOKENS["admin"]}),
        client.get("/api/cameras", headers=bearer(TOKENS["admin"]) | {"X-Forwarded-For": "192.0.2.1"}),
    ):
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 60
    assert not [record for record in caplog.records if any(token in record.getMessage() for token in TOKENS.values())]


@pytest.mark.parametrize(
    ("trusted", "headers", "secure"),
    [
        ([], {}, False),
        ([], {"X-Forwarded-Proto": "https"}, False),
        ([], {"Origin": "https://vigil.example", "Host": "vigil.example"}, True),
        (["192.0.2.1"], {"X-Forwarded-Proto": "https"}, False),
        (["127.0.0.0/8"], {"X-Forwarded-Proto": "https"}, True),
    ],
)
def test_the_cookie_is_for_https_only_where_the_page_came_by_it(
    trusted: list[str],
    headers: dict[str, str],
    secure: bool,
    start: Callable[..., Running],
    tmp_path: Path,
) -> None:
    console = SIGN_IN | {"trusted_proxies": trusted}
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}, console=console), WordScorer())
    signed_in = running.client.post("/api/session", json={"token": TOKENS["viewer"]}, headers=headers)
    assert signed_in.status_code == 200
    assert ("Secure" in signed_in.headers["set-cookie"]) is secure


def test_who_guesses_is_told_apart_by_what_a_trusted_proxy_says(
    start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    console = SIGN_IN | {"trusted_proxies": ["127.0.0.1"]}
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}, console=console), WordScorer())

    def guess(address: str) -> int:
        answer = running.client.post(
            "/api/session", json={"token": "wrong"}, headers={"X-Forwarded-For": f"198.51.100.9, {address}"}
        )
        return int(answer.status_code)

    assert [guess("192.0.2.1") for _ in range(6)] == [401] * 5 + [429]
    assert guess("192.0.2.2") == 401
    assert "trusted_proxies" not in caplog.text


def test_a_proxy_that_is_not_trusted_is_told_of_once(
    start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = start(settings(tmp_path, {"front": {"source": SCENE.format(1)}}, console=SIGN_IN), WordScorer())
    for _ in range(2):
        running.client.get("/", headers={"X-Forwarded-For": "192.0.2.1"})
    assert caplog.text.count("name the proxy's in console.trusted_proxies") == 1


def test_without_tokens_another_site_can_not_use_the_browser_of_this_machine(
    shared: tuple[Running, WordScorer],
) -> None:
    running, _ = shared
    for headers in ({"Host": "evil.example"}, {"Host": f"evil.example:{running.url.rpartition(':')[2]}"}):
        assert running.client.get("/api/cameras", headers=headers).status_code == 403
    assert running.client.get("/api/cameras", headers={"Host": "localhost:1"}).status_code == 200
    body = {"definition": "x"}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = running.client.post("/api/definitions/front/try", json=body, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    plain = running.client.post(
        "/api/alerts/A/mark", content=b'{"acknowledged": true}', headers={"Content-Type": "text/plain"}
    )
    assert plain.status_code in (404, 422)
    assert running.get("/api/session") == {"name": "local", "role": "admin", "csrf": ""}
    large = running.client.post(
        "/api/alerts/A/mark", content=b"x" * (1 << 20), headers={"Content-Type": "application/json"}
    )
    assert large.status_code == 413


def test_thirty_two_cameras_are_shown_together(start: Callable[..., Running], tmp_path: Path) -> None:
    cameras = {f"camera-{number}": {"source": SCENE.format(number).replace("fps=10", "fps=4")} for number in range(32)}
    slower = {"window": {"length": "1s", "stride": "1s", "frames": 2, "fps": 2}, "evidence": {"clip": False}}
    running = start(settings(tmp_path, cameras, defaults=slower), WordScorer())
    until(lambda: {camera["state"] for camera in running.get("/api/cameras")} == {"live"}, "all cameras")
    until(lambda: all(camera["score"] == {"default": 0.1} for camera in running.get("/api/cameras")), "their scores")
    with contextlib.closing(Listening(running.url)) as listening:
        until(lambda: {score["camera"] for score in listening.of("score")} == set(cameras), "scores of all")
    for name in cameras:
        answer = running.client.get(f"/api/cameras/{name}/frame.jpg", params={"width": 160})
        assert (answer.status_code, answer.content[:2]) == (200, b"\xff\xd8")


def test_health_says_what_the_watch_is_at(shared: tuple[Running, WordScorer]) -> None:
    running, _ = shared
    health = running.get("/api/health")
    assert health["scorer"] == {"scorer": "scripted", "name": "words", "understands_words": True, "hung_for_s": 0.0}
    assert health["windows"]["scored"] > 5
    assert health["disk"]["free_bytes"] > 0
    assert health["disk"]["used_bytes"] > 0
    assert health["memory"]["used_bytes"] is None or health["memory"]["used_bytes"] > 1_000_000
    assert health["uptime_s"] > 0
    assert (health["bridges"], health["gpu"]) == ([], [])


def test_the_page_is_asked_for_again_each_time_and_sent_once(shared: tuple[Running, WordScorer]) -> None:
    running, _ = shared
    page = running.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    file = running.client.get("/static/index.html")
    assert (file.content, file.headers["cache-control"]) == (page.content, "no-cache")
    known = running.client.get("/static/index.html", headers={"If-None-Match": file.headers["etag"]})
    assert known.status_code == 304
    unknown = running.client.get("/api/nothing")
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")


def own_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("vigil-")}


def test_a_watch_ends_soon_though_viewers_stay(tmp_path: Path) -> None:
    before = own_threads()
    running = Running(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), WordScorer())
    listening = Listening(running.url)
    until(lambda: listening.of("status"), "a viewer")
    begun_s = time.monotonic()
    running.stop()
    assert time.monotonic() - begun_s < 10
    listening.close()
    until(lambda: own_threads() <= before, "all threads to end")


def test_a_port_that_is_taken_is_one_clear_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = own_threads()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = settings(tmp_path, {"front": {"source": SCENE.format(1)}}, console={"bind": f"127.0.0.1:{port}"})
        with pytest.raises(RuntimeFault, match=f"127.0.0.1:{port}.*choose another port"):
            Running(config, WordScorer())
    assert own_threads() <= before


def test_without_the_extra_the_console_is_one_clear_line_and_the_rest_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("stream.console.", "fastapi"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(UsageError, match="the console needs fastapi, which is not installed: pip install"):
        Running(settings(tmp_path, {"front": {"source": SCENE.format(1)}}), WordScorer())
